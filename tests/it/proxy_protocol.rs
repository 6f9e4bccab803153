//! PROXY headers: accepted from trusted proxies alone, in pieces of any size, and only if valid; sent to backends in a
//! form that other software reads.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, close, connect, connect_from, drain, port};
use crate::support::stage::{Lines, NAME, Stage};

mod receivers;
mod senders;

const REQUIRED: &str = "proxy_protocol = \"require\"\ntrusted_proxies = [\"127.0.0.1\"]";

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n";

fn stage(more: &str) -> Stage {
    let listener = format!("{REQUIRED}\n{more}");
    Stage::new(&[Backend::echo().address], Lines { listener: &listener, ..Lines::default() })
}

/// A version 2 header without checksum.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

/// 192.0.2.1:50000 to 198.51.100.2:636.
const ADDRESSES: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xc3, 0x50, 0x02, 0x7c];

/// Sends `header` and the ClientHello in pieces of that size, exchanges some bytes, and returns the record.
fn record_of(stage: &Stage, tls: Tls, header: &[u8], piece: usize) -> Value {
    let mut client = stage.silent(tls);
    let bytes = [header, &client.flight()].concat();
    for piece in bytes.chunks(piece) {
        client.tcp.write_all(piece).unwrap();
    }
    client.handshake().unwrap();
    client.send(b"hello").unwrap();
    assert_eq!(client.read_exact(5), b"hello");
    client.close_notify().unwrap();
    client.read_to_end();
    stage.proxy.record(|record| record["outcome"] == "completed")
}

/// The record of a connection on which `bytes` are sent, and which is closed without an answer.
fn refused(stage: &Stage, bytes: &[u8]) -> String {
    let mut tcp = connect(stage.address());
    // The connection may be closed already.
    let _ = tcp.write_all(bytes);
    assert_eq!(drain(&mut tcp).0, b"", "{}", bytes.escape_ascii());
    stage.outcome(close(tcp))
}

#[test]
fn headers_of_both_versions_are_believed_in_pieces_of_any_size() {
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x20, 1, 0xd, 0xb8], &[0; 11], &[2, 0, 7, 0, 8]].concat();
    let paths = [&b"/run/a.sock"[..], &[0; 97], b"/run/b.sock", &[0; 97]].concat();
    let cases = [
        (LINE.to_vec(), "192.0.2.1", Some(50_000)),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 7 8\r\n".to_vec(), "2001:db8::1", Some(7)),
        (binary(0x21, 0x11, &ADDRESSES), "192.0.2.1", Some(50_000)),
        (binary(0x21, 0x21, &v6), "2001:db8::1", Some(7)),
        (binary(0x21, 0x31, &paths), "unix:/run/a.sock", None),
    ];
    for (number, (header, address, port)) in cases.iter().enumerate() {
        for piece in [usize::MAX, 1] {
            let stage = stage("");
            let record = record_of(&stage, Tls::BOTH[number % 2], header, piece);
            assert_eq!(record["client.address"], *address, "{record}");
            assert_eq!(record["client.port"].as_u64(), *port, "{record}");
            assert_eq!(record["network.peer.address"], "127.0.0.1");
            assert_eq!(record["server.address"], NAME);
        }
    }
}

