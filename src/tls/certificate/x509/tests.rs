//! Serial numbers, names, and who issued what.

use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

use super::*;

#[test]
fn a_serial_is_what_openssl_prints() {
    let cases: &[(&[u8], &str)] = &[
        (&[0, 0x8f, 0x01], "8F01"),
        (&[0x0a], "0A"),
        (&[0, 0], "00"),
        (&[], "00"),
        (&[0xff], "-01"),
        (&[0x80], "-80"),
        (&[0x80, 0], "-8000"),
        (&[0xff, 0x00], "-0100"),
        (&[0xfe, 0xff], "-0101"),
    ];
    for (raw, shown) in cases {
        assert_eq!(serial(raw), *shown, "{raw:x?}");
    }
}

#[test]
fn times_reach_to_the_end_of_the_year_9999() {
    let cases = [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (i64::MAX, "9223372036854775807 seconds since 1970"),
    ];
    for (seconds, shown) in cases {
        assert_eq!(rfc3339(seconds), shown);
        if let Ok(time) = jiff::Timestamp::from_second(seconds) {
            assert_eq!(time.to_string(), shown);
        }
    }
}

fn named(values: &[(DnType, DnValue)]) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in values {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

fn same(one: &[(DnType, DnValue)], other: &[(DnType, DnValue)]) -> bool {
    let (one, other) = (named(one), named(other));
    same_name(parse(&one).unwrap().subject(), parse(&other).unwrap().subject())
}

#[test]
fn names_are_the_same_whatever_their_string_type_case_and_white_space() {
    let common = |value: DnValue| [(DnType::CommonName, value)];
    let plain = common(utf8("Issuing CA"));
    let printable = DnValue::PrintableString("Issuing CA".try_into().unwrap());
    let others = [
        printable,
        DnValue::Ia5String("issuing ca".try_into().unwrap()),
        DnValue::TeletexString("ISSUING CA".try_into().unwrap()),
        DnValue::BmpString("Issuing CA".try_into().unwrap()),
        DnValue::UniversalString("Issuing CA".try_into().unwrap()),
        utf8("  Issuing \t\u{a0}CA\u{200b} "),
    ];
    for other in others {
        assert!(same(&plain, &common(other.clone())), "{other:?}");
    }
    assert!(same(&common(utf8("BÜCHER")), &common(utf8("bücher"))));
    for other in ["IssuingCA", "Issuing CB", "Issuing CA 2", "", "Issuing"] {
        assert!(!same(&plain, &common(utf8(other))), "{other}");
    }
    assert!(!same(&plain, &[(DnType::OrganizationName, utf8("Issuing CA"))]));
    let both = [(DnType::OrganizationName, utf8("Corp")), (DnType::CommonName, utf8("Issuing CA"))];
    assert!(!same(&plain, &both) && same(&both, &both));
    let reversed = [both[1].clone(), both[0].clone()];
    assert!(!same(&both, &reversed), "the order of a sequence counts");
    // The lengths of texts are part of what is compared.
    let one = [(DnType::OrganizationName, utf8("ab")), (DnType::CommonName, utf8("c"))];
    let other = [(DnType::OrganizationName, utf8("a")), (DnType::CommonName, utf8("bc"))];
    assert!(!same(&one, &other));
}

#[test]
fn rsa_without_its_parameter_is_rsa() {
    let of = |last: u8| [PKCS_1, &[last]].concat();
    assert_eq!(with_null(&of(1)), [&of(1)[..], NULL].concat());
    assert_eq!(with_null(&of(11)), [&of(11)[..], NULL].concat());
    assert_eq!(with_null(&of(10)), of(10));
    let whole = [&of(1)[..], NULL].concat();
    assert_eq!(with_null(&whole), whole);
}

#[test]
fn a_name_in_a_message_is_safe_and_not_long() {
    let certificate = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let shown = |name: &str| brief(parse(&certificate(name)).unwrap().subject());
    assert_eq!(shown("a.test"), "CN=a.test");
    assert_eq!(shown("a\nb"), "CN=a\\nb");
    // The prefix "CN=" has three.
    assert_eq!(shown(&"a".repeat(509)), format!("CN={}", "a".repeat(509)));
    assert_eq!(shown(&"a".repeat(510)), format!("CN={}...", "a".repeat(509)));
    assert_eq!(shown(&"ä".repeat(60_000)), format!("CN={}...", "ä".repeat(509)));
    let control = shown(&"\u{202e}\x07".repeat(20_000));
    assert_eq!((control.chars().count(), control.contains(char::is_control)), (515, false), "{control}");
}
