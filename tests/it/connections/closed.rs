//! Connections in the relay that an operator closes: what is under way still arrives, unless it is to end now.

use std::io::{Read, Write};
use std::thread;

use super::{closes, greet, stage};
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, drain};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, Stage};
use crate::support::stream::bytes;

const ALL: &str = "older_than=0s";

#[test]
fn what_is_in_flight_arrives_and_both_sides_see_an_orderly_end() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    let (question, answer) = (bytes(100_000), bytes(4 << 20));
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        greet(&mut client, &mut server);
        // More than the kernel keeps: it is on its way when the connection is closed.
        let (answering, port) = (answer.clone(), client.port());
        client.send(&question).unwrap();
        let serving = thread::spawn(move || {
            server.write_all(&answering[..2 << 20]).unwrap();
            let asked = drain(&mut server);
            server.write_all(&answering[2 << 20..]).unwrap();
            asked
        });
        closes(&stage.door(), ALL, 1);
        let (answered, ending) = client.read_to_end();
        assert!(answered == answer, "{} bytes of {}", answered.len(), answer.len());
        assert_eq!(ending, Ending::CloseNotify, "{tls:?}");
        let (asked, ending) = serving.join().unwrap();
        assert!(asked == question, "{} bytes of {}", asked.len(), question.len());
        assert_eq!(ending, Ending::Fin, "{tls:?}");
        assert_eq!(stage.outcome(port), "closed_by_operator");
    }
}

#[test]
fn one_that_is_idle_ends_as_soon_as_its_server_has() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        greet(&mut client, &mut server);
        closes(&stage.door(), "listener=main", 1);
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        // Until then it is still listed, as one that ends.
        assert_eq!(super::list(&stage.door(), "")[0]["closing"], "polite");
        drop(server);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify), "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "closed_by_operator");
        assert!(super::list(&stage.door(), "").is_empty());
    }
}

#[test]
fn what_is_to_end_now_is_reset_on_both_sides() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for tls in Tls::BOTH {
        // The second one was asked politely before, which does not keep it.
        for polite_before in [false, true] {
            let (mut client, mut server) = stage.joined(&backend, tls);
            greet(&mut client, &mut server);
            if polite_before {
                closes(&stage.door(), ALL, 1);
                assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
            }
            closes(&stage.door(), &format!("{ALL}&mode=now"), 1);
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Reset), "{tls:?}");
            if !polite_before {
                assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
            }
            assert_eq!(stage.outcome(client.close()), "closed_by_operator");
        }
    }
}

#[test]
fn a_server_that_does_not_end_is_cut_and_nobody_takes_that_for_an_end() {
    let backend = ByHand::new();
    let stage = stage(&backend, "[runtime]\nshutdown_timeout = \"300ms\"\n", "");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        greet(&mut client, &mut server);
        server.write_all(b"part").unwrap();
        closes(&stage.door(), ALL, 1);
        let (read, ending) = client.read_to_end();
        assert_eq!(read, b"part");
        assert_ne!(ending, Ending::CloseNotify, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "closed_by_operator");
    }
}

#[test]
fn a_client_in_the_middle_of_a_record_is_cut_and_its_server_sees_a_reset() {
    let backend = ByHand::new();
    let stage = stage(&backend, "[runtime]\nshutdown_timeout = \"300ms\"\n", "");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        greet(&mut client, &mut server);
        client.tls.writer().write_all(b"a question").unwrap();
        let record = client.flight();
        client.tcp.write_all(&record[..record.len() / 2]).unwrap();
        closes(&stage.door(), ALL, 1);
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        assert_ne!(client.read_to_end().1, Ending::CloseNotify, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "closed_by_operator");
    }
}

#[test]
fn one_that_is_passed_through_ends_in_the_same_way() {
    let backend = ByHand::new();
    let (pki, proxy) = passing(&backend);
    let door = crate::support::http::Door::unix(pki.folder());
    let config = std::sync::Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13));
    let outcome = |port: u16| proxy.record(|record| record["client.port"] == port)["outcome"].clone();
    for mode in ["polite", "now"] {
        let mut client = Client::silent(proxy.address("main"), &config, NAME);
        let hello = client.flight();
        client.tcp.write_all(&hello).unwrap();
        let mut server = backend.accept();
        let mut came = vec![0; hello.len()];
        server.read_exact(&mut came).unwrap();
        server.write_all(b"first").unwrap();
        client.tcp.read_exact(&mut [0; 5]).unwrap();
        let one = &super::list(&door, "route=default&server_name=main.test")[0];
        assert_eq!((&one["mode"], &one["received_bytes"]), (&"passthrough".into(), &hello.len().into()));
        closes(&door, &format!("listener=main&mode={mode}"), 1);
        if mode == "polite" {
            client.tcp.write_all(b"too late?").unwrap_or_default();
            assert_eq!(drain(&mut server).1, Ending::Fin);
            server.write_all(b"last").unwrap();
            drop(server);
            assert_eq!(drain(&mut client.tcp), (b"last".to_vec(), Ending::Fin));
        } else {
            assert_eq!(drain(&mut client.tcp), (Vec::new(), Ending::Reset));
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
        }
        assert_eq!(outcome(client.close()), "closed_by_operator");
    }
}

/// A proxy that passes everything through.
fn passing(backend: &ByHand) -> (Pki, Proxy) {
    let pki = Pki::new();
    pki.write("certs", "main", &[NAME], Key::P256, &Extra::default());
    let config = format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nmode = \"passthrough\"\nbackend = \"servers\"\n[backend.servers]\nservers = [\"{}\"]\n",
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    (pki, proxy)
}

#[test]
fn what_a_client_sends_at_the_same_time_is_delivered_or_known_to_be_lost() {
    let backend = ByHand::new();
    let stage: Stage = stage(&backend, "", "");
    for round in 0..20 {
        let (mut client, mut server) = stage.joined(&backend, Tls::V13);
        greet(&mut client, &mut server);
        client.send(b"before").unwrap();
        closes(&stage.door(), "listener=main", 1);
        // What was sent before the request has arrived, whatever the proxy has read of it by then.
        assert_eq!(drain(&mut server), (b"before".to_vec(), Ending::Fin), "round {round}");
        drop(server);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
        client.close();
        super::wait_for(&stage.door(), "", 0);
    }
}
