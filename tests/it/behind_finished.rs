//! Bytes that arrive in one segment with a client's Finished: key updates, data, the end, in whole or in part. All of
//! them count, with either record layer, whether tickets are sent or not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, close};
use crate::support::forge::{ALERT, APPLICATION_DATA, HANDSHAKE};
use crate::support::keys::{Keys, Secrets};
use crate::support::stage::{Lines, NAME, Stage};

/// A client that has its Finished ready and has not sent it yet.
struct Ready {
    tcp: TcpStream,
    finished: Vec<u8>,
    client: Keys,
    server: Keys,
}

impl Ready {
    fn at(stage: &Stage) -> Self {
        let (config, secrets) = Secrets::of(stage.config(Tls::V13));
        let mut client = Client::silent(stage.address(), &config, NAME);
        let finished = finished(&mut client);
        let keys = |label| secrets.keys(label);
        let (client_keys, server) = (keys("CLIENT_TRAFFIC_SECRET_0"), keys("SERVER_TRAFFIC_SECRET_0"));
        Self { tcp: client.tcp, finished, client: client_keys, server }
    }

    fn key_update(&mut self, request: u8) -> Vec<u8> {
        let record = self.client.seal(HANDSHAKE, &[24, 0, 0, 1, request]);
        self.client.update();
        record
    }

    fn data(&mut self, data: &[u8]) -> Vec<u8> {
        self.client.seal(APPLICATION_DATA, data)
    }

    /// Reads that many bytes of data and follows the server's key updates; there must be `updates` of them.
    fn reads(&mut self, expected: &[u8], updates: usize, what: &str) {
        let (mut data, mut updated) = (Vec::new(), 0);
        while data.len() < expected.len() {
            let (kind, content) = self.record().unwrap_or_else(|| panic!("{what}: it ended after {data:?}"));
            match (kind, content.first()) {
                (APPLICATION_DATA, _) => data.extend(content),
                (HANDSHAKE, Some(24)) => {
                    assert_eq!(content, [24, 0, 0, 1, 0], "{what}");
                    self.server.update();
                    updated += 1;
                }
                // A ticket.
                (HANDSHAKE, Some(4)) => {}
                _ => panic!("{what}: {kind} {content:02x?}"),
            }
        }
        assert_eq!((&*data, updated), (expected, updates), "{what}");
    }

    fn record(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.tcp.read_exact(&mut header).ok()?;
        let mut record = vec![0; 5 + usize::from(u16::from_be_bytes([header[3], header[4]]))];
        record[..5].copy_from_slice(&header);
        self.tcp.read_exact(&mut record[5..]).ok()?;
        Some(self.server.open(&record))
    }
}

/// Continues the handshake until only the client's last flight is missing, and returns that flight.
fn finished(client: &mut Client) -> Vec<u8> {
    loop {
        let flight = client.flight();
        if !client.tls.is_handshaking() {
            return flight;
        }
        client.tcp.write_all(&flight).unwrap();
        assert!(client.tls.read_tls(&mut client.tcp).unwrap() > 0, "the server has closed");
        client.tls.process_new_packets().unwrap();
    }
}

fn on_every_stage(check: impl Fn(&Stage, &str)) {
    on_every_stage_of(&Backend::echo(), check);
}

fn on_every_stage_of(backend: &Backend, check: impl Fn(&Stage, &str)) {
    for layer in ["tlsgate", "rustls"] {
        for tickets in ["session_tickets = false", ""] {
            let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
            let stage = Stage::new(&[backend.address], Lines { top: &top, listener: tickets, backend: "" });
            check(&stage, &format!("{layer}, {tickets:?}"));
        }
    }
}

#[test]
fn key_updates_and_data_behind_finished_are_followed() {
    on_every_stage(|stage, on| {
        for (what, updates) in
            [("data", &[][..]), ("an update", &[0]), ("an update that wants one", &[1]), ("three updates", &[1, 0, 1])]
        {
            let mut ready = Ready::at(stage);
            let mut flight = ready.finished.clone();
            for request in updates {
                flight.extend(ready.key_update(*request));
            }
            flight.extend(ready.data(b"hello"));
            ready.tcp.write_all(&flight).unwrap();
            // One answer is enough for many requests.
            let expected = usize::from(updates.contains(&1));
            ready.reads(b"hello", expected, &format!("{what}, {on}"));
            // The connection goes on.
            let more = [ready.key_update(1), ready.data(b"again")].concat();
            ready.tcp.write_all(&more).unwrap();
            ready.reads(b"again", 1, &format!("{what}, then one more, {on}"));
        }
    });
}

#[test]
fn a_record_behind_finished_may_be_cut_anywhere() {
    on_every_stage(|stage, on| {
        for cut in [1, 4, 5, 6, 20, 26] {
            let mut ready = Ready::at(stage);
            let behind = [ready.key_update(1), ready.data(b"hello")].concat();
            let (now, later) = behind.split_at(cut);
            ready.tcp.write_all(&[&ready.finished, now].concat()).unwrap();
            ready.tcp.write_all(later).unwrap();
            ready.reads(b"hello", 1, &format!("cut at {cut}, {on}"));
        }
    });
}

