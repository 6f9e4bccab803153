//! What the admin API, the metrics and `tlsgate acme` show and change of certificates that an authority issues, with an
//! authority that does not answer.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{BEARER, JSON, Scene, TOKEN};
use crate::support::http::{Door, Response};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

/// Two certificates from an authority that refuses connections. It asks for no ordinary order for a long time after one that
/// failed, so that only what the test asks for happens.
fn kept() -> Scene {
    Scene::with(ADMIN, ORDERED, AUTHORITY)
}

const ADMIN: &str = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"";

const ORDERED: &str = "certificates = [\"certs\", { acme = \"inside\", names = [\"b.test\", \"*.b.test\"], keys = [\"ecdsa-p256\", \"rsa-2048\"] }]";
const AUTHORITY: &str = "[state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\nchallenges = [\"dns-01\"]\ndns = { program = \"/bin/true\" }\n";

fn shown(scene: &Scene) -> Value {
    scene.door.get("/api/v1/acme").json()
}

fn metric(scene: &Scene, series: &str) -> Option<f64> {
    let text = scene.door.get("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until the first order has failed. The authority is not asked for the other one before a pause is over.
fn after_the_first_failure(scene: &Scene) -> Value {
    eventually("an order has failed", || {
        let shown = shown(scene);
        let certificates = shown["certificates"].as_array().unwrap();
        certificates.iter().any(|one| one["state"] == "failed").then_some(shown.clone())
    })
}

#[test]
fn each_certificate_is_shown_with_its_state_and_its_next_order() {
    let scene = kept();
    let shown = after_the_first_failure(&scene);
    let authority = &shown["authorities"][0];
    assert_eq!((&authority["name"], &authority["account"]), (&json!("inside"), &Value::Null), "{shown:#}");
    assert_eq!(shown["locked_by"], Value::Null);
    for (certificate, key) in shown["certificates"].as_array().unwrap().iter().zip(["ecdsa-p256", "rsa-2048"]) {
        assert_eq!(certificate["names"], json!(["b.test", "*.b.test"]), "{shown:#}");
        assert_eq!(certificate["key"], key, "{shown:#}");
        assert!(certificate["not_after"].is_null() && certificate["issued_by"].is_null(), "{shown:#}");
        if certificate["state"] == "failed" {
            assert_eq!(certificate["next"]["reason"], "retry", "{shown:#}");
            let failure = &certificate["last_failure"];
            assert_eq!(failure["authority"], "inside", "{shown:#}");
            assert!(failure["message"].as_str().unwrap().contains("127.0.0.1:1"), "{shown:#}");
        } else {
            assert_eq!(certificate["state"], "pending", "{shown:#}");
        }
    }
    assert!(metric(&scene, "tlsgate_acme_renewals_total{authority=\"inside\",result=\"failed\"}") >= Some(1.0));
    assert!(metric(&scene, "tlsgate_acme_certificates{authority=\"inside\",state=\"failed\"}") >= Some(1.0));
    assert_eq!(metric(&scene, "tlsgate_acme_certificates{authority=\"inside\",state=\"valid\"}"), Some(0.0));
    assert_eq!(metric(&scene, "tlsgate_acme_locked"), Some(0.0));
    let series = |text: &str| {
        text.lines().filter(|line| line.starts_with("tlsgate_acme_next_attempt_timestamp_seconds{")).count()
    };
    assert_eq!(series(&scene.door.get("/metrics").body), 2);
    // Without an authority, nothing of it is left.
    fs::write(scene.path("tlsgate.toml"), super::config(&scene.backend, ADMIN, "")).unwrap();
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 200);
    eventually("nothing is kept", || {
        let shown = self::shown(&scene);
        (shown["authorities"] == json!([]) && shown["certificates"] == json!([])).then_some(())
    });
    let text = scene.door.get("/metrics").body;
    assert!(!text.contains("authority=\"inside\""), "{text}");
}

#[test]
fn an_order_can_be_asked_for_by_who_has_the_token() {
    let scene = kept();
    after_the_first_failure(&scene);
    let refused = scene.door.ask("POST", "/api/v1/acme/renew", &[JSON], "{}");
    assert_eq!(refused.status, 401);
    assert_eq!(scene.door.ask("POST", "/api/v1/acme/renew", &[BEARER], "{}").status, 415);
    let ask = |path: &str, body: &str| -> Response { scene.change("POST", &format!("/api/v1/acme/{path}"), body) };
    let renewed = ask("renew", r#"{"name":"b.test","key":"rsa-2048"}"#);
    assert_eq!(renewed.status, 502, "{}", renewed.body);
    let outcomes = renewed.json();
    assert_eq!(outcomes["certificates"].as_array().unwrap().len(), 1, "{outcomes:#}");
    assert_eq!(outcomes["certificates"][0]["key"], "rsa-2048", "{outcomes:#}");
    assert_eq!(outcomes["certificates"][0]["failure"]["authority"], "inside", "{outcomes:#}");
    let unknown = ask("renew", r#"{"name":"c.test"}"#);
    assert!(unknown.status == 404 && unknown.error().contains("b.test"), "{}", unknown.body);
    for (path, body) in [
        ("renew", "[]"),
        ("renew", "{\"names\":\"b.test\"}"),
        ("renew", "{\"key\":\"dsa\"}"),
        ("revoke", "{}"),
        ("rollover", "{}"),
    ] {
        assert_eq!(ask(path, body).status, 400, "{path} {body}");
    }
    // There is none that could be revoked.
    let revoked = ask("revoke", r#"{"name":"b.test","reason":"superseded"}"#);
    assert!(revoked.status == 502 && !revoked.json()["certificates"][0]["failure"].is_null(), "{}", revoked.body);
    assert_eq!(ask("rollover", r#"{"authority":"other"}"#).status, 404);
    assert_eq!(ask("rollover", r#"{"authority":"inside"}"#).status, 502);
    let line = scene.proxy.log_line("a change was requested through the admin API");
    assert!(line.contains("/api/v1/acme/renew"), "{line}");
}

#[test]
fn the_command_line_shows_and_changes_what_is_kept() {
    let scene = kept();
    after_the_first_failure(&scene);
    let Door::Tcp(address) = scene.door else { unreachable!() };
    let (url, token) = (format!("http://{address}"), scene.path("token"));
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--admin", &url, "--token-file", token.to_str().unwrap()]].concat();
        let output = Command::new(PROGRAM).arg("acme").args(all).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, printed) = run(&["list"]);
    assert!(code == Some(0) && printed.contains("authority inside (https://127.0.0.1:1/directory)"), "{printed}");
    assert!(printed.contains("FAILED") && printed.contains("b.test, *.b.test"), "{printed}");
    let (code, printed) = run(&["list", "--format", "json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&printed).unwrap()["locked_by"].clone()), (Some(0), Value::Null));
    let (code, printed) = run(&["renew", "b.test", "--key", "ecdsa-p256"]);
    assert!(code == Some(1) && printed.contains("b.test, *.b.test (ecdsa-p256, from inside): FAILED: "), "{printed}");
    let (code, printed) = run(&["renew", "c.test"]);
    assert!(code == Some(1) && printed.contains("b.test"), "{printed}");
    let (code, printed) = run(&["revoke", "b.test", "--reason", "key-compromise"]);
    assert!(code == Some(1) && printed.contains("FAILED"), "{printed}");
    assert_eq!(run(&["rollover", "inside"]).0, Some(1));
    for wrong in
        [&["renew"][..], &["revoke"], &["renew", "b.test", "--key", "dsa"], &["revoke", "b.test", "--reason", "2"]]
    {
        assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
    }
    assert!(!fs::read_to_string(scene.path("tlsgate.toml")).unwrap().contains(TOKEN));
}
