//! Connections in the relay that an operator closes: what is under way still arrives, unless it is to end now.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use super::{closes, greet, stage};
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, drain};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::stage::NAME;
use crate::support::stream::bytes;

const ALL: &str = "older_than=0s";

#[test]
fn what_is_in_flight_arrives_before_the_end() {
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
            let mut asked = vec![0; 100_000];
            server.read_exact(&mut asked).unwrap();
            server.write_all(&answering[2 << 20..]).unwrap();
            (asked, drain(&mut server))
        });
        closes(&stage.door(), ALL, 1);
        let (answered, ending) = client.read_to_end();
        assert!(answered == answer, "{} bytes of {}", answered.len(), answer.len());
        assert_eq!(ending, Ending::Fin, "{tls:?}: the server has not said that this was all");
        let (asked, ending) = serving.join().unwrap();
        assert!(asked == question, "{} bytes of {}", asked.len(), question.len());
        assert_eq!(ending, (Vec::new(), Ending::Reset), "{tls:?}: nor has the client");
        assert_eq!(stage.outcome(port), "closed_by_operator");
    }
}

#[test]
fn one_that_is_idle_ends_soon() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for tls in Tls::BOTH {
        for has_moved in [true, false] {
            let (mut client, mut server) = stage.joined(&backend, tls);
            if has_moved {
                greet(&mut client, &mut server);
            }
            closes(&stage.door(), "listener=main", 1);
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin), "{tls:?}");
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
            assert_eq!(stage.outcome(client.close()), "closed_by_operator");
            assert!(super::list(&stage.door(), "").is_empty());
        }
    }
}

#[test]
fn one_that_waits_for_an_answer_gets_it() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    let (mut client, mut server) = stage.joined(&backend, Tls::V13);
    greet(&mut client, &mut server);
    client.send(b"question").unwrap();
    server.read_exact(&mut [0; 8]).unwrap();
    closes(&stage.door(), "listener=main", 1);
    // For longer than a connection has to be quiet; until then it is listed, as one that ends.
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(super::list(&stage.door(), "")[0]["closing"], "polite");
    server.write_all(b"answer").unwrap();
    assert_eq!(client.read_to_end(), (b"answer".to_vec(), Ending::Fin));
    assert_eq!(stage.outcome(client.close()), "closed_by_operator");
}

#[test]
fn one_that_ends_by_itself_meanwhile_is_complete() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        greet(&mut client, &mut server);
        client.send(b"question").unwrap();
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (b"question".to_vec(), Ending::Fin));
        closes(&stage.door(), "listener=main", 1);
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(client.read_to_end(), (b"answer".to_vec(), Ending::CloseNotify), "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "completed");
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
                // It waits for an answer.
                client.send(b"?").unwrap();
                server.read_exact(&mut [0]).unwrap();
                closes(&stage.door(), ALL, 1);
            }
            closes(&stage.door(), &format!("{ALL}&mode=now"), 1);
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Reset), "{tls:?}");
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
            assert_eq!(stage.outcome(client.close()), "closed_by_operator");
        }
    }
}

#[test]
fn a_client_that_goes_on_sending_is_cut_and_its_server_does_not_take_that_for_an_end() {
    let backend = ByHand::new();
    let stage = stage(&backend, "[runtime]\nshutdown_timeout = \"300ms\"\n", "");
    for tls in Tls::BOTH {
        for server_has_ended in [false, true] {
            let (mut client, mut server) = stage.joined(&backend, tls);
            greet(&mut client, &mut server);
            if server_has_ended {
                server.shutdown(Shutdown::Write).unwrap();
            }
            let mut second = server.try_clone().unwrap();
            let taking = thread::spawn(move || drain(&mut second));
            closes(&stage.door(), ALL, 1);
            // Until it is cut; the kernel takes some bytes after that.
            while client.send(&[7; 1000]).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
            let (taken, ending) = taking.join().unwrap();
            assert!(!taken.is_empty());
            assert_eq!(ending, Ending::Reset, "{tls:?}, server has ended: {server_has_ended}");
            assert_eq!(stage.outcome(client.close()), "closed_by_operator");
        }
    }
}

/// Whatever keeps them from being quiet, they end at `shutdown_timeout`, and not when something else makes them look.
#[test]
fn the_limit_is_kept_while_nothing_moves() {
    let backend = ByHand::new().narrow();
    let stage = stage(&backend, "[runtime]\nshutdown_timeout = \"300ms\"\n", "idle_timeout = \"1h\"\n");
    let witness = super::stage(&backend, "", "idle_timeout = \"20s\"\n");
    let (mut other, mut of_other) = witness.joined(&backend, Tls::V13);
    greet(&mut other, &mut of_other);
    let (mut ended, mut of_ended) = stage.joined(&backend, Tls::V13);
    greet(&mut ended, &mut of_ended);
    ended.close_notify().unwrap();
    let (mut half, mut of_half) = stage.joined(&backend, Tls::V12);
    greet(&mut half, &mut of_half);
    half.tls.writer().write_all(b"a question").unwrap();
    let record = half.flight();
    half.tcp.write_all(&record[..record.len() / 2]).unwrap();
    let (mut asking, of_asking) = stage.joined(&backend, Tls::V13);
    asking.send(b"question").unwrap();
    closes(&stage.door(), ALL, 3);
    for port in [ended.port(), half.port(), asking.port()] {
        assert_eq!(stage.outcome(port), "closed_by_operator");
    }
    // That one began to wait before.
    assert_eq!(super::list(&witness.door(), "").len(), 1, "its idle_timeout has passed meanwhile");
    drop(of_asking);
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
        // A FIN could be the end of what the other side had to say.
        assert_eq!(drain(&mut client.tcp), (Vec::new(), Ending::Reset), "{mode}");
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{mode}");
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
