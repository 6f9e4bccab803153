//! Headers as others write them, cut and changed in every place, and our own read back.

use super::write::{Certificate, Facts, Session, Version, local};
use super::*;
use crate::net::address::Address;

fn tcp(text: &str) -> Address {
    Address::Tcp(text.parse().unwrap())
}

fn pair(source: &str, destination: &str) -> Option<(Address, Address)> {
    Some((tcp(source), tcp(destination)))
}

/// A version 2 header without checksum.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [layout::SIGNATURE, &[command, family], &u16::try_from(rest.len()).unwrap().to_be_bytes(), rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xc3, 0x50, 0x02, 0x7c];

fn facts<'a>(source: &'a Address, destination: &'a Address) -> Facts<'a> {
    Facts {
        source,
        destination,
        server_name: Some("ldap.example.com"),
        alpn: Some(b"h2"),
        unique_id: "0123abcd-00000001",
        session: Some(Session {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            signature: Some("ecdsa-with-SHA256"),
            key: "EC256",
            client: Some(Certificate { common_name: Some("a client"), on_this_connection: true }),
        }),
    }
}

fn examples() -> Vec<(Vec<u8>, Option<(Address, Address)>)> {
    let unix = |path: &str| Address::Unix(path.into());
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x20, 1, 0xd, 0xb8], &[0; 11], &[2, 0, 7, 0, 8]].concat();
    let paths = [&b"/run/a.sock"[..], &[0; 97], b"/run/b.sock", &[0; 97]].concat();
    let client = pair("192.0.2.1:50000", "198.51.100.2:636");
    vec![
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n".to_vec(), client.clone()),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 7 8\r\n".to_vec(), pair("[2001:db8::1]:7", "[2001:db8::2]:8")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff:f...f:ffff 65535 anything\r\n".to_vec(), None),
        (v2(0x21, 0x11, &V4), client.clone()),
        (v2(0x21, 0x21, &v6), pair("[2001:db8::1]:7", "[2001:db8::2]:8")),
        (v2(0x21, 0x31, &paths), Some((unix("/run/a.sock"), unix("/run/b.sock")))),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x20, 0x00, &[]), None),
        // LOCAL: whatever else it says is ignored.
        (v2(0x20, 0x11, &V4), None),
        (v2(0x20, 0x11, &V4[..5]), None),
        (v2(0x20, 0xff, &[1, 2, 3]), None),
        (v2(0x20, 0x11, &[&V4[..], &[0x04]].concat()), None),
        (v2(0x20, 0x11, &[&V4[..], &[0x03, 0, 4, 0, 0, 0, 0]].concat()), None),
        (v2(0x20, 0x00, &[0x20, 0, 200, 1]), None),
        (v2(0x20, 0x42, &[0xff; 300]), None),
        (v2(0x21, 0x11, &[&V4[..], &[0x04, 0, 3, 0, 0, 0, 0xea, 0, 0]].concat()), client.clone()),
        (facts(&tcp("192.0.2.1:50000"), &tcp("198.51.100.2:636")).header(Version::V2), client),
    ]
}

#[test]
fn both_versions_are_read_in_pieces_of_any_size_and_what_follows_is_left() {
    for (bytes, addresses) in examples() {
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Ok(None), "{end} bytes of {}", bytes.escape_ascii());
        }
        let expected = Header { addresses, length: bytes.len() };
        assert_eq!(read(&bytes), Ok(Some(expected.clone())), "{}", bytes.escape_ascii());
        assert_eq!(read(&[&bytes[..], b"\x16\x03\x01"].concat()), Ok(Some(expected)));
    }
}

#[test]
fn what_the_grammar_does_not_allow_is_refused() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 93]].concat();
    let with = |tlvs: &[u8]| v2(0x21, 0x11, &[&V4[..], tlvs].concat());
    let cases: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"proxy TCP4",
        b"PROXYX",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 50000\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636 \r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 50000 636\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 636\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 050 636\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 636\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 636\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY UNKNOWN \x01",
        b"PROXY UNKNOWN a\rb",
        &long,
        &v2(0x11, 0x11, &V4),
        &v2(0x22, 0x11, &V4),
        &v2(0x21, 0x12, &V4),
        &v2(0x21, 0x41, &V4),
        &v2(0x21, 0x11, &V4[..11]),
        &v2(0x21, 0x21, &V4),
        &v2(0x21, 0x31, &V4),
        &with(&[0x04]),
        &with(&[0x04, 0]),
        &with(&[0x04, 0, 1]),
        &with(&[0x20, 0, 4, 1, 0, 0, 0]),
        &with(&[0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 1]),
        &with(&[0x03, 0, 3, 0, 0, 0]),
        &with(&[0x03, 0, 4, 0, 0, 0, 0]),
        &with(&[&[0x05, 0, 129][..], &[0; 129]].concat()),
        &[layout::SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
    ];
    for case in cases {
        assert!(read(case).is_err(), "{}", case.escape_ascii());
    }
}

#[test]
fn no_change_of_one_byte_is_believed_where_there_is_a_checksum() {
    let (source, destination) = (tcp("192.0.2.1:50000"), tcp("198.51.100.2:636"));
    let good = facts(&source, &destination).header(Version::V2);
    let mut tried = 0;
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            tried += 1;
            // Longer ones ask for more.
            let believed = matches!(read(&bad), Ok(Some(header)) if header.length == bad.len());
            // A checksum whose own kind is changed is no checksum: nothing else is wrong then.
            let kind_of_checksum = at == 16 + V4.len();
            // PROXY has become LOCAL, of which nothing is believed.
            let is_local = bad[12] == layout::LOCAL;
            assert!(!believed || kind_of_checksum || is_local, "byte {at}, bit {bit}");
            assert!(!is_local || read(&bad).unwrap().unwrap().addresses.is_none());
        }
    }
    assert!(tried > 1000);
}

#[test]
fn every_mutation_of_every_example_is_read_or_refused() {
    for (bytes, _) in examples() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x0d, 0x20, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(Some(header)) = read(&changed) {
                    assert!(header.length <= changed.len());
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_what_was_meant() {
    let v4 = (tcp("192.0.2.1:50000"), tcp("198.51.100.2:636"));
    let v6 = (tcp("[2001:db8::1]:7"), tcp("[2001:db8::2]:8"));
    let unix = (Address::Unix("/a".into()), Address::Unix("/b".into()));
    assert_eq!(facts(&v4.0, &v4.1).header(Version::V1), b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n");
    assert_eq!(facts(&v6.0, &v6.1).header(Version::V1), b"PROXY TCP6 2001:db8::1 2001:db8::2 7 8\r\n");
    assert_eq!(facts(&unix.0, &unix.1).header(Version::V1), b"PROXY UNKNOWN\r\n");
    assert_eq!(facts(&v4.0, &v4.1).header(Version::Off), b"");
    for (source, destination) in [v4.clone(), v6.clone(), unix] {
        let header = read(&facts(&source, &destination).header(Version::V2)).unwrap().unwrap();
        assert_eq!(header.addresses, Some((source, destination)));
    }
    let mixed = read(&facts(&v4.0, &v6.1).header(Version::V2)).unwrap().unwrap();
    assert_eq!(mixed.addresses, pair("[::ffff:192.0.2.1]:50000", "[2001:db8::2]:8"));
    let mapped = tcp("[::ffff:192.0.2.1]:50000");
    assert_eq!(facts(&mapped, &v4.1).header(Version::V1), b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n");
    for version in [Version::V1, Version::V2] {
        assert_eq!(read(&local(version)).unwrap().unwrap().addresses, None);
    }
}
