//! What is passed through ends as the peers end it: a FIN is a FIN, a reset is a reset, and nothing is lost before
//! either.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::Value;

use super::{answers_once, hellos, pki, s_client, start};
use crate::support::by_hand::{ByHand, Refusing};
use crate::support::client::{Ending, connect, drain, port, reset};
use crate::support::proxy::Proxy;
use crate::support::reports;
use crate::support::stream::{Stream, bytes};

/// A proxy that passes everything through to `backend`.
fn through(backend: &ByHand, lines: &str) -> Proxy {
    start(&pki(), &format!("mode = \"passthrough\"\nbackend = \"hand\"\n{lines}"), &[], &[("hand", backend.address)])
}

/// A client that has sent a hello, and the backend's side of the connection, which has received it.
fn joined(proxy: &Proxy, backend: &ByHand) -> (TcpStream, TcpStream, usize) {
    let (_, hello) = hellos::recorded().swap_remove(0);
    let mut client = connect(proxy.address("main"));
    client.write_all(&hello).unwrap();
    let mut server = backend.accept();
    let mut got = vec![0; hello.len()];
    server.read_exact(&mut got).unwrap();
    assert!(got == hello);
    (client, server, hello.len())
}

fn record_of(proxy: &Proxy, port: u16) -> Value {
    let record = proxy.record(|record| record["client.port"] == port);
    assert_eq!((&record["mode"], &record["route"]), (&"passthrough".into(), &"default".into()), "{record:#}");
    record
}

#[test]
fn each_side_ends_its_own_data_and_the_other_goes_on() {
    let backend = ByHand::new();
    let proxy = through(&backend, "");
    let (question, answer) = (bytes(300_000), bytes(1 << 20));
    for client_first in [true, false] {
        let (client, server, hello) = joined(&proxy, &backend);
        let from = port(&client);
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(drain(&mut second), (Vec::new(), Ending::Fin));
        let data = if client_first { answer.clone() } else { question.clone() };
        let sent = data.clone();
        let writer = thread::spawn(move || {
            second.write_all(&sent).unwrap();
            second.shutdown(Shutdown::Write).unwrap();
        });
        let (came, ending) = drain(&mut first);
        writer.join().unwrap();
        assert!(came == data && ending == Ending::Fin, "{} bytes, {ending:?}", came.len());
        let record = record_of(&proxy, from);
        assert_eq!(record["outcome"], "completed");
        let (up, down) = if client_first { (0, data.len()) } else { (data.len(), 0) };
        assert_eq!((&record["received_bytes"], &record["sent_bytes"]), (&(hello + up).into(), &down.into()));
    }
}

#[test]
fn a_reset_from_either_side_is_a_reset_for_the_other_after_all_that_came_before() {
    let backend = ByHand::new();
    let proxy = through(&backend, "");
    let (mut client, server, _) = joined(&proxy, &backend);
    let mut other = server;
    other.write_all(b"last words").unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    let from = port(&client);
    reset(other);
    assert_eq!(drain(&mut client), (Vec::new(), Ending::Reset));
    assert_eq!(record_of(&proxy, from)["outcome"], "backend_reset");

    let (mut client, mut server, _) = joined(&proxy, &backend);
    client.write_all(b"last words").unwrap();
    server.read_exact(&mut [0; 10]).unwrap();
    let from = port(&client);
    reset(client);
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
    assert_eq!(record_of(&proxy, from)["outcome"], "client_reset");
}

#[test]
fn an_answer_comes_in_full_from_a_backend_that_does_not_read_the_question() {
    let backend = ByHand::new();
    let proxy = through(&backend, "");
    let answer = bytes(50_000);
    // The question, the answer and the reset of the backend's kernel race each other; so the test runs many rounds.
    for round in 0..40 {
        let (mut client, mut server, _) = joined(&proxy, &backend);
        client.write_all(&bytes(20_000)).unwrap();
        server.write_all(&answer).unwrap();
        drop(server);
        let (answered, _) = drain(&mut client);
        assert!(answered == answer, "{} bytes of {} in round {round}", answered.len(), answer.len());
    }
}

