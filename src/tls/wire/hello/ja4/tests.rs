use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::write;

/// Captures with the JA4 that is published with each: name, JA4, bytes.
fn published() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let vectors = include_str!("../../../../../tests/fixtures/ja4/vectors.txt").lines();
    vectors
        .map(|line| {
            let mut columns = line.split(' ');
            let [name, expected, hex] = [(); 3].map(|()| columns.next().unwrap());
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (name, expected, (0..hex.len()).step_by(2).map(byte).collect())
        })
        .collect()
}

fn shown(raw: &[u8]) -> Option<String> {
    ja4(raw).map(|ja4| ja4.to_string())
}

/// A hello with this version, these suites and these extensions, in records of that size.
fn hello(version: u16, suites: &[u16], extensions: &[(u16, &[u8])], size: usize) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let numbers = |list: &[u16]| list.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let list = extensions.iter().flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &long(data)].concat());
    let list: Vec<u8> = list.collect();
    let list = if extensions.is_empty() { list } else { long(&list) };
    let body = [&version.to_be_bytes()[..], &[7; 32], &[0], &long(&numbers(suites)), &[1, 0], &list].concat();
    let message = [&[CLIENT_HELLO, 0][..], &long(&body)].concat();
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &long(part)].concat()).collect()
}

/// The extension `application_layer_protocol_negotiation` with these protocols.
fn alpn(protocols: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = protocols.iter().flat_map(|one| [&[u8::try_from(one.len()).unwrap()], *one].concat()).collect();
    [&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat()
}

#[test]
fn published_captures_have_their_published_ja4() {
    let published = published();
    for (name, expected, raw) in &published {
        assert_eq!(shown(raw).as_deref(), Some(*expected), "{name}");
    }
    let has = |part: &str| published.iter().filter(|(_, expected, _)| expected.contains(part)).count();
    // TLS 1.3, 1.2 and 1.0; without a name; without a protocol; without extensions.
    let kinds = ["t13", "t12", "t10", "i86", "00_", "_000000000000", "h1_", "h2_"].map(has);
    assert!(published.len() >= 14 && kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

#[test]
fn no_beginning_of_a_hello_has_one_and_what_follows_does_not_count() {
    for (name, expected, raw) in published() {
        for length in 0..raw.len() {
            assert_eq!(ja4(&raw[..length]), None, "{name} cut at {length}");
        }
        let early = [&raw[..], b"\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x04data"].concat();
        assert_eq!(shown(&early).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn records_of_any_size_do_not_change_it() {
    for (name, expected, raw) in published() {
        for size in [1, 2, 3, 4, 5, 100] {
            let cut: Vec<u8> = raw[RECORD_HEADER..]
                .chunks(size)
                .flat_map(|part| [&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()][..], part].concat())
                .collect();
            assert_eq!(shown(&cut).as_deref(), Some(expected), "{name} in records of {size}");
        }
    }
}

#[test]
fn the_example_of_the_description_is_as_it_says() {
    let suites = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014];
    let suites = [&[0x2a2a], &suites[..], &[0x009c, 0x009d, 0x002f, 0x0035]].concat();
    let protocols = alpn(&[b"h2", b"http/1.1"]);
    let schemes = [0, 18, 0xea, 0xea, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
    let of = |schemes: Option<&[u8]>| {
        let kinds = [0x001b, 0, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b];
        let kinds = [&[0x1a1a], &kinds[..], &[0xff01, 0x000b, 0x000a, 0x0015, 0xdada]].concat();
        let data = kinds.iter().map(|kind| match kind {
            0x000d => (*kind, schemes.unwrap_or(&[0, 0])),
            0x0010 => (*kind, &protocols[..]),
            0x002b => (*kind, &[6, 0x3a, 0x3a, 3, 4, 3, 3][..]),
            _ => (*kind, &[][..]),
        });
        shown(&hello(0x0303, &suites, &data.collect::<Vec<_>>(), 10_000))
    };
    assert_eq!(of(Some(&schemes)).unwrap(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(of(None).unwrap(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

#[test]
fn the_application_protocol_is_shown_as_the_description_says() {
    let cases: [(&[&[u8]], &str); 14] = [
        (&[], "00"),
        (&[b""], "00"),
        (&[b"h2"], "h2"),
        (&[b"http/1.1", b"h2"], "h1"),
        (&[b"x"], "xx"),
        (&[b"\xab"], "ab"),
        (&[b" "], "20"),
        (&[b"\xab\xcd"], "ad"),
        (&[b" a"], "21"),
        (&[b"0\xab"], "3b"),
        (&[b"a "], "60"),
        (&[b"01\xab\xcd"], "3d"),
        (&[b"0\xab\xcd1"], "01"),
        (&[b"\xff\0"], "f0"),
    ];
    for (protocols, expected) in cases {
        let raw = hello(0x0303, &[0x1301], &[(ALPN, &alpn(protocols))], 10_000);
        assert_eq!(&shown(&raw).unwrap()[8..10], expected, "{protocols:?}");
    }
}

#[test]
fn versions_counts_and_empty_lists_are_shown_as_the_description_says() {
    for (version, expected) in [
        (0x0304, "13"),
        (0x0303, "12"),
        (0x0302, "11"),
        (0x0301, "10"),
        (0x0300, "s3"),
        (2, "s2"),
        (0xfeff, "d1"),
        (0xfefd, "d2"),
        (0xfefc, "d3"),
        (0x7f1c, "00"),
    ] {
        let legacy = shown(&hello(version, &[], &[], 10_000)).unwrap();
        assert_eq!(legacy, format!("t{expected}i000000_000000000000_000000000000"), "{version:04x}");
        let [high, low] = version.to_be_bytes();
        let offered = shown(&hello(0x0301, &[], &[(43, &[4, 0xaa, 0xaa, high, low])], 10_000)).unwrap();
        assert_eq!(offered[..10], format!("t{expected}i000100"), "{version:04x}");
    }
    // Nothing is left without GREASE, a name and protocols.
    let only = [(0, &[][..]), (ALPN, &[0, 0]), (0x0a0a, &[])];
    assert_eq!(shown(&hello(0x0303, &[0xfafa], &only, 10_000)).unwrap(), "t12d000200_000000000000_000000000000");
    let many: Vec<u16> = (0x1300..0x1400).collect();
    let extensions: Vec<(u16, &[u8])> = (100..300).map(|kind| (kind, &[][..])).collect();
    assert!(shown(&hello(0x0303, &many, &extensions, 1000)).unwrap().starts_with("t12i999900_"));
}

#[test]
fn every_hello_that_is_accepted_has_one() {
    for (name, _, raw) in published() {
        let mut reader = HelloReader::default();
        reader.raw.extend_from_slice(&raw);
        if let Ok(hello) = reader.advance() {
            assert!(ja4(&hello.unwrap().raw).is_some(), "{name}");
        }
    }
    assert_eq!(ja4(b"GET / HTTP/1.1\r\n\r\n"), None);
    assert_eq!(ja4(&write::records(TLS10, &[2, 0, 0, 0])), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        let _ = ja4(&bytes);
        let message = [&[CLIENT_HELLO, 0, 0, bytes.len() as u8][..], &bytes].concat();
        let _ = ja4(&write::records(TLS10, &message));
    }

    #[test]
    fn a_changed_byte_does_no_harm(which in 0..14_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_, _, mut raw) = published().swap_remove(which);
        let at = at.index(raw.len());
        raw[at] = byte;
        let found = ja4(&raw);
        prop_assert_eq!(found.and_then(|found| Ja4::parse(found.as_str())), found);
        let mut reader = HelloReader::default();
        reader.raw = raw;
        prop_assert!(found.is_some() || !matches!(reader.advance(), Ok(Some(_))));
    }
}
