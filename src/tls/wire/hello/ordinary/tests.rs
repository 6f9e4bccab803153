//! The same bytes, given to rustls: the fast parser must read what rustls reads.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::tls::wire::hello::reader::HelloReader;

/// Checks that rustls gives the fast parser's answer. Returns whether the fast parser gave one.
fn agrees(bytes: &[u8]) -> bool {
    let Ok(seen) = look(bytes) else { return false };
    let mut reader = HelloReader::thorough();
    reader.raw.extend_from_slice(bytes);
    let seen = seen.map(|hello| Hello { raw: bytes.to_vec(), ..hello });
    assert_eq!(format!("{:?}", Ok::<_, ()>(&seen)), format!("{:?}", reader.advance()), "{bytes:02x?}");
    seen.is_some()
}

fn recorded(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hellos").join(name)).unwrap()
}

const ORDINARY: [&str; 6] = ["chromium.bin", "curl.bin", "gnutls.bin", "java.bin", "openssl.bin", "openssl-tls12.bin"];

#[test]
fn what_real_clients_send_is_ordinary() {
    for name in ORDINARY {
        let hello = recorded(name);
        assert!(agrees(&hello), "{name}");
        // What follows it is not read.
        assert!(agrees(&[&hello[..], b"\x14\x03\x03\x00\x01\x01 and more"].concat()), "{name}");
        for end in 0..hello.len() {
            assert!(matches!(look(&hello[..end]), Ok(None)), "{name} cut at {end}");
            assert!(!agrees(&hello[..end]));
        }
    }
}

#[test]
fn what_is_not_ordinary_is_left_to_rustls() {
    let of = |extensions: &[(u16, &[u8])]| look(&hello(&[7; 32], &[0], extensions));
    let schemes: (u16, &[u8]) = (13, &[0, 2, 4, 3]);
    assert!(matches!(of(&[schemes]), Ok(Some(_))));
    for (what, extensions) in [
        ("no signature algorithms", &[][..]),
        ("an extension twice", &[schemes, (18, &[]), (18, &[])]),
        ("two names", &[schemes, (0, &[0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'])]),
        ("no name in the extension", &[schemes, (0, &[0, 0])]),
        ("a name of another kind", &[schemes, (0, &[0, 4, 1, 0, 1, b'a'])]),
        ("a name with a zero in it", &[schemes, (0, &[0, 6, 0, 0, 3, b'a', 0, b'b'])]),
        ("pre_shared_key before others", &[(41, PSK), schemes]),
        ("an empty list of versions", &[schemes, (43, &[0])]),
        ("half a version", &[schemes, (43, &[1, 3])]),
        ("more than the list", &[schemes, (10, &[0, 2, 0, 29, 0])]),
    ] {
        assert!(of(extensions).is_err(), "{what}");
    }
    assert!(look(&hello(&[7; 33], &[0], &[schemes])).is_err(), "a long session id");
    assert!(look(&hello(&[], &[1], &[schemes])).is_err(), "only compressed");
    let many: Vec<(u16, &[u8])> = (1000..1032).map(|kind| (kind, &[][..])).chain([schemes]).collect();
    assert!(of(&many).is_err(), "many extensions");
}

/// One identity of one byte, and one binder.
const PSK: &[u8] = &[0, 7, 0, 1, 9, 0, 0, 0, 0, 0, 3, 2, 8, 8];

/// A TLS 1.2 hello in one record.
fn hello(session: &[u8], compressions: &[u8], extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let short = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
    let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let extensions: Vec<u8> =
        extensions.iter().flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &long(data)].concat()).collect();
    let suites = [0x13, 1, 0xc0, 0x2b];
    let body = [&[3, 3][..], &[7; 32], &short(session), &long(&suites), &short(compressions), &long(&extensions)];
    let body = body.concat();
    let message = [&[1, 0][..], &long(&body)].concat();
    [&[22, 3, 1][..], &long(&message)].concat()
}

/// Data for one of the extensions that are parsed: valid, or nearly so.
fn extension() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let known = select(vec![0_u16, 5, 10, 11, 13, 16, 18, 19, 23, 27, 35, 41, 42, 43, 44, 45, 50, 51, 0xfe0d, 0xff01]);
    let good = select(vec![
        &[][..],
        &[0],
        &[1, 0],
        &[0, 0],
        &[1, 0, 0, 0, 0],
        &[0, 4, 0, 29, 0, 23],
        &[2, 3, 4],
        &[2, 0, 2],
        &[0, 6, 0, 0, 3, b'A', b'.', b'b'],
        &[0, 12, 0, 0, 9, b'1', b'2', b'7', b'.', b'0', b'.', b'0', b'.', b'1'],
        &[0, 3, 2, b'h', b'2'],
        &[0, 5, 0, 29, 0, 1, 1],
        PSK,
        &[0, 0, 1, 0, 1, 5, 0, 1, 2, 0, 1, 3],
        &[0, 0, 1, 0, 1, 5, 0, 0, 0, 0],
    ]);
    let data = prop_oneof![4 => good.prop_map(<[u8]>::to_vec), 1 => vec(0_u8..6, 0..12)];
    (prop_oneof![9 => known, 1 => any::<u16>()], data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn hellos_of_any_extensions_read_as_rustls_reads_them(
        mut extensions in vec(extension(), 0..5),
        session in 0_usize..34,
        schemes: bool,
    ) {
        if schemes {
            extensions.insert(0, (13, vec![0, 4, 4, 3, 8, 4]));
        }
        let extensions: Vec<(u16, &[u8])> = extensions.iter().map(|(kind, data)| (*kind, &data[..])).collect();
        agrees(&hello(&vec![5; session], &[0], &extensions));
    }

    #[test]
    fn recorded_hellos_with_a_few_bytes_changed_read_as_rustls_reads_them(
        name in select(&ORDINARY[..]),
        changes in vec((any::<Index>(), prop_oneof![any::<u8>(), 0_u8..4]), 1..4),
        end: Option<Index>,
    ) {
        let mut hello = recorded(name);
        for (at, value) in changes {
            let at = at.index(hello.len());
            hello[at] = value;
        }
        if let Some(end) = end {
            hello.truncate(end.index(hello.len()));
        }
        agrees(&hello);
    }
}
