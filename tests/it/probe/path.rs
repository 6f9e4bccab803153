//! `probe --path`: at servers without anything in between every ClientHello arrives, and where a middlebox drops some, these
//! are named and no others.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;

use serde_json::Value;

use super::servers::{combined, haproxy, nginx, openssl, pair};
use super::{NAME, Probed, probe};
use crate::support::backend::Backend;
use crate::support::client;
use crate::support::middlebox::{self, Ends, Passes};
use crate::support::pki::{Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::slapd::Slapd;

/// Long enough for a machine that does much else: two parts must not be read as one.
const GAP: [&str; 3] = ["--path", "--gap", "200ms"];

fn path(address: SocketAddr, more: &[&str]) -> Probed {
    probe(address, &[&GAP[..], more].concat())
}

#[track_caller]
fn all_arrive(address: SocketAddr, more: &[&str]) {
    let found = path(address, &[&["--format", "json"], more].concat());
    let report = found.json();
    assert_eq!((found.code, &report["conclusions"]), (0, &Value::Array(Vec::new())), "{found:?}");
    assert_eq!(report["trials"].as_array().unwrap().len(), 51, "{report}");
}

/// The trials that die, by content, delivery and length.
fn dead(report: &Value) -> Vec<(String, String, u64)> {
    let trials = report["trials"].as_array().unwrap().iter();
    let text = |trial: &Value, key: &str| trial[key].as_str().unwrap().to_owned();
    trials
        .filter(|trial| !text(trial, "fate").starts_with("answered"))
        .map(|trial| (text(trial, "content"), text(trial, "delivery"), trial["bytes"].as_u64().unwrap()))
        .collect()
}

/// How the dead ones with that content were delivered.
fn of<'d>(dead: &'d [(String, String, u64)], content: &str) -> Vec<&'d str> {
    dead.iter().filter(|(of, ..)| of == content).map(|(_, delivery, _)| delivery.as_str()).collect()
}

#[test]
fn every_hello_arrives_at_tlsgate_nginx_haproxy_openldap_and_openssl() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let backend = Backend::echo();
    let proxy = Proxy::start(
        pki.folder(),
        &format!(
            "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"\ncertificates = [\"certs\"]\n\
             [backend.echo]\nservers = [\"{}\"]\n",
            backend.address
        ),
    );
    all_arrive(proxy.address("main"), &[]);
    let (certificate, key) = (rsa.certificate.display(), rsa.key.display());
    let tls = format!("listen LISTEN ssl; ssl_certificate {certificate}; ssl_certificate_key {key};");
    all_arrive(nginx("http", &format!("server {{ {tls} }}")).address, &[]);
    let file = combined(pki.folder(), &rsa);
    all_arrive(haproxy("", &format!("ssl crt {}", file.display()), "server none 127.0.0.1:1").address, &[]);
    all_arrive(openssl(&["-cert", &certificate.to_string(), "-key", &key.to_string()]).address, &[]);
    all_arrive(Slapd::start_with_tls("", &pki).address, &["--starttls", "ldap"]);
}

