//! A draft is written with exactly the changes that were made to it, as the proxy's own reader reads it.

use proptest::prelude::*;

use super::*;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;
use crate::tls::wire::hello::Hello;
use crate::tls::wire::hello::reader::HelloReader;

const CURL: &str = include_str!("../../../explain/clients/curl.hex");
const CHROME: &str = include_str!("../../../explain/clients/chrome.hex");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read(raw: &[u8]) -> Hello {
    let mut reader = HelloReader::default();
    reader.raw = raw.to_vec();
    reader.advance().unwrap().unwrap()
}

#[test]
fn what_is_not_changed_comes_back_byte_for_byte() {
    for hex in [CURL, CHROME] {
        let raw = bytes(hex);
        assert_eq!(Draft::parse(&raw).unwrap().bytes().unwrap(), raw);
    }
}

#[test]
fn each_change_is_read_back_and_nothing_else_changes() {
    let raw = bytes(CHROME);
    let before = read(&raw);
    let changed = |change: &dyn Fn(&mut Draft)| {
        let mut draft = Draft::parse(&raw).unwrap();
        change(&mut draft);
        read(&draft.bytes().unwrap())
    };
    let named = changed(&|draft| draft.server_name(Some("other.test")));
    assert_eq!(named.server_name.as_deref(), Some("other.test"));
    assert_eq!((&named.cipher_suites, &named.groups), (&before.cipher_suites, &before.groups));
    assert_eq!(changed(&|draft| draft.server_name(None)).server_name, None);

    let older = changed(&|draft| draft.versions(&[ProtocolVersion::TLSv1_2]));
    // The legacy field offers the older versions too.
    assert_eq!(older.versions.first(), Some(&ProtocolVersion::TLSv1_2));
    assert!(!older.versions.contains(&ProtocolVersion::TLSv1_3));
    let newer = changed(&|draft| draft.versions(&[ProtocolVersion::TLSv1_3]));
    assert_eq!(newer.versions, [ProtocolVersion::TLSv1_3]);

    let schemes = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::Unknown(0x7777)];
    let signing = changed(&|draft| draft.schemes(&schemes));
    assert_eq!((signing.signature_schemes.as_slice(), signing.certificate_schemes), (&schemes[..], None));
    assert_eq!(signing.versions, before.versions);

    let groups = [NamedGroup::X25519, NamedGroup::secp384r1];
    assert_eq!(changed(&|draft| draft.groups(&groups)).groups, groups);
    let suites = [CipherSuite::TLS13_AES_256_GCM_SHA384];
    assert_eq!(changed(&|draft| draft.suites(&suites)).cipher_suites, suites);
}

#[test]
fn a_blank_draft_becomes_a_client_of_either_version() {
    for version in [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2] {
        let mut draft = Draft::blank();
        draft.versions(&[version]);
        draft.suites(&[CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]);
        draft.groups(&[NamedGroup::X25519]);
        draft.schemes(&[SignatureScheme::ED25519]);
        let hello = read(&draft.bytes().unwrap());
        assert_eq!(hello.versions.first(), Some(&version));
        assert_eq!(hello.groups, [NamedGroup::X25519]);
    }
}

#[test]
fn a_long_hello_takes_several_records() {
    let suites: Vec<CipherSuite> = (0..12_000).map(CipherSuite::from).collect();
    let mut draft = Draft::parse(&bytes(CURL)).unwrap();
    draft.suites(&suites);
    let raw = draft.bytes().unwrap();
    assert!(raw.len() > MAX_FRAGMENT + 5);
    assert_eq!(read(&raw).cipher_suites, suites);
    assert_eq!(Draft::parse(&raw).unwrap(), draft);
}

#[test]
fn no_prefix_is_read_as_a_whole_hello() {
    let raw = bytes(CURL);
    for cut in 0..raw.len() {
        assert_eq!(Draft::parse(&raw[..cut]), None, "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn whatever_is_parsed_can_be_changed_and_written(
        at in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
        raw in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut mutated = bytes(CHROME);
        let at = at.index(mutated.len());
        mutated[at] ^= bits;
        for raw in [mutated, raw] {
            let Some(mut draft) = Draft::parse(&raw) else { continue };
            draft.server_name(Some("a.test"));
            draft.groups(&[NamedGroup::X25519]);
            draft.versions(&[ProtocolVersion::TLSv1_3]);
            prop_assert_eq!(Draft::parse(&draft.bytes().unwrap()), Some(draft));
        }
    }
}

#[test]
fn another_connection_of_the_same_client_differs_only_in_what_is_random() {
    let raw = bytes(CHROME);
    let before = Draft::parse(&raw).unwrap();
    let mut draft = before.clone();
    draft.renew([7; 32], [8; 32]);
    let keys = [(0x001d, vec![9; 32]), (0x0017, vec![1; 65])];
    draft.replace_keys(&keys);
    draft.without_compression();
    let sent = draft.bytes().unwrap();
    assert_eq!(sent.len(), raw.len());
    assert_eq!((draft.offers(), draft.shares()), (before.offers(), before.shares()));
    assert_eq!((draft.key(0x001d), draft.key(0x0017)), (Some(vec![9; 32]), None));
    assert_eq!(draft.key(0x11ec), before.key(0x11ec));
    // Random, session ID, one key, the algorithm of compression: no other byte.
    let changed = raw.iter().zip(&sent).filter(|(one, other)| one != other).count();
    assert!((90..=32 + 32 + 32 + 2).contains(&changed), "{changed} bytes");
}

#[test]
fn the_second_hello_has_the_one_key_that_was_asked_for_and_the_cookie() {
    let before = Draft::parse(&bytes(CURL)).unwrap();
    let mut draft = before.clone();
    draft.retry(Some((0x0017, &[4; 65])), Some(&[5, 6]));
    assert_eq!((draft.shares(), draft.key(0x0017)), (vec![0x0017], Some(vec![4; 65])));
    assert_eq!(draft.extension(COOKIE), Some(&[0, 2, 5, 6][..]));
    assert_eq!(draft.offers(), before.offers());
    let mut draft = before.clone();
    draft.retry(None, None);
    assert_eq!(draft, before);
}
