//! Records that are forged, out of place, or too many: none of their content reaches the backend, and nothing hangs.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use rustls::AlertDescription;

use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, close, drain};
use crate::support::forge::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, Forger, HANDSHAKE};
use crate::support::stage::{Lines, Stage};

#[test]
fn a_record_with_a_flipped_bit_is_answered_with_bad_record_mac_and_not_delivered() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let record = sealed(&mut stage.client(tls), b"forged");
        drop(backend.accept());
        // Past the header: the authenticated but unencrypted part, the encrypted part, the tag.
        for byte in 5..record.len() {
            let (mut client, mut server) = stage.joined(&backend, tls);
            let mut flight = sealed(&mut client, b"good");
            let mut forged = sealed(&mut client, b"forged");
            forged[byte] ^= 1 << (byte % 8);
            flight.append(&mut forged);
            client.tcp.write_all(&flight).unwrap();
            assert_eq!(drain(&mut server), (b"good".to_vec(), Ending::Reset), "{tls:?}, byte {byte}");
            let bad_mac = Ending::Alert(AlertDescription::BadRecordMac);
            assert_eq!(client.read_to_end(), (Vec::new(), bad_mac), "{tls:?}, byte {byte}");
            assert_eq!(drain(&mut client.tcp), (Vec::new(), Ending::Fin), "{tls:?}, byte {byte}");
            assert_eq!(stage.outcome(client.close()), "client_bad_record");
        }
    }
}

#[test]
fn what_is_not_encrypted_is_refused_after_the_handshake() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let clear: [(&str, &[u8]); 6] = [
        ("HTTP", b"GET / HTTP/1.0\r\n\r\n"),
        ("an LDAP bind", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"),
        ("data", b"\x17\x03\x03\x00\x04data"),
        ("long data", &[&b"\x17\x03\x03\x00\x40"[..], &[7; 64]].concat()),
        ("a forged end of the data", b"\x15\x03\x03\x00\x02\x01\x00"),
        ("a record beyond the largest", &[&b"\x17\x03\x03\xff\xff"[..], &[7; 100]].concat()),
    ];
    for tls in Tls::BOTH {
        for (what, bytes) in clear {
            let (mut client, mut server) = stage.joined(&backend, tls);
            client.send(b"good").unwrap();
            client.tcp.write_all(bytes).unwrap();
            assert_eq!(drain(&mut server), (b"good".to_vec(), Ending::Reset), "{what}, {tls:?}");
            let (read, ending) = client.read_to_end();
            assert!(read.is_empty() && matches!(ending, Ending::Alert(_)), "{what}, {tls:?}: {ending:?}");
            let outcome = stage.outcome(client.close());
            assert_eq!(outcome, "client_bad_record", "{what}, {tls:?}");
        }
    }
}

#[test]
fn a_bad_record_while_the_backend_is_sending_is_still_answered() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    // It is chance whether data waits to be sent when the record arrives; so the test runs many rounds.
    for round in 0..20 {
        let (mut client, mut server) = stage.joined(&backend, Tls::BOTH[round % 2]);
        let writer = thread::spawn(move || while server.write_all(&[7; 10_000]).is_ok() {});
        client.read_exact(200_000);
        client.tcp.write_all(b"\x17\x03\x03\x00\x04data").unwrap();
        let (_, ending) = client.read_to_end();
        assert!(matches!(ending, Ending::Alert(_)), "{ending:?} in round {round}");
        writer.join().unwrap();
        assert_eq!(stage.outcome(client.close()), "client_bad_record");
    }
}

#[test]
fn a_fatal_alert_from_the_client_is_named_in_the_log() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (client, mut server) = stage.joined(&backend, tls);
        let mut forger = Forger::take_over(client, tls);
        let (data, alert) = (forger.record(APPLICATION_DATA, b"before"), forger.record(ALERT, &[2, 80]));
        forger.tcp.write_all(&[data, alert].concat()).unwrap();
        assert_eq!(drain(&mut server), (b"before".to_vec(), Ending::Reset), "{tls:?}");
        let port = close(forger.tcp);
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], "client_alert");
        assert_eq!(record["incoming_tls_alert"], "internal_error");
    }
}

#[test]
fn a_key_update_is_followed_in_both_directions() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let (mut client, mut server) = stage.joined(&backend, Tls::V13);
    for round in 0..100_u8 {
        client.tls.refresh_traffic_keys().unwrap();
        client.send(&[round]).unwrap();
        let mut read = [0];
        server.read_exact(&mut read).unwrap();
        assert_eq!(read, [round]);
        server.write_all(&read).unwrap();
        assert_eq!(client.read_exact(1), [round]);
    }
    // The last record before the end: the answer to it cannot be sent together with other data.
    client.tls.refresh_traffic_keys().unwrap();
    client.close_notify().unwrap();
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
    drop(server);
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
}

/// The result of a connection.
#[derive(Debug, PartialEq)]
enum Fate {
    Lives,
    Ends,
}

