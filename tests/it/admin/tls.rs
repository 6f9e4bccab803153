//! TLS of the admin server: certificates, hosts, and clients with certificates, with curl as the client.

use std::fs;

use super::secure::{REVOKED, Secure, exchange, tls};
use super::{TOKEN, serial};
use crate::support::clients_pki::{ClientCa, Kind};
use crate::support::pki::{Extra, Key, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

const REQUIRE: &str = "client_auth={mode=\"require\", ca=\"clients.pem\", crl=\"clients.crl\"}";
const OPTIONAL: &str = "client_auth={mode=\"optional\", ca=\"clients.pem\", crl=\"clients.crl\"}";
const RELOAD: &str = "/api/v1/reload";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn it_is_served_with_tls_and_not_without() {
    let scene = Secure::open("");
    for versions in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let url = scene.url("/livez");
        let answer = scene.curl(None, &[versions, &[&url]].concat());
        assert_eq!((answer.status(), answer.body().as_str()), (200, "{\"status\":\"ok\"}"), "{versions:?}");
    }
    assert_eq!(scene.curl(None, &["--head", &scene.url("/readyz")]).status(), 200);
    let plain = scene.curl(None, &[&format!("http://{}/livez", scene.address)]);
    assert_eq!(plain.status(), 400);
    assert!(plain.body().contains("expected TLS"), "{}", plain.body());
    assert_eq!(scene.value(None, "tlsgate_admin_handshakes_failed_total{reason=\"not_tls\"}"), 1);
    let line = scene.proxy.log_line("a TLS handshake with the admin server failed");
    assert!(line.contains("not_tls") && line.contains("peer=127.0.0.1:"), "{line}");
    let shown: serde_json::Value = serde_json::from_str(&scene.get("/api/v1/certificates").body()).unwrap();
    let own = &shown["certificates"][1];
    assert_eq!((&own["listener"], &own["names"][0]), (&serde_json::Value::Null, &"admin.test".into()), "{shown:#}");
    let metrics = scene.get("/metrics").body();
    let soon =
        metrics.lines().find(|line| line.starts_with("tlsgate_certificate_ends_soon") && line.contains("own.crt"));
    assert!(soon.unwrap().contains("listener=\"\""), "{metrics}");
}

#[test]
fn a_change_needs_the_token_there_too() {
    let scene = Secure::open("");
    let change = |headers: &[&str]| {
        let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
        scene.curl(None, &[&["--request", "POST", &scene.url(RELOAD)], &headers[..]].concat()).status()
    };
    assert_eq!(change(&[]), 401);
    assert_eq!(change(&[&bearer(&format!("{TOKEN}x"))]), 401);
    let line = scene.proxy.log_line("wrong_token");
    assert!(line.contains("peer=127.0.0.1:") && line.contains(RELOAD), "{line}");
    assert_eq!(change(&[&bearer(TOKEN)]), 200);
    assert!(!scene.proxy.log().contains(TOKEN));
}

#[test]
fn the_names_of_its_certificate_are_its_hosts() {
    let scene = Secure::open("");
    let ask = |host: &str| scene.curl(None, &["--header", &format!("Host: {host}"), &scene.url("/metrics")]).status();
    for host in ["admin.test", "ADMIN.test:1", "127.0.0.1", "localhost"] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in ["evil.test", "a.wild.test", "a.admin.test", "127.0.0.2"] {
        assert_eq!(ask(host), 421, "{host}");
    }
}

#[test]
fn a_client_certificate_is_as_good_as_the_token() {
    for lines in [REQUIRE, OPTIONAL] {
        let scene = Secure::open(lines);
        let client = scene.client("operator", 0xC0FFEE, 9);
        let post = |headers: &[&str]| {
            let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
            scene.curl(Some(&client), &[&["--request", "POST", &scene.url(RELOAD)], &headers[..]].concat())
        };
        assert_eq!(post(&[]).status(), 200, "{lines}");
        let line = scene.proxy.log_line("a change was requested through the admin API");
        assert!(line.contains("Operator One") && line.contains("C0FFEE") && line.contains("peer=127.0.0.1:"), "{line}");
        // A browser presents it for every page, and adds these headers.
        for header in ["Origin: https://evil.test", "Sec-Fetch-Site: cross-site"] {
            assert_eq!(post(&[header]).status(), 403, "{header}");
            assert_eq!(post(&[header, &bearer(TOKEN)]).status(), 200, "{header}");
        }
        let line = scene.proxy.log_line("reason=\"page\"");
        assert!(line.contains("Operator One"), "{line}");
        assert_eq!(scene.value(Some(&client), "tlsgate_admin_requests_refused_total{reason=\"page\"}"), 2);
    }
}

#[test]
fn without_a_certificate_nothing_or_little_is_possible() {
    let scene = Secure::open(REQUIRE);
    assert_eq!(scene.get("/livez").status(), 0);
    let line = scene.proxy.log_line("reason=\"client_certificate\"");
    assert!(line.contains("no certificate"), "{line}");
    let scene = Secure::open(OPTIONAL);
    assert_eq!(scene.get("/api/v1/status").status(), 200);
    assert_eq!(scene.curl(None, &["--request", "POST", &scene.url(RELOAD)]).status(), 401);
    let change = ["--request", "POST", &scene.url(RELOAD), "--header", &bearer(TOKEN)];
    assert_eq!(scene.curl(None, &change).status(), 200);
}