/// Also if the server sends first, so that the proxy seals a record before it reads anything from the client.
#[test]
fn finished_may_come_in_pieces() {
    let backend = Backend::start(|mut stream| {
        stream.write_all(b"ready")?;
        stream.read_to_end(&mut Vec::new())
    });
    on_every_stage_of(&backend, |stage, on| {
        let (config, secrets) = Secrets::of(stage.config(Tls::V13));
        let mut client = Client::silent(stage.address(), &config, NAME);
        let flight = finished(&mut client);
        let (mut theirs, mut ours) =
            (secrets.keys("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), secrets.keys("CLIENT_HANDSHAKE_TRAFFIC_SECRET"));
        // After a change_cipher_spec, if there is one.
        let record = flight.strip_prefix(&[20, 3, 3, 0, 1, 1]).unwrap_or(&flight);
        let (kind, content) = theirs.open(record);
        let pieces: Vec<u8> = content.chunks(9).flat_map(|piece| ours.seal(kind, piece)).collect();
        client.tcp.write_all(&pieces).unwrap();
        let keys = |label| secrets.keys(label);
        let (client_keys, server) = (keys("CLIENT_TRAFFIC_SECRET_0"), keys("SERVER_TRAFFIC_SECRET_0"));
        let mut ready = Ready { tcp: client.tcp, finished: Vec::new(), client: client_keys, server };
        ready.reads(b"ready", 0, on);
    });
}

#[test]
fn the_end_behind_finished_is_an_end() {
    on_every_stage(|stage, on| {
        for data in [&b""[..], b"hello"] {
            let mut ready = Ready::at(stage);
            let mut flight = ready.finished.clone();
            if !data.is_empty() {
                flight.extend(ready.data(data));
            }
            flight.extend(ready.client.seal(ALERT, &[1, 0]));
            ready.tcp.write_all(&flight).unwrap();
            ready.tcp.shutdown(Shutdown::Write).unwrap();
            ready.reads(data, 0, on);
            let mut last = ready.record();
            while matches!(&last, Some((HANDSHAKE, ticket)) if ticket[0] == 4) {
                last = ready.record();
            }
            assert_eq!(last, Some((ALERT, vec![1, 0])), "{on}");
            assert_eq!(stage.outcome(close(ready.tcp)), "completed", "{on}");
        }
    });
}

/// During the handshake, under its keys.
#[test]
fn what_no_handshake_may_have_in_it_ends_with_an_alert() {
    on_every_stage(|stage, on| {
        let decode_error = Some((ALERT, vec![2, 50]));
        for (what, expected) in [
            ("a message of 16 MB", decode_error.clone()),
            ("data within a message", decode_error.clone()),
            ("a record that is too long", decode_error),
            ("a message that is not due", Some((ALERT, vec![2, 10]))),
        ] {
            let (config, secrets) = Secrets::of(stage.config(Tls::V13));
            let mut client = Client::silent(stage.address(), &config, NAME);
            finished(&mut client);
            let mut keys = secrets.keys("CLIENT_HANDSHAKE_TRAFFIC_SECRET");
            let sent = match what {
                "a message of 16 MB" => keys.seal(HANDSHAKE, &[20, 0xff, 0xff, 0xff, 0]),
                "data within a message" => {
                    [keys.seal(HANDSHAKE, &[20, 0, 0, 32, 1]), keys.seal(APPLICATION_DATA, b"data")].concat()
                }
                "a record that is too long" => vec![23, 3, 3, 0x41, 1, 0],
                _ => keys.seal(HANDSHAKE, &[24, 0, 0, 1, 0]),
            };
            client.tcp.write_all(&sent).unwrap();
            // By now the server seals with the keys for application data.
            let mut ready = Ready {
                tcp: client.tcp,
                finished: Vec::new(),
                client: keys,
                server: secrets.keys("SERVER_TRAFFIC_SECRET_0"),
            };
            assert_eq!(ready.record(), expected, "{what}, {on}");
            assert_eq!(ready.record(), None, "{what}, {on}");
            let port = close(ready.tcp);
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["outcome"], "handshake_failed", "{what}, {on}: {record}");
        }
    });
}

#[test]
fn what_is_wrong_behind_finished_is_answered_once() {
    on_every_stage(|stage, on| {
        for data in [&b""[..], b"hello"] {
            let mut ready = Ready::at(stage);
            let mut flight = ready.finished.clone();
            if !data.is_empty() {
                flight.extend(ready.data(data));
            }
            // A KeyUpdate whose request is neither of the two valid values.
            flight.extend(ready.client.seal(HANDSHAKE, &[24, 0, 0, 1, 76]));
            ready.tcp.write_all(&flight).unwrap();
            let mut alerts = Vec::new();
            while let Some((kind, content)) = ready.record() {
                alerts.extend((kind == ALERT).then_some(content));
            }
            assert_eq!(alerts.len(), 1, "{on}: {alerts:?}");
            assert_eq!(alerts[0][0], 2, "{on}: {alerts:?}");
            assert_eq!(stage.outcome(close(ready.tcp)), "client_bad_record", "{on}");
        }
    });
}
