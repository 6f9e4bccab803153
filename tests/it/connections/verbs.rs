//! `tlsgate connections`: lists and closes over the admin API.

use serde_json::Value;

use super::{greet, stage, wait_for};
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, connect, drain};
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn connections_are_listed_and_closed_from_the_command_line() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    let admin = format!("unix:{}", stage.pki.folder().join("admin.sock").display());
    let run = |arguments: &[&str]| {
        let output = tool::run(PROGRAM, &[&["connections"], arguments, &["--admin", &admin]].concat(), b"");
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["list"]).1, "no connection fits\n");
    let (mut client, mut server) = stage.joined(&backend, Tls::V13);
    greet(&mut client, &mut server);
    let mut silent = connect(stage.address());
    wait_for(&stage.door(), "", 2);

    let (code, text, _) = run(&["list", "--limit", "1"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("main.test") && text.contains("TLSv1.3") && text.contains("1/1"), "{text}");
    let id = text.lines().last().unwrap().strip_prefix("more follow: --after ").unwrap().to_owned();
    let (_, json, _) = run(&["list", "--after", &id, "--format", "json"]);
    let page: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((page["connections"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
    let (_, text, _) = run(&["list", "--server-name", "-", "--client", "127.0.0.0/8", "--older-than", "1ms"]);
    assert_eq!(text.lines().count(), 2, "{text}");

    let (code, text, message) = run(&["close"]);
    assert_eq!((code, &*text), (Some(1), ""));
    assert!(message.contains("found no filter"), "{message}");
    let (code, text, _) = run(&["close", "--server-name", "-", "--mode", "now"]);
    assert_eq!((code, &*text), (Some(0), "1 connection is closed\n"));
    assert_eq!(drain(&mut silent), (Vec::new(), Ending::Reset));
    let (_, json, _) = run(&["close", "--id", &id, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), serde_json::json!({"closed": 1, "mode": "polite"}));
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
}
