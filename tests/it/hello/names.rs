//! Invalid server names never match, and appear in the log only in a refusal's reason, escaped.

use std::io::{Read, Write};

use crate::support::by_hand::ByHand;
use crate::support::client::{Tls, close, connect, drain};
use crate::support::hello::{SERVER_NAME, message, records, server_names, with_extensions};
use crate::support::stage::{Lines, Stage};

/// Only the certificate's own name passes.
const STRICT: Lines<'static> =
    Lines { top: "", listener: "unknown_name = \"reject\"\nrequire_sni = true", backend: "" };

#[test]
fn the_name_itself_matches_in_any_case() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], STRICT);
    for tls in Tls::BOTH {
        for name in ["main.test", "MAIN.Test", "main.test."] {
            let mut tcp = connect(stage.address());
            tcp.write_all(&renamed(&stage, tls, &[&server_names(&[name.as_bytes()])])).unwrap();
            let mut answer = [0; 6];
            tcp.read_exact(&mut answer).unwrap();
            assert_eq!((answer[0], answer[5]), (22, 2), "a ServerHello, {name}, {tls:?}");
            let port = close(tcp);
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["server.address"], "main.test", "{name}");
        }
    }
}

#[test]
fn odd_names_match_nothing_and_stay_out_of_the_logs_fields() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], STRICT);
    let names: [&[u8]; 33] = [
        b"",
        b".",
        b"main.test\0",
        b"main.test\0.marker.example",
        b"\0main.test",
        b"main.test\n",
        b"main.test\r\nmarker: 1",
        b"main.test\x1b[31mmarker",
        b"main.test\x7f",
        b"m\x00ain.test",
        "main.tést-marker".as_bytes(),
        "ⅿain.test".as_bytes(),
        b"main.test\xff\xfe",
        &[0xff; 9],
        b"main..test",
        b".main.test",
        b"main.test..",
        b" main.test",
        b"main.test ",
        b"main.test/marker",
        b"https://main.test/marker",
        b"marker@main.test",
        b"main.test:636",
        b"../../main.test/marker",
        b"*.test",
        b"*",
        b"127.0.0.1",
        b"::1",
        b"[::1]",
        b"0x7f.1",
        &[&[b'm'; 64][..], b".test"].concat(),
        &[&b"marker.".repeat(40)[..], b"main.test"].concat(),
        &b"marker.".repeat(8000),
    ];
    for tls in Tls::BOTH {
        for name in names {
            let extension = server_names(&[name]);
            is_refused(&stage, &renamed(&stage, tls, &[&extension]), &String::from_utf8_lossy(name));
        }
    }
    assert!(backend.is_untouched());
    is_clean(&stage);
}

#[test]
fn odd_lists_of_names_match_nothing() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], STRICT);
    let one = server_names(&[b"main.test"]);
    let rows: [(&str, Vec<Vec<u8>>); 9] = [
        ("two names", vec![server_names(&[b"main.test", b"marker.example"])]),
        ("two names, the good one last", vec![server_names(&[b"marker.example", b"main.test"])]),
        ("the same name twice", vec![server_names(&[b"main.test", b"main.test"])]),
        ("the extension twice", vec![one.clone(), one.clone()]),
        ("an empty list", vec![server_names(&[])]),
        ("an empty extension", vec![Vec::new()]),
        ("bytes behind the list", vec![[&one[..], b"marker"].concat()]),
        ("a list that is cut short", vec![one[..one.len() - 1].to_vec()]),
        ("a name of another type", vec![b"\x00\x0c\x07\x00\x09main.test".to_vec()]),
    ];
    for tls in Tls::BOTH {
        for (what, extensions) in &rows {
            let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
            is_refused(&stage, &renamed(&stage, tls, &extensions), what);
        }
    }
    assert!(backend.is_untouched());
    is_clean(&stage);
}

/// A client's hello with other `server_name` extensions.
fn renamed(stage: &Stage, tls: Tls, extensions: &[&[u8]]) -> Vec<u8> {
    let hello = message(&stage.silent(tls).flight());
    records(&with_extensions(&hello, SERVER_NAME, extensions), 1 << 14)
}

fn is_refused(stage: &Stage, flight: &[u8], what: &str) {
    let mut tcp = connect(stage.address());
    tcp.write_all(flight).unwrap();
    let (answer, _) = drain(&mut tcp);
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{what:?}: {answer:02x?}");
    let port = close(tcp);
    let record = stage.proxy.record(|record| record["client.port"] == port);
    let refused = ["hello_invalid", "no_server_name", "unknown_name"];
    assert!(refused.contains(&record["outcome"].as_str().unwrap()), "{what:?}: {record}");
    assert!(record["chosen_cert"].is_null(), "{what:?}: {record}");
}

fn is_clean(stage: &Stage) {
    let mut seen = 0;
    for mut record in stage.proxy.records(1) {
        assert_eq!(record["server.address"], "-", "{record}");
        let reason = record.as_object_mut().unwrap().remove("reason").unwrap_or_default().to_string();
        // JSON doubles backslashes.
        assert!(reason.is_ascii() && reason.len() < 700 && !reason.contains("\\u00"), "{reason}");
        assert!(!record.to_string().contains("marker"), "{record}");
        seen += 1;
    }
    assert!(seen > 10 && !stage.proxy.log().contains("marker"), "{}", stage.proxy.log());
}
