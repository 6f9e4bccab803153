//! What the admin API shows, and the secrets that it never shows.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{ADD, Scene, TOKEN, config};
use crate::support::pki::write_private;
use crate::support::proxy::PROGRAM;

#[test]
fn it_shows_what_there_is() {
    for scene in [Scene::tcp(), Scene::unix()] {
        for path in ["/livez", "/healthz", "/readyz"] {
            let answer = scene.door.get(path);
            assert_eq!((answer.status, &answer.json()), (200, &json!({ "status": "ok" })), "{path}");
        }
        let status = scene.door.get("/api/v1/status").json();
        assert_eq!(status["draining"], false);
        assert_eq!(status["pid"], scene.proxy.pid());
        assert_eq!(status["last_reload_successful"], true);
        let certificate = &scene.door.get("/api/v1/certificates").json()["certificates"][0];
        assert_eq!(certificate["listener"], "main");
        assert_eq!(certificate["names"], json!(["a.test"]));
        assert_eq!(certificate["serial_number"], scene.served("a.test"));
        let listeners = scene.door.get("/api/v1/listeners").json();
        assert_eq!(listeners["listeners"][0]["policy"], "TLS13-1-2-Res-PQ-2025-09");
        let policies = scene.door.get("/api/v1/policies").json();
        let used: Vec<_> = policies["policies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|policy| policy["listeners"] == json!(["main"]))
            .collect();
        assert_eq!(used.len(), 1);
        let backends = scene.door.get("/api/v1/backends").json();
        assert_eq!(backends["backends"][0]["servers"][0]["address"], scene.backend.address.to_string());
        assert_eq!(scene.door.get("/api/v1/config").json()["listener"][0]["idle_timeout"], "1h");
        assert_eq!(scene.door.get("/api/v1/openapi.json").json()["openapi"], "3.1.0");
        assert!(scene.door.get("/metrics").body.contains("tlsgate_build_info{version="));
        let head = scene.door.ask("HEAD", "/livez", &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
}

#[test]
fn no_secret_is_in_any_answer_or_log() {
    let scene = Scene::tcp();
    let tickets = Command::new(PROGRAM).args(["ticket-key", "new"]).output().unwrap().stdout;
    let tickets = String::from_utf8(tickets).unwrap();
    write_private(&scene.path("tickets"), &tickets);
    let admin = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"";
    fs::write(scene.path("tlsgate.toml"), config(&scene.backend, admin, "ticket_keys = \"tickets\"")).unwrap();
    let pair = scene.pair("b.test");
    let mut answers = vec![
        scene.change("POST", "/api/v1/reload", ""),
        scene.add("b", &pair),
        scene.add("b", &(pair.1.clone(), pair.1.clone())),
        scene.add("b", &(pair.0.clone(), pair.1[..60].to_owned())),
        scene.change("POST", ADD, &json!(pair.1).to_string()),
        scene.change("POST", ADD, &pair.1),
        scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &format!("Basic {TOKEN}"))], ""),
    ];
    write_private(&scene.path("tickets"), &tickets[..tickets.len() / 2]);
    fs::write(scene.path("certs/c.crt"), &pair.1).unwrap();
    answers.push(scene.change("POST", "/api/v1/reload", ""));
    assert_eq!(answers[0].status, 200);
    for view in ["status", "config", "listeners", "certificates", "policies", "backends", "openapi.json"] {
        answers.push(scene.door.get(&format!("/api/v1/{view}")));
    }
    let all =
        answers.iter().map(|answer| format!("{}{}", answer.head, answer.body)).collect::<String>() + &scene.proxy.log();
    let own = fs::read_to_string(scene.path("certs/a.key")).unwrap();
    let keys = [&own, &pair.1].map(|pem| pem.lines().nth(1).unwrap()[40..].to_owned());
    let secrets = [TOKEN, &keys[0], &keys[1], &tickets.trim()[..20], "PRIVATE KEY-----\\n"];
    for secret in secrets {
        assert!(secret.len() > 10 && !all.contains(secret), "{secret} is in\n{all}");
    }
}