#[test]
fn the_hellos_that_a_middlebox_drops_are_named_and_no_others() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let server = openssl(&["-cert", rsa.certificate.to_str().unwrap(), "-key", rsa.key.to_str().unwrap()]);
    let through = |passes: Passes, ends: Ends| {
        let middlebox = middlebox::before(server.address, passes, ends);
        let found = path(middlebox.address, &["--format", "json"]);
        assert_eq!(found.code, 1, "{passes:?}: {found:?}");
        found.json()
    };
    let only = |report: &Value, finding: &str, likely: &str| {
        let conclusions = report["conclusions"].as_array().unwrap();
        assert_eq!(conclusions.len(), 1, "{report:#}");
        assert!(conclusions[0]["finding"].as_str().unwrap().contains(finding), "{report:#}");
        assert!(conclusions[0]["likely"].as_str().unwrap().contains(likely), "{report:#}");
    };

    let segments = || {
        let report = through(Passes::OneSegment, Ends::WithReset);
        only(&report, "cut into TCP segments", "expects the whole ClientHello in the first segment");
        let found = dead(&report);
        assert_eq!(found.len(), 4 * 6 + 3 + 2, "{found:?}");
        let cut =
            ["first_byte", "record_header", "message_header", "server_name", "key_share", "last_byte", "mtu", "pieces"];
        assert!(found.iter().all(|(_, delivery, _)| cut.contains(&delivery.as_str())), "{found:?}");
        // A browser's hello is longer than a segment, so it is cut without anybody's doing.
        let of_chromium: Vec<&str> = of(&found, "chromium");
        assert_eq!(of_chromium, ["server_name", "mtu"], "{found:?}");
        only(&report, "cut after 1400 bytes as Chromium sends it", "");
    };
    let names = || {
        let report = through(Passes::FirstBytes(100), Ends::WithReset);
        only(&report, "cut into TCP segments", "looks for the server name in the first segment");
        let cut = ["first_byte", "record_header", "message_header"];
        assert!(dead(&report).iter().all(|(_, delivery, _)| cut.contains(&delivery.as_str())), "{report:#}");
    };
    let records = || {
        let report = through(Passes::OneRecord, Ends::WithReset);
        only(&report, "in several records", "in one record");
        assert_eq!(dead(&report).len(), 4 * 3 + 1);
        assert_eq!(of(&dead(&report), "chromium"), ["two_records"]);
    };
    let sizes = || {
        let report = through(Passes::AtMost(2000), Ends::WithReset);
        only(&report, "whole ClientHellos of 4096, 16384 bytes die", "between 1536 and 4096 bytes");
    };
    let groups = || {
        let report = through(Passes::Groups(&[0x001d, 0x0017, 0x0018]), Ends::Silently);
        let found: Vec<&str> =
            report["conclusions"].as_array().unwrap().iter().map(|one| one["finding"].as_str().unwrap()).collect();
        assert_eq!(found.len(), 2, "{report:#}");
        assert!(found[0].contains("with GREASE") && found[1].contains("X25519MLKEM768"), "{found:?}");
        assert!(dead(&report).iter().all(|(content, ..)| content != "plain"), "{report:#}");
    };
    let together = || {
        let report = through(Passes::NotBoth([0x8a8a, 0x11ec]), Ends::WithReset);
        only(&report, "as Chromium sends it", "GREASE and a post-quantum key share together");
        assert_eq!(of(&dead(&report), "chromium").len(), 4, "{report:#}");
    };
    // Each takes some seconds, in which it waits. The scope fails if one of them does.
    thread::scope(|scope| {
        let all: [&(dyn Fn() + Sync); 6] = [&segments, &names, &records, &sizes, &groups, &together];
        for one in all {
            scope.spawn(one);
        }
    });

    // Nothing in between that drops anything: the one above was the reason.
    let middlebox = middlebox::before(server.address, Passes::All, Ends::WithReset);
    all_arrive(middlebox.address, &[]);
}

#[test]
fn every_form_names_what_dies_and_text_fits_a_terminal() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let server = openssl(&["-cert", rsa.certificate.to_str().unwrap(), "-key", rsa.key.to_str().unwrap()]);
    let middlebox = middlebox::before(server.address, Passes::OneSegment, Ends::WithReset);
    let (text, markdown) = (path(middlebox.address, &[]), path(middlebox.address, &["--markdown"]));
    assert_eq!((text.code, markdown.code), (1, 1), "{text:?}");
    for found in [&text, &markdown] {
        assert!(found.out.contains(NAME) && found.out.contains("RESET") && found.out.contains("Likely: "), "{found:?}");
    }
    assert!(text.out.lines().all(|line| line.chars().count() <= 100), "{}", text.out);
    assert!(markdown.out.contains("| whole | arrives | arrives | arrives | arrives |"), "{}", markdown.out);
    for found in [&text, &markdown] {
        let line = found.out.lines().find(|line| line.contains("cut after 1400 bytes, as Chromium")).unwrap();
        assert!(line.contains("RESET (1"), "{line}");
    }
}

#[test]
fn a_server_that_answers_nothing_is_reported_as_that() {
    let resets = Backend::start(|mut stream| {
        let _ = stream.read(&mut [0; 16])?;
        client::reset(stream);
        Ok(())
    });
    let found = path(resets.address, &[]);
    assert_eq!((found.code, &*found.out), (1, ""), "{found:?}");
    assert!(found.err.contains("in one piece gets no answer"), "{found:?}");
    let found = path(resets.address, &["--format", "json"]);
    assert!(found.json()["error"].as_str().unwrap().contains("nothing can be learnt"), "{found:?}");
}
