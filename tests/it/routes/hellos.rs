//! What clients really send, cut at every byte: the backend gets it unchanged.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::thread;

use super::{OWN, answers_once, pki, start};
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{connect, drain};
use crate::support::hello::{SERVER_NAME, message, records, server_names, with_extensions};
use crate::support::proxy::Proxy;

/// The recorded hellos, each with its file's stem.
pub(crate) fn recorded() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hellos");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "bin")).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (stem(path), fs::read(path).unwrap())).collect()
}

fn passing() -> (Backend, Backend, Proxy) {
    let (echo, plain, pki) = (Backend::echo(), answers_once(), pki());
    let route = "server_names = [\"pass.test\"]\nmode = \"passthrough\"\nbackend = \"echo\"";
    let proxy = start(&pki, OWN, &[route], &[("echo", echo.address), ("plain", plain.address)]);
    (echo, plain, proxy)
}

/// Sends the pieces, ends, and asserts that the backend, which echoes, received everything.
fn passes(proxy: &Proxy, pieces: &[&[u8]], what: &str) {
    let mut client = connect(proxy.address("main"));
    for piece in pieces {
        client.write_all(piece).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    let (came, ending) = drain(&mut client);
    assert!(came == pieces.concat(), "{what}: {} bytes came back, {ending:?}", came.len());
}

#[test]
fn recorded_hellos_cut_at_every_byte_reach_the_backend_identical() {
    let (_echo, _plain, proxy) = passing();
    let (proxy, recorded) = (&proxy, recorded());
    thread::scope(|scope| {
        for (name, hello) in &recorded {
            scope.spawn(move || {
                for cut in 1..hello.len() {
                    passes(proxy, &[&hello[..cut], &hello[cut..]], &format!("{name} cut at {cut}"));
                }
            });
        }
    });
    let count: usize = recorded.iter().map(|(_, hello)| hello.len() - 1).sum();
    let records = proxy.records(count);
    let logged: BTreeSet<_> =
        records.iter().map(|record| format!("{} {}", record["outcome"], record["mode"])).collect();
    assert_eq!(logged, BTreeSet::from(["\"completed\" \"passthrough\"".to_owned()]));
    assert!(records.iter().all(|record| record["server.address"] == "pass.test" && record["route"] == "pass.test"));
    assert!(records.iter().all(|record| record["received_bytes"] == record["sent_bytes"]));
}

#[test]
fn a_hello_in_records_and_segments_of_any_size_reaches_the_backend_identical() {
    let (_echo, _plain, proxy) = passing();
    for (name, hello) in recorded() {
        let bytes: Vec<&[u8]> = hello.chunks(1).collect();
        passes(&proxy, &bytes, &format!("{name} byte by byte"));
        for size in [1, 5, 100, 1000] {
            let cut = records(&message(&hello), size);
            passes(&proxy, &[&cut], &format!("{name} in records of {size}"));
            // Bytes that directly follow a hello, as early data does, are passed on after it.
            passes(&proxy, &[&cut, b"\x14\x03\x03\0\x01\x01", b"\x17\x03\x03\0\x04data"], &name);
        }
    }
}

#[test]
fn the_log_shows_what_can_be_seen_of_a_hello() {
    let (_echo, _plain, proxy) = passing();
    let mut seen = 0;
    for (name, hello) in recorded() {
        let mut client = connect(proxy.address("main"));
        let port = client.local_addr().unwrap().port();
        client.write_all(&hello).unwrap();
        client.read_exact(&mut vec![0; hello.len()]).unwrap();
        drop(client);
        let record = proxy.record(|record| record["client.port"] == port);
        let offered = match &*name {
            "openssl" | "chromium" | "curl" => Some("\"h2\",\"http/1.1\""),
            "gnutls" => Some("\"h2\""),
            _ => None,
        };
        assert_eq!(record.get("tls.client.alpn").and_then(|list| list.as_str()), offered, "{name}: {record:#}");
        assert_eq!(record["received_bytes"], hello.len(), "{name}");
        // Nothing was decrypted, so none of these are known.
        for absent in ["tls.protocol.version", "tls.cipher", "tls.next_protocol", "chosen_cert", "tls_handshake_time"] {
            assert_eq!(record.get(absent), None, "{name}: {record:#}");
        }
        seen += 1;
    }
    assert!(seen >= 8);
}

#[test]
fn odd_server_names_match_no_route_and_reach_no_backend() {
    let (hand, plain, pki) = (ByHand::new(), answers_once(), pki());
    let routes = [
        "server_names = [\"pass.test\", \"*.pass.test\"]\nmode = \"passthrough\"\nbackend = \"hand\"",
        "client_alpn = [\"h2\"]\nmode = \"passthrough\"\nbackend = \"hand\"",
    ];
    let proxy = start(&pki, OWN, &routes, &[("hand", hand.address), ("plain", plain.address)]);
    let label = [&[b'a'; 64][..], b".pass.test"].concat();
    let long = [b'a'; 60_000];
    let names: [&[u8]; 11] = [
        b"pass.test\0",
        b"pass.test\n",
        b"pass.test/x",
        b"a b.pass.test",
        "é.pass.test".as_bytes(),
        b".pass.test",
        b"pass..test",
        b"",
        &label,
        &long,
        b"pass.test\xff",
    ];
    let (_, hello) = recorded().into_iter().find(|(name, _)| name == "openssl").unwrap();
    let twice = server_names(&[b"pass.test", b"pass.test"]);
    let singles = names.map(|name| vec![server_names(&[name])]);
    let doubles = [vec![twice], vec![server_names(&[b"pass.test"]), server_names(&[b"pass.test"])]];
    for extensions in singles.iter().chain(&doubles) {
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        let sent = records(&with_extensions(&message(&hello), SERVER_NAME, &extensions), 16_000);
        let mut client = connect(proxy.address("main"));
        client.write_all(&sent).unwrap();
        let port = client.local_addr().unwrap().port();
        // At most an alert.
        assert!(drain(&mut client).0.len() <= 7, "{extensions:?}");
        let record = proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], "hello_invalid", "{record:#}");
        assert_eq!((record.get("route"), &record["server.address"]), (None, &"-".into()), "{record:#}");
    }
    assert!(hand.is_untouched());
    // An IP address is not a name (RFC 6066 section 3): the route for any name with that protocol takes it.
    let sent = records(&with_extensions(&message(&hello), SERVER_NAME, &[&server_names(&[b"127.0.0.1"])]), 16_000);
    let mut client = connect(proxy.address("main"));
    client.write_all(&sent).unwrap();
    let mut got = vec![0; sent.len()];
    hand.accept().read_exact(&mut got).unwrap();
    assert!(got == sent);
}