#[test]
fn floods_of_records_without_content_are_bounded() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let hello = stage.silent(Tls::V12).flight().split_off(5);
    let user_canceled = [1, 90];
    let key_update_requested = [24, 0, 0, 1, 1];
    let rows: [(&str, Tls, u8, &[u8], usize, Fate); 12] = [
        ("a few empty records", Tls::V12, APPLICATION_DATA, b"", 10, Fate::Lives),
        ("a few empty records", Tls::V13, APPLICATION_DATA, b"", 10, Fate::Lives),
        ("empty records", Tls::V12, APPLICATION_DATA, b"", FLOOD, Fate::Ends),
        ("empty records", Tls::V13, APPLICATION_DATA, b"", FLOOD, Fate::Ends),
        ("warnings", Tls::V12, ALERT, &user_canceled, FLOOD, Fate::Ends),
        ("warnings", Tls::V13, ALERT, &user_canceled, FLOOD, Fate::Ends),
        ("encrypted CCS", Tls::V12, CHANGE_CIPHER_SPEC, &[1], FLOOD, Fate::Ends),
        ("encrypted CCS", Tls::V13, CHANGE_CIPHER_SPEC, &[1], FLOOD, Fate::Ends),
        ("one renegotiation", Tls::V12, HANDSHAKE, &hello, 1, Fate::Lives),
        ("renegotiations", Tls::V12, HANDSHAKE, &hello, FLOOD, Fate::Ends),
        ("a hello after the handshake", Tls::V13, HANDSHAKE, &hello, 1, Fate::Ends),
        ("key updates in one flight", Tls::V13, HANDSHAKE, &key_update_requested.repeat(1000), 1, Fate::Ends),
    ];
    for (what, tls, kind, payload, count, fate) in rows {
        let (client, mut server) = stage.joined(&backend, tls);
        let mut forger = Forger::take_over(client, tls);
        let mut flight = Vec::new();
        for _ in 0..count {
            flight.append(&mut forger.record(kind, payload));
        }
        flight.append(&mut forger.record(APPLICATION_DATA, b"after"));
        flight.append(&mut forger.record(ALERT, &[1, 0]));
        // The write fails if the proxy has ended the connection in between, which is correct.
        let _ = forger.tcp.write_all(&flight);
        let seen = drain(&mut server);
        drop(server);
        drain(&mut forger.tcp);
        let found = match stage.outcome(close(forger.tcp)).as_str() {
            "completed" if seen == (b"after".to_vec(), Ending::Fin) => Fate::Lives,
            "client_bad_record" if seen == (Vec::new(), Ending::Reset) => Fate::Ends,
            outcome => panic!("{what}, {tls:?}: {outcome}, the backend saw {seen:?}"),
        };
        assert_eq!(found, fate, "{what}, {tls:?}");
    }
}

#[test]
fn a_flood_of_key_updates_is_bounded() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let (mut client, mut server) = stage.joined(&backend, Tls::V13);
    for _ in 0..1000 {
        client.tls.refresh_traffic_keys().unwrap();
    }
    let flight = client.flight();
    let _ = client.tcp.write_all(&flight);
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
    assert_eq!(stage.outcome(client.close()), "client_bad_record");
}

#[test]
fn what_asks_for_an_answer_after_the_backends_end_gets_none_and_the_exchange_is_complete() {
    let backend = ByHand::new();
    for layer in ["tlsgate", "rustls"] {
        let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
        let stage = Stage::new(&[backend.address], Lines { top: &top, ..Lines::default() });
        let hello = stage.silent(Tls::V12).flight().split_off(5);
        for tls in Tls::BOTH {
            let (mut client, mut server) = stage.joined(&backend, tls);
            server.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
            // Whatever the proxy answered now would come after its own FIN.
            assert_eq!(drain(&mut client.tcp), (Vec::new(), Ending::Fin));
            let tcp = match tls {
                Tls::V12 => {
                    let mut forger = Forger::take_over(client, tls);
                    let renegotiation = forger.record(HANDSHAKE, &hello);
                    let data = forger.record(APPLICATION_DATA, b"after");
                    let flight = [renegotiation, data, forger.record(ALERT, &[1, 0])].concat();
                    forger.tcp.write_all(&flight).unwrap();
                    forger.tcp
                }
                Tls::V13 => {
                    client.tls.refresh_traffic_keys().unwrap();
                    client.send(b"after").unwrap();
                    client.close_notify().unwrap();
                    client.tcp
                }
            };
            assert_eq!(drain(&mut server), (b"after".to_vec(), Ending::Fin), "{layer}, {tls:?}");
            assert_eq!(stage.outcome(close(tcp)), "completed", "{layer}, {tls:?}");
        }
    }
}

fn sealed(client: &mut Client, data: &[u8]) -> Vec<u8> {
    client.tls.writer().write_all(data).unwrap();
    client.flight()
}

const FLOOD: usize = 10_000;
