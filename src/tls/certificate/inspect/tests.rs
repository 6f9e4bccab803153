//! What is read out of certificates that were made for it.

use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SanType};

use super::*;

fn facts(change: impl FnOnce(&mut CertificateParams)) -> Facts {
    let mut params = CertificateParams::new(vec!["a.test".to_owned(), "*.b.test".to_owned()]).unwrap();
    change(&mut params);
    Facts::of(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
}

#[test]
fn names_and_addresses_are_shown_as_they_are_written() {
    let found = facts(|params| {
        params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
        params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
    });
    assert_eq!(found.names, ["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"]);
    assert_eq!((found.key.as_str(), found.key_bits), ("ECDSA P-256", Some(256)));
    assert_eq!(found.signature, "ecdsa-with-SHA256");
    assert_eq!(found.scts, Ok(vec![]));
}

#[test]
fn what_would_move_a_cursor_is_escaped() {
    let found = facts(|params| params.distinguished_name.push(DnType::CommonName, "a\u{1b}[2J\r\nb\u{202e}\\"));
    assert_eq!(found.subject, "CN=a\\u{1b}[2J\\r\\nb\\u{202e}\\\\");
}

#[test]
fn a_malformed_sct_extension_is_told_and_the_rest_still_read() {
    let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
    let with = |value: &[u8]| {
        facts(|params| {
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, value.to_vec()));
        })
    };
    assert_eq!(with(&[4, 2, 0, 0]).scts, Ok(vec![]));
    let broken = with(&[4, 2, 0, 1]);
    assert_eq!(broken.scts, Err(SctError::Malformed("the list is cut short")));
    assert_eq!(broken.names, ["a.test", "*.b.test"]);
}

#[test]
fn days_are_whole_and_negative_when_past() {
    let found = Facts { not_after: 86_400 * 10, not_before: 0, ..facts(|_| {}) };
    assert_eq!([found.days_left(0), found.days_left(1), found.days_left(86_400 * 10)], [10, 9, 0]);
    assert_eq!(found.days_left(86_400 * 10 + 1), -1);
    assert!(found.is_valid_at(0) && found.is_valid_at(86_400 * 10) && !found.is_valid_at(86_400 * 10 + 1));
}

#[test]
fn no_prefix_of_a_certificate_is_one() {
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let whole = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    for cut in 0..whole.len() {
        assert_eq!(Facts::of(&whole[..cut]).err(), Some(ParseError::NotX509), "cut at {cut}");
    }
    assert_eq!(Facts::of(&[&whole[..], &[0]].concat()).err(), Some(ParseError::Trailing));
}
