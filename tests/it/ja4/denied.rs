//! `deny_ja4`: who has one of these fingerprints is refused, and all others are served.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::apart::ja4;
use crate::support::by_hand::ByHand;
use crate::support::client::{Tls, connect, drain};
use crate::support::stage::{Lines, Stage, config};

/// RFC 8446 section 6.2.
const ACCESS_DENIED: u8 = 49;

const TOP: &str = "[admin]\nlisten=\"unix:admin.sock\"\n";

fn recorded(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hellos").join(name)).unwrap()
}

/// Sends it, reads the answer until the end, and returns the alert and the outcome.
fn sent(stage: &Stage, hello: &[u8]) -> (Option<u8>, String) {
    let mut client = connect(stage.address());
    client.write_all(hello).unwrap();
    let (answer, _) = drain(&mut client);
    let alert = match answer[..] {
        [21, 3, _, 0, 2, 2, alert] => Some(alert),
        _ => None,
    };
    (alert, stage.outcome(client.local_addr().unwrap().port()))
}

#[test]
fn a_client_whose_ja4_is_denied_gets_an_alert_and_no_backend() {
    let backend = ByHand::new();
    let denied = [recorded("openssl.bin"), recorded("chromium.bin")];
    let listener = format!("deny_ja4 = {:?}", denied.each_ref().map(|hello| ja4(hello)));
    let stage = Stage::new(&[backend.address], Lines { top: TOP, listener: &listener, backend: "" });
    for hello in &denied {
        assert_eq!(sent(&stage, hello), (Some(ACCESS_DENIED), "ja4_denied".to_owned()));
        let record = stage.proxy.record(|record| record["client.ja4"] == ja4(hello));
        assert_eq!((record.get("route"), record.get("chosen_cert")), (None, None), "{record:#}");
        assert_eq!(record["server.address"], "pass.test");
    }
    assert!(backend.is_untouched());
    for tls in Tls::BOTH {
        let (mut client, _server) = stage.joined(&backend, tls);
        client.close_notify().unwrap();
    }
}

#[test]
fn a_route_that_passes_through_is_no_way_around_it() {
    let backend = ByHand::new();
    let hello = recorded("gnutls.bin");
    let route = "[[listener.route]]\nserver_names = [\"pass.test\"]\nmode = \"passthrough\"\n";
    let listener = format!("deny_ja4 = {:?}\n{route}", ja4(&hello));
    let stage = Stage::new(&[backend.address], Lines { top: TOP, listener: &listener, backend: "" });
    assert_eq!(sent(&stage, &hello), (Some(ACCESS_DENIED), "ja4_denied".to_owned()));
    assert!(backend.is_untouched());
}

#[test]
fn a_reload_changes_the_list() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], Lines { top: TOP, listener: "", backend: "" });
    let hello = recorded("curl.bin");
    let door = crate::support::http::Door::unix(stage.pki.folder());
    let reload = |listener: &str| {
        let lines = Lines { top: TOP, listener, backend: "" };
        fs::write(stage.pki.folder().join("tlsgate.toml"), config(&[backend.address], lines)).unwrap();
        let answer = door.ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    reload(&format!("handshake_timeout = \"1s\"\ndeny_ja4 = {:?}", ja4(&hello)));
    assert_eq!(sent(&stage, &hello), (Some(ACCESS_DENIED), "ja4_denied".to_owned()));
    // Served now: the hello is all that this client sends, so that its handshake is late.
    reload("handshake_timeout = \"1s\"");
    assert_eq!(sent(&stage, &hello), (None, "handshake_timeout".to_owned()));
}