#[test]
fn a_header_that_names_no_client_leaves_the_peer_as_it_is() {
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        binary(0x20, 0x00, &[]),
        binary(0x20, 0x11, &ADDRESSES),
        // LOCAL may contain anything besides its length: no family, no TLVs, a wrong checksum.
        binary(0x20, 0xff, &[0xff; 200]),
        binary(0x20, 0x11, &[&ADDRESSES[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat()),
        binary(0x20, 0x11, &[&ADDRESSES[..], &[0x04, 0xff]].concat()),
        binary(0x21, 0x00, &[]),
    ];
    for header in headers {
        let stage = stage("");
        let record = record_of(&stage, Tls::V13, &header, usize::MAX);
        assert_eq!(record["client.address"], "127.0.0.1");
        assert!(record["client.port"].as_u64().is_some());
    }
}

#[test]
fn a_forged_header_is_never_believed() {
    let stage = stage("allow = [\"192.0.2.0/24\"]");
    let mut stranger = connect_from(Ipv4Addr::new(127, 0, 0, 9), stage.address());
    // The connection may be closed already.
    let _ = stranger.write_all(LINE);
    assert_eq!(drain(&mut stranger).0, b"");
    let record = stage.proxy.record(|record| record["client.port"] == port(&stranger));
    assert_eq!(record["outcome"], "proxy_untrusted");
    assert_eq!(record["client.address"], "127.0.0.9", "it is logged with its own address");
    assert_eq!(record_of(&stage, Tls::V13, LINE, usize::MAX)["client.address"], "192.0.2.1");
}

#[test]
fn anything_but_a_valid_header_is_refused_before_a_byte_is_believed() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], Lines { listener: REQUIRED, ..Lines::default() });
    let hello = stage.silent(Tls::V13).flight();
    let with = |tlvs: &[u8]| [&binary(0x21, 0x11, &[&ADDRESSES[..], tlvs].concat())[..], &hello].concat();
    let bad = [
        hello.clone(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [b"PROXY TCP4 192.0.2.1 198.51.100.2 50000\r\n", &hello[..]].concat(),
        [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(),
        [&binary(0x21, 0x12, &ADDRESSES)[..], &hello].concat(),
        binary(0x21, 0x11, &[0; 60_000]),
        with(&[0x04, 0, 200]),
        with(&[0x03, 0, 4, 1, 2, 3, 4]),
    ];
    for bytes in &bad {
        assert_eq!(refused(&stage, bytes), "proxy_header_invalid", "{}", bytes[..16].escape_ascii());
    }
    // Wherever it is cut, it is not a header yet.
    for end in [0, 1, 15, 27] {
        let mut tcp = connect(stage.address());
        tcp.write_all(&binary(0x21, 0x11, &ADDRESSES)[..end]).unwrap();
        assert_eq!(stage.outcome(close(tcp)), "proxy_header_closed", "{end}");
    }
    assert!(backend.is_untouched());
}

#[test]
fn where_no_header_is_allowed_it_is_no_tls() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let mut tcp: TcpStream = connect(stage.address());
    tcp.write_all(LINE).unwrap();
    drain(&mut tcp);
    let record = stage.proxy.record(|record| record["client.port"] == port(&tcp));
    assert_eq!((&record["outcome"], &record["client.address"]), (&"not_tls".into(), &"127.0.0.1".into()));
    assert!(backend.is_untouched());
}

#[test]
fn a_header_that_is_late_is_not_waited_for() {
    let stage = stage("handshake_timeout = \"300ms\"");
    let mut tcp = connect(stage.address());
    tcp.write_all(&LINE[..20]).unwrap();
    drain(&mut tcp);
    assert_eq!(stage.outcome(close(tcp)), "proxy_header_timeout");
}

#[test]
fn limits_are_about_the_client_that_the_proxy_names() {
    let stage = stage("deny = [\"203.0.113.0/24\"]\nmax_connections_per_client = 1");
    let open = |header: &[u8]| {
        let mut client = stage.silent(Tls::V13);
        client.tcp.write_all(header).unwrap();
        client.handshake().map(|()| client)
    };
    let outcome = |address: &str| {
        let refused = |record: &Value| record["client.address"] == address && record["outcome"] != "completed";
        stage.proxy.record(refused)["outcome"].as_str().unwrap().to_owned()
    };
    assert!(open(b"PROXY TCP4 203.0.113.7 198.51.100.2 1 636\r\n").is_err());
    assert_eq!(outcome("203.0.113.7"), "client_denied");
    let first = open(LINE).unwrap();
    let other: Client = open(b"PROXY TCP4 192.0.2.2 198.51.100.2 1 636\r\n").unwrap();
    assert!(open(LINE).is_err(), "a second one of the same client");
    assert_eq!(outcome("192.0.2.1"), "client_connection_limit");
    drop((first, other));
}

#[test]
fn a_client_without_an_ip_address_is_limited_as_the_proxy_that_names_it() {
    let stage = stage("max_connections_per_client = 1");
    let path = |path: &[u8]| [path, &vec![0; 108 - path.len()]].concat();
    let open = |name: &[u8]| {
        let mut client = stage.silent(Tls::V13);
        client.tcp.write_all(&binary(0x21, 0x31, &[path(name), path(b"/run/door")].concat())).unwrap();
        client.handshake().map(|()| client)
    };
    let first = open(b"/run/one").unwrap();
    assert!(open(b"/run/two").is_err(), "a second one through the same proxy");
    let refused = stage.proxy.record(|record| record["outcome"] == "client_connection_limit");
    assert_eq!(refused["client.address"], "unix:/run/two");
    drop(first);
}