#[test]
fn a_bad_client_certificate_is_refused_and_logged_with_its_owner() {
    for lines in [REQUIRE, OPTIONAL] {
        let scene = Secure::open(lines);
        let stranger = ClientCa::named(scene.pki.folder(), "other", "clients", |_| {});
        let stranger = stranger.issue("stranger", &Kind { common_name: "Stranger", ..Kind::default() });
        let bad = [scene.client("late", 7, -2), scene.client("revoked", REVOKED, 9), stranger];
        for (at, shown) in bad.iter().enumerate() {
            assert_eq!(scene.curl(Some(shown), &[&scene.url("/livez")]).status(), 0, "{lines} {at}");
        }
        let log = || scene.proxy.log();
        eventually("all are logged", || (log().matches("reason=\"client_certificate\"").count() == 3).then_some(()));
        for owner in ["Operator One", "Stranger"] {
            assert!(log().contains(owner), "{}", log());
        }
        let good = scene.client("good", 8, 9);
        let series = "tlsgate_admin_handshakes_failed_total{reason=\"client_certificate\"}";
        assert_eq!(scene.value(Some(&good), series), 3);
    }
}

#[test]
fn a_certificate_that_is_revoked_changes_nothing_more_on_an_open_connection() {
    let scene = Secure::open(OPTIONAL);
    let client = scene.client("operator", 1000, 9);
    let mut open = scene.shaken_with(&client);
    let post = |headers: &str| format!("POST {RELOAD} HTTP/1.1\r\nHost: admin.test\r\n{headers}\r\n");
    assert_eq!(exchange(&mut open, &post("")).status, 200);
    fs::write(scene.path("clients.crl"), scene.clients.numbered_list(2, &[REVOKED, 1000], 30)).unwrap();
    // The reload itself is the last change that it may make.
    eventually("it is revoked", || (scene.curl(Some(&client), &[&scene.url("/livez")]).status() == 0).then_some(()));
    assert_eq!(exchange(&mut open, &post("")).status, 403);
    assert_eq!(
        exchange(&mut open, &post(&format!("{}\r\n", bearer(TOKEN)))).status,
        200,
        "the token is as good as before"
    );
}

#[test]
fn its_certificates_are_swapped_and_a_broken_one_changes_nothing() {
    let scene = Secure::open("");
    let before = scene.served();
    let (certificate, key) = scene.pki.pair(&["admin.test", "127.0.0.1"], Key::Rsa2048, &Extra::default());
    write_private(&scene.path("admin/own.key"), &key);
    fs::write(scene.path("admin/own.crt"), &certificate).unwrap();
    let after = serial(certificate.as_bytes());
    eventually("the new one is served", || (scene.served() == after).then_some(()));
    assert_ne!(before, after);
    scene.proxy.log_line("admin: tls: certificate");
    fs::write(scene.path("admin/own.crt"), "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n").unwrap();
    scene.proxy.log_line("keeps its last good version");
    assert_eq!(scene.served(), after);
}

#[test]
fn whether_it_has_tls_is_decided_at_the_start() {
    let scene = Secure::open(REQUIRE);
    let client = scene.client("operator", 1, 9);
    scene.rewrite("listen=\"127.0.0.1:0\"\ntoken_file=\"token\"");
    scene.proxy.log_line("take effect at the next start");
    assert_eq!(scene.curl(None, &[&format!("http://{}/livez", scene.address)]).status(), 400);
    assert_eq!(scene.get("/livez").status(), 0, "a certificate is still required");
    assert_eq!(scene.curl(Some(&client), &["--request", "POST", &scene.url(RELOAD)]).status(), 200);
    scene.rewrite(&tls("client_auth={mode=\"off\"}"));
    eventually("none is asked for", || (scene.get("/livez").status() == 200).then_some(()));
}

#[test]
fn what_it_cannot_use_is_an_error_at_the_start() {
    let scene = Secure::open("");
    scene.pki.write("late", "a", &["a.test"], Key::P256, &Extra { validity: Some((-9, -2)), ..Extra::default() });
    for (lines, expected) in [
        ("certificates=[\"none\"]", "admin: tls: certificates"),
        ("client_auth={mode=\"require\", ca=\"none.pem\"}", "admin: tls: client_auth: ca"),
    ] {
        let text = super::configured(&scene.backend, &tls(lines), "certificates = [\"certs\"]", "");
        let Err(log) = Proxy::try_start(scene.pki.folder(), &text) else { panic!("{lines} started") };
        assert!(log.contains(expected), "{log}");
    }
    let text = super::configured(&scene.backend, &tls("certificates=[\"late\"]"), "certificates = [\"certs\"]", "");
    let checked = crate::support::check::check(scene.pki.folder(), &text);
    let warned = checked.warnings.iter().any(|text| text.starts_with("admin: tls: ") && text.contains("expired"));
    assert!(checked.ok && warned, "{:?}", checked.warnings);
}

#[test]
fn its_certificate_can_be_ordered() {
    let ordered = "certificates=[{ acme=\"inside\", names=[\"admin.test\"] }]";
    let tables = "[state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n";
    let scene = Secure::with(ordered, tables);
    assert_eq!(scene.get("/livez").status(), 0);
    let line = scene.proxy.log_line("a TLS handshake with the admin server failed");
    assert!(line.contains("ordered and not there yet"), "{line}");
}