#[test]
fn much_goes_both_ways_at_once_and_a_peer_that_does_not_read_stops_the_other() {
    const SIZE: usize = 64 << 20;
    let backend = ByHand::new();
    let proxy = through(&backend, "");
    let (client, server, hello) = joined(&proxy, &backend);
    let from = port(&client);
    let write = |mut to: TcpStream, seed| {
        thread::spawn(move || {
            let (mut stream, mut sent) = (Stream::new(seed), 0);
            while sent < SIZE {
                let piece = stream.next(SIZE - sent);
                to.write_all(piece).unwrap();
                sent += piece.len();
            }
            to.shutdown(Shutdown::Write).unwrap();
        })
    };
    let writers = [write(client.try_clone().unwrap(), 1), write(server.try_clone().unwrap(), 2)];
    // Nothing has been read yet: with both directions full, the first reader gets everything that was held back.
    for (mut from, seed) in [(server, 1), (client, 2)] {
        let (mut stream, mut got, mut buffer) = (Stream::new(seed), 0, vec![0; 100_000]);
        loop {
            match from.read(&mut buffer).unwrap() {
                0 => break,
                count => {
                    stream.check(&buffer[..count]);
                    got += count;
                }
            }
        }
        assert_eq!(got, SIZE);
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let record = record_of(&proxy, from);
    assert_eq!(record["outcome"], "completed");
    assert_eq!((&record["received_bytes"], &record["sent_bytes"]), (&(SIZE + hello).into(), &SIZE.into()));
}

#[test]
fn silence_ends_it_for_both_sides_with_a_reset() {
    let backend = ByHand::new();
    let proxy = through(&backend, "idle_timeout = \"100ms\"");
    let (mut client, mut server, _) = joined(&proxy, &backend);
    let from = port(&client);
    assert_eq!(drain(&mut client), (Vec::new(), Ending::Reset));
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
    assert_eq!(record_of(&proxy, from)["outcome"], "idle_timeout");
}

#[test]
fn without_a_backend_the_client_is_reset() {
    let refusing = Refusing::new();
    let proxy = start(&pki(), "mode = \"passthrough\"\nbackend = \"gone\"", &[], &[("gone", refusing.address)]);
    let (_, hello) = hellos::recorded().swap_remove(0);
    let mut client = connect(proxy.address("main"));
    client.write_all(&hello).unwrap();
    let from = port(&client);
    assert_eq!(drain(&mut client), (Vec::new(), Ending::Reset));
    let record = record_of(&proxy, from);
    assert_eq!(record["outcome"], "backend_unreachable");
    assert!(record["reason"].as_str().unwrap().contains("connection refused"), "{record:#}");
}

/// HTTP/1.0, and much else, has no other end than that of the connection.
#[test]
fn what_is_not_tls_gets_no_empty_answer_in_place_of_its_backend() {
    let (refusing, plain) = (Refusing::new(), answers_once());
    let lines = format!("{}\nnot_tls = \"gone\"", super::OWN);
    let proxy = start(&pki(), &lines, &[], &[("plain", plain.address), ("gone", refusing.address)]);
    for (sent, ends) in [(&b"GET / HTTP/1.0\r\n\r\n"[..], false), (b"\x30\x05\x02\x01\x01\x42\x00", true)] {
        let mut client = connect(proxy.address("main"));
        client.write_all(sent).unwrap();
        let from = port(&client);
        // It may have been reset already.
        if ends && let Err(error) = client.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        }
        assert_eq!(drain(&mut client), (Vec::new(), Ending::Reset));
        let record = proxy.record(|record| record["client.port"] == from);
        assert_eq!((&record["route"], &record["outcome"]), (&"not_tls".into(), &"backend_unreachable".into()));
    }
}

#[test]
fn what_is_not_tls_goes_where_not_tls_says_byte_for_byte() {
    let (hand, plain, pki) = (ByHand::new(), answers_once(), pki());
    let lines = format!("{}\nnot_tls = \"hand\"", super::OWN);
    let proxy = start(&pki, &lines, &[], &[("plain", plain.address), ("hand", hand.address)]);
    let cases: [&[u8]; 5] =
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-x\r\n", b"\x30\x0c\x02\x01\x01", b"\n", b"\x16\x00\x01"];
    for sent in cases {
        let mut client = connect(proxy.address("main"));
        for byte in sent {
            client.write_all(&[*byte]).unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        let mut server = hand.accept();
        assert_eq!(drain(&mut server), (sent.to_vec(), Ending::Fin));
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(drain(&mut client), (b"answer".to_vec(), Ending::Fin));
        let from = port(&client);
        let record = proxy.record(|record| record["client.port"] == from);
        let logged = (&record["route"], &record["mode"], &record["outcome"], &record["backend"]);
        assert_eq!(logged, (&"not_tls".into(), &"passthrough".into(), &"completed".into(), &"hand".into()));
    }
    // TLS on the same port is TLS, good or bad.
    let printed = s_client(proxy.address("main"), Some("main.test"), &pki.ca(), &[]);
    assert!(reports::verified(&printed) && printed.contains("hello"), "{printed}");
    let mut client = connect(proxy.address("main"));
    client.write_all(b"\x16\x03\x03\x00\x08\x02\x00\x00\x04\x03\x03\x00\x00").unwrap();
    assert!(!drain(&mut client).0.is_empty());
    assert!(hand.is_untouched());
}
