//! Messages that may not come first: each gets the alert that RFC 8446 names, and the log has a readable reason.

use std::io::Write;

use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, close, connect, drain};
use crate::support::hello::{SERVER_NAME, header, message, records, server_names, with_extensions};
use crate::support::stage::{Lines, Stage};

const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;

fn on_both_layers(check: impl Fn(&Stage)) {
    let backend = ByHand::new();
    for layer in ["tlsgate", "rustls"] {
        let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
        check(&Stage::new(&[backend.address], Lines { top: &top, ..Lines::default() }));
    }
    assert!(backend.is_untouched());
}

/// Sends that; returns the alert that came, and the record.
fn refused(stage: &Stage, sent: &[u8], what: &str) -> (Option<u8>, serde_json::Value) {
    let mut tcp = connect(stage.address());
    tcp.write_all(sent).unwrap();
    let (answer, ending) = drain(&mut tcp);
    assert_eq!(ending, Ending::Fin, "{what}");
    let alert = match answer[..] {
        [] => None,
        [21, 3, 3, 0, 2, 2, alert] => Some(alert),
        _ => panic!("{what}: {answer:02x?}"),
    };
    let port = close(tcp);
    (alert, stage.proxy.record(|record| record["client.port"] == port))
}

#[test]
fn what_may_not_come_first_gets_its_alert() {
    on_both_layers(|stage| {
        let hello = message(&stage.silent(Tls::V13).flight());
        let (front, rest) = hello.split_at(50);
        let between = |record: &[u8]| [&records(front, 50)[..], record, &records(rest, 1 << 14)].concat();
        let name = server_names(&[b"main.test"]);
        let twice = [&name[..]; 2];
        let mut rows: Vec<(String, Vec<u8>, Option<u8>)> = vec![
            ("a message that never ends".into(), records(&header((1 << 24) - 1), 4), Some(DECODE_ERROR)),
            ("a record that is too long".into(), vec![22, 3, 1, 0x40, 1, 1, 0, 0], Some(RECORD_OVERFLOW)),
            (
                "a second record that is too long".into(),
                [&records(front, 50)[..], &[22, 3, 1, 0x40, 1]].concat(),
                Some(RECORD_OVERFLOW),
            ),
            ("an empty record".into(), vec![22, 3, 1, 0, 0], Some(UNEXPECTED_MESSAGE)),
            ("an empty record between".into(), between(&[22, 3, 1, 0, 0]), Some(UNEXPECTED_MESSAGE)),
            ("a change_cipher_spec first".into(), vec![20, 3, 3, 0, 1, 1], Some(UNEXPECTED_MESSAGE)),
            ("a change_cipher_spec between".into(), between(&[20, 3, 3, 0, 1, 1]), Some(UNEXPECTED_MESSAGE)),
            ("an alert between".into(), between(&[21, 3, 3, 0, 2, 1, 90]), Some(UNEXPECTED_MESSAGE)),
            ("data between".into(), between(&[23, 3, 3, 0, 1, 0]), Some(UNEXPECTED_MESSAGE)),
            ("a type that TLS does not have".into(), vec![0x18, 3, 1, 0, 1, 1], Some(UNEXPECTED_MESSAGE)),
            // A client that has sent an alert gets none.
            ("a fatal alert".into(), vec![21, 3, 1, 0, 2, 2, 40], None),
            ("close_notify".into(), vec![21, 3, 1, 0, 2, 1, 0], None),
            ("an alert that is none".into(), vec![21, 3, 1, 0, 3, 2, 40, 0], Some(UNEXPECTED_MESSAGE)),
            (
                "a hello that ends too early".into(),
                records(&[&header(3)[..], &[3, 3, 0]].concat(), 99),
                Some(DECODE_ERROR),
            ),
            (
                "an extension twice".into(),
                records(&with_extensions(&hello, SERVER_NAME, &twice), 1 << 14),
                Some(ILLEGAL_PARAMETER),
            ),
            (
                "another message behind the hello".into(),
                records(&[&hello[..], &[20, 0, 0, 0]].concat(), 1 << 14),
                Some(UNEXPECTED_MESSAGE),
            ),
        ];
        // Every other type of handshake message, with and without a body, and with a body that never comes.
        for kind in (0..=255).filter(|kind| *kind != 1) {
            rows.push((format!("type {kind}"), vec![22, 3, 1, 0, 4, kind, 0, 0, 0], Some(UNEXPECTED_MESSAGE)));
        }
        for kind in [2, 11, 20] {
            let body = [&[22, 3, 1, 0, 36, kind, 0, 0, 32][..], &[7; 32]].concat();
            rows.push((format!("type {kind} with a body"), body, Some(UNEXPECTED_MESSAGE)));
            let cut = vec![22, 3, 1, 0x40, 0, kind, 0xff];
            rows.push((format!("type {kind}, of which more is to come"), cut, Some(UNEXPECTED_MESSAGE)));
        }
        for (what, sent, expected) in rows {
            let (alert, record) = refused(stage, &sent, &what);
            assert_eq!(alert, expected, "{what}: {record}");
            let reason = record["reason"].as_str().unwrap();
            // The reason contains no type names of the source code.
            assert!(!reason.contains(['(', '{']) && !reason.contains("Handshake"), "{what}: {reason}");
        }
    });
}

#[test]
fn a_server_name_that_is_none_is_shown() {
    on_both_layers(|stage| {
        for tls in Tls::BOTH {
            let long = [b'x'; 300];
            for (name, shown) in [
                (&b"a.test:636"[..], "server name \"a.test:636\" is not a host name".to_owned()),
                (b"a-.test", "server name \"a-.test\" is not a host name".to_owned()),
                (b"https://a.test/", "server name \"https://a.test/\" is not a host name".to_owned()),
                (b"a\r\nb\x1b[\"\xff", "server name \"a\\r\\nb\\x1b[\\\"\\xff\" is not a host name".to_owned()),
                (b"", "the server name is empty".to_owned()),
                (&long, format!("server name \"{}...\" is not a host name", "x".repeat(80))),
            ] {
                let hello = message(&stage.silent(tls).flight());
                let hello = with_extensions(&hello, SERVER_NAME, &[&server_names(&[name])]);
                let (alert, record) = refused(stage, &records(&hello, 1 << 14), &shown);
                let expected = if name.is_empty() { DECODE_ERROR } else { ILLEGAL_PARAMETER };
                assert_eq!((alert, &record["outcome"]), (Some(expected), &"hello_invalid".into()), "{record}");
                assert_eq!(record["reason"], shown);
                assert_eq!(record["server.address"], "-");
            }
        }
    });
}
