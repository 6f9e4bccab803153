//! The clients' view: those that connect when every server is down, and those that are connected when one goes down.

use std::io::Write;

use super::{becomes, stage};
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, drain};
use crate::support::pki::Pki;

#[test]
fn with_every_server_down_clients_are_refused_or_led_to_any() {
    let (pki, server) = (Pki::new(), Backend::echo());
    for (when_all_down, served) in [("fail", false), ("any", true)] {
        // It works, but does not pass the check.
        let health = format!("type = \"tls\", ca = \"{}\"", pki.ca().display());
        let stage = stage(&[server.address], &health, &format!("when_all_down = \"{when_all_down}\""));
        becomes(&stage, 0, "down");
        let mut client = stage.client(Tls::V13);
        if served {
            client.send(b"hello").unwrap();
            assert_eq!(client.read_exact(5), b"hello");
        } else {
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
            let record = &stage.proxy.records(1)[0];
            assert_eq!(record["outcome"], "backend_unreachable");
            assert_eq!(record["reason"], "every server is down or taken out of service");
        }
    }
}

#[test]
fn a_client_that_is_led_to_a_server_that_is_down_stays_until_it_is_taken_out() {
    let (pki, server) = (Pki::new(), Backend::echo());
    let health = format!("type = \"tls\", ca = \"{}\"", pki.ca().display());
    let stage = stage(&[server.address], &health, "when_all_down = \"any\"\non_down = \"close\"");
    becomes(&stage, 0, "down");
    let mut client = stage.client(Tls::V13);
    for _ in 0..3 {
        client.send(b"hello").unwrap();
        assert_eq!(client.read_exact(5), b"hello");
    }
    let path = format!("/api/v1/backends/servers/{}/state", server.address);
    let answer = stage.door().ask("PUT", &path, &[("Content-Type", "application/json")], r#"{"state": "maint"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
    assert_eq!(stage.outcome(client.port()), "backend_down");
}

#[test]
fn connections_of_a_server_that_goes_down_are_kept_or_cut_as_configured() {
    for (on_down, cut) in [("keep", false), ("close", true)] {
        let server = ByHand::new();
        let checked = ByHand::new();
        let health = format!("type = \"tcp\", port = {}", checked.address.port());
        let stage = stage(&[server.address], &health, &format!("on_down = \"{on_down}\""));
        becomes(&stage, 0, "up");
        let (mut client, mut stream) = stage.joined(&server, Tls::V13);
        drop(checked);
        becomes(&stage, 0, "down");
        if cut {
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
            assert_eq!(drain(&mut stream), (Vec::new(), Ending::Reset));
            assert_eq!(stage.outcome(client.port()), "backend_down");
        } else {
            stream.write_all(b"still").unwrap();
            assert_eq!(client.read_exact(5), b"still");
        }
    }
}
