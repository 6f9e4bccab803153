//! Where the JA4 is shown besides the log of served connections: refused hellos, the list of connections, `explain`.

use std::fs;
use std::io::Write;
use std::process::Command;

use serde_json::Value;

use super::published;
use crate::support::by_hand::ByHand;
use crate::support::client::{Tls, connect, drain};
use crate::support::http::Door;
use crate::support::proxy::PROGRAM;
use crate::support::stage::{Lines, Stage, certified, config};
use crate::support::tool::shown;

const TOP: &str = "[admin]\nlisten=\"unix:admin.sock\"\n";

#[test]
fn a_hello_that_is_refused_has_its_ja4_in_the_log() {
    let backend = ByHand::new();
    // The captures have other names, and offer TLS 1.0 to 1.3.
    let lines = Lines { top: TOP, listener: "unknown_name = \"reject\"\nrequire_sni = true", backend: "" };
    let stage = Stage::new(&[backend.address], lines);
    let mut too_old = 0;
    for (name, expected, hello) in published() {
        let mut client = connect(stage.address());
        client.write_all(&hello).unwrap();
        assert_eq!(drain(&mut client).0.first(), Some(&21), "{name}: an alert");
        let port = client.local_addr().unwrap().port();
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["client.ja4"], expected, "{name}: {record:#}");
        too_old += usize::from(record["outcome"] == "no_common_version");
    }
    assert!(too_old > 0, "one has TLS 1.0");
    // What is no hello has none.
    let mut client = connect(stage.address());
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drain(&mut client);
    let record = stage.proxy.record(|record| record["outcome"] == "not_tls");
    assert_eq!(record.get("client.ja4"), None, "{record:#}");
}

#[test]
fn connections_are_listed_with_their_ja4_and_found_by_it() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], Lines { top: TOP, listener: "", backend: "" });
    let door = Door::unix(stage.pki.folder());
    let open = Tls::BOTH.map(|tls| stage.joined(&backend, tls));
    let list = |query: &str| {
        let answer = door.get(&format!("/api/v1/connections?{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["connections"].as_array().unwrap().clone()
    };
    let all: Vec<Value> = list("").iter().map(|one| one["ja4"].clone()).collect();
    assert!(all.len() == 2 && all[0] != all[1], "{all:?}");
    for ja4 in &all {
        let found = list(&format!("ja4={}", ja4.as_str().unwrap()));
        assert_eq!(found.iter().map(|one| &one["ja4"]).collect::<Vec<_>>(), [ja4]);
    }
    assert!(list("ja4=t13d1516h2_8daaf6152771_e5627efa2ab1").is_empty());
    let wrong = door.get("/api/v1/connections?ja4=t13");
    assert_eq!(wrong.status, 400, "{wrong:?}");
    assert!(wrong.body.contains("ja4: found \\\"t13\\\", expected the JA4 of a client over TCP"), "{wrong:?}");
    drop(open);
}

#[test]
fn what_is_explained_has_the_ja4_and_whether_it_is_denied() {
    let pki = certified();
    let published = published();
    let (_, denied, _) = published[0];
    let listener = format!("deny_ja4 = {denied:?}");
    let lines = Lines { top: "", listener: &listener, backend: "" };
    let file = pki.folder().join("tlsgate.toml");
    fs::write(&file, config(&["127.0.0.1:1".parse().unwrap()], lines)).unwrap();
    let captured = pki.folder().join("captured");
    let explain = |more: &[&str]| {
        let output = Command::new(PROGRAM).args(["explain", "-c"]).arg(&file).args(more).output().unwrap();
        assert!(!output.stdout.is_empty(), "{}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    for (name, expected, hello) in &published {
        fs::write(&captured, hello).unwrap();
        let hello = captured.to_str().unwrap();
        let json: Value = serde_json::from_str(&explain(&["--hello", hello, "--format", "json"])).unwrap();
        assert_eq!(json["ja4"], *expected, "{name}");
        let text = explain(&["--hello", hello]);
        assert!(text.contains(&format!("\nJA4          {expected}\n")), "{name}: {text}");
        assert_eq!(json["alert"] == "access_denied", *expected == denied, "{json:#}");
        assert_eq!(text.contains("REFUSED      its JA4 is in deny_ja4\n"), *expected == denied, "{text}");
    }
    // Known clients have one too.
    let chrome = explain(&["--client", "chrome", "--sni", "main.test"]);
    assert!(chrome.contains("\nJA4          t13d15"), "{chrome}");
}
