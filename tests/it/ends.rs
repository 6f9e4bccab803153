//! Orderly ends: each side ends its own data, and the other direction goes on.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, drain};
use crate::support::stage::Stage;
use crate::support::stream::bytes;

mod abrupt;
mod half_closed;
mod idle;
mod records;
mod urgent;

#[test]
fn after_the_clients_close_notify_the_backend_still_answers_in_full() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let (question, answer) = (bytes(100_000), bytes(1 << 20));
    for tls in Tls::BOTH {
        // Some clients end the TCP connection together with TLS, others leave it open.
        for with_fin in [false, true] {
            let (mut client, mut server) = stage.joined(&backend, tls);
            client.send(&question).unwrap();
            client.close_notify().unwrap();
            if with_fin {
                client.fin();
            }
            let (asked, ending) = drain(&mut server);
            assert!(asked == question, "{} bytes of {}", asked.len(), question.len());
            assert_eq!(ending, Ending::Fin, "{tls:?}");
            let answering = answer.clone();
            let writer = thread::spawn(move || server.write_all(&answering).unwrap());
            let (answered, ending) = client.read_to_end();
            writer.join().unwrap();
            assert!(answered == answer, "{} bytes of {}", answered.len(), answer.len());
            assert_eq!(ending, Ending::CloseNotify, "{tls:?}");
            assert_eq!(drain(&mut client.tcp), (Vec::new(), Ending::Fin), "close_notify comes with the FIN");
            let port = client.port();
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["outcome"], "completed");
            assert_eq!((&record["received_bytes"], &record["sent_bytes"]), (&100_000.into(), &(1 << 20).into()));
        }
    }
}

#[test]
fn after_the_backends_end_the_client_still_sends() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let late = bytes(300_000);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        server.write_all(b"early").unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read_to_end(), (b"early".to_vec(), Ending::CloseNotify), "{tls:?}");
        let reader = thread::spawn(move || drain(&mut server));
        client.send(&late).unwrap();
        client.close_notify().unwrap();
        let (read, ending) = reader.join().unwrap();
        assert!(read == late, "{} bytes of {}", read.len(), late.len());
        assert_eq!(ending, Ending::Fin, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "completed");
    }
}

#[test]
fn an_answer_comes_in_full_from_a_backend_that_closes_at_once() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        for size in [1, 1 << 20] {
            let answer = bytes(size);
            let (mut client, mut server) = stage.joined(&backend, tls);
            client.send(b"?").unwrap();
            server.read_exact(&mut [0]).unwrap();
            let answering = answer.clone();
            let writer = thread::spawn(move || server.write_all(&answering).unwrap());
            let (answered, ending) = client.read_to_end();
            writer.join().unwrap();
            assert!(answered == answer, "{} bytes of {size}", answered.len());
            assert_eq!(ending, Ending::CloseNotify, "{tls:?}");
            client.close_notify().unwrap();
            assert_eq!(stage.outcome(client.close()), "completed");
        }
    }
}

#[test]
fn an_answer_comes_in_full_from_a_backend_that_does_not_read_the_question() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let answer = bytes(50_000);
    // The question, the answer and the reset of the backend's kernel race each other; so the test runs many rounds.
    for round in 0..40 {
        let (mut client, mut server) = stage.joined(&backend, Tls::BOTH[round % 2]);
        client.send(&bytes(20_000)).unwrap();
        server.write_all(&answer).unwrap();
        drop(server);
        let (answered, _) = client.read_to_end();
        assert!(answered == answer, "{} bytes of {} in round {round}", answered.len(), answer.len());
    }
}

#[test]
fn data_and_end_may_come_in_one_flight_with_the_clients_finished() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for with_end in [false, true] {
        // Under TLS 1.2 the client must receive the server's Finished first.
        let mut client = stage.silent(Tls::V13);
        let hello = client.flight();
        client.tcp.write_all(&hello).unwrap();
        while client.tls.is_handshaking() {
            assert_ne!(client.tls.read_tls(&mut client.tcp).unwrap(), 0, "it was closed");
            client.tls.process_new_packets().unwrap();
            // The server may ask for another key share; the last flight waits for that request.
            if client.tls.is_handshaking() {
                let hello = client.flight();
                client.tcp.write_all(&hello).unwrap();
            }
        }
        client.tls.writer().write_all(b"question").unwrap();
        if with_end {
            client.tls.send_close_notify();
        }
        let flight = client.flight();
        client.tcp.write_all(&flight).unwrap();
        let mut server = backend.accept();
        let mut asked = [0; 8];
        server.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"question");
        if with_end {
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        }
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(client.read_to_end(), (b"answer".to_vec(), Ending::CloseNotify));
    }
}

#[test]
fn data_and_end_may_come_in_one_segment() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.tls.writer().write_all(b"question").unwrap();
        client.tls.send_close_notify();
        let flight = client.flight();
        client.tcp.write_all(&flight).unwrap();
        client.fin();
        assert_eq!(drain(&mut server), (b"question".to_vec(), Ending::Fin), "{tls:?}");
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(client.read_to_end(), (b"answer".to_vec(), Ending::CloseNotify), "{tls:?}");
    }
}
