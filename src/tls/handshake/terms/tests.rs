//! What a hello and a policy agree on.

use super::*;
use crate::tls::policy::aws;

fn hello(versions: &[u16], suites: &[CipherSuite], schemes: &[SignatureScheme]) -> Hello {
    Hello {
        raw: Vec::new(),
        server_name: None,
        versions: versions.iter().copied().map(ProtocolVersion::from).collect(),
        cipher_suites: suites.to_vec(),
        signature_schemes: schemes.to_vec(),
        certificate_schemes: None,
        groups: vec![NamedGroup::X25519, NamedGroup::secp384r1],
        protocols: Vec::new(),
        session_ticket: false,
        unacceptable: None,
    }
}

fn agree(policy: &str, hello: &Hello) -> Result<Terms, Refusal> {
    Terms::agree(hello, &aws::named(policy).unwrap())
}

const T13: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
const RSA12: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
const ECDSA12: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CBC: CipherSuite = CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA;
const PSS: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;
const PKCS1: SignatureScheme = SignatureScheme::RSA_PKCS1_SHA256;
const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

#[test]
fn pkcs1_signs_no_tls13_handshake() {
    let terms = agree(aws::DEFAULT, &hello(&[0x0304, 0x0303], &[T13, RSA12], &[PKCS1, PSS, P256])).unwrap();
    assert_eq!(terms.version, ProtocolVersion::TLSv1_3);
    assert_eq!(terms.schemes, [PSS, P256]);
    assert!(terms.curves.is_none());
}

#[test]
fn under_tls12_the_suites_decide_who_may_sign() {
    for (suites, expected) in
        [(&[T13, RSA12][..], &[PKCS1, PSS][..]), (&[T13, ECDSA12], &[P256]), (&[RSA12, ECDSA12], &[PKCS1, PSS, P256])]
    {
        let terms = agree(aws::DEFAULT, &hello(&[0x0303], suites, &[PKCS1, PSS, P256])).unwrap();
        assert_eq!(terms.version, ProtocolVersion::TLSv1_2);
        assert_eq!(terms.schemes, expected);
        assert_eq!(terms.curves.as_deref(), Some(&[KeyType::EcdsaP384][..]));
    }
}

#[test]
fn each_kind_of_nothing_in_common_has_its_refusal() {
    let refusal = |policy, hello: &Hello| agree(policy, hello).err();
    assert_eq!(refusal("TLS13-1-3-2021-06", &hello(&[0x0303], &[RSA12], &[PSS])), Some(Refusal::NoCommonVersion));
    assert_eq!(refusal("FS-1-2-Res-2020-10", &hello(&[0x0304], &[T13], &[PSS])), Some(Refusal::NoCommonVersion));
    assert_eq!(refusal(aws::DEFAULT, &hello(&[0x0303], &[CBC], &[PSS])), Some(Refusal::NoCommonSuite));
    let only = |group| Hello { groups: vec![group], ..hello(&[0x0303], &[RSA12], &[PSS]) };
    assert_eq!(refusal(aws::DEFAULT, &only(NamedGroup::secp521r1)), Some(Refusal::NoCommonGroup));
    // Post-quantum groups need TLS 1.3.
    assert_eq!(refusal(aws::DEFAULT, &only(NamedGroup::X25519MLKEM768)), Some(Refusal::NoCommonGroup));
    // A TLS 1.3 client's TLS 1.2 suites do not help it.
    assert_eq!(refusal(aws::DEFAULT, &hello(&[0x0304], &[RSA12], &[PSS])), Some(Refusal::NoCommonSuite));
}

#[test]
fn a_fallback_is_refused_only_if_a_better_version_was_possible() {
    let refusal =
        |policy, versions: &[u16]| agree(policy, &hello(versions, &[T13, RSA12, FALLBACK_SCSV.into()], &[PSS])).err();
    assert_eq!(refusal(aws::DEFAULT, &[0x0303]), Some(Refusal::InappropriateFallback));
    assert_eq!(refusal(aws::DEFAULT, &[0x7a7a, 0x0303]), Some(Refusal::InappropriateFallback));
    assert_eq!(refusal(aws::DEFAULT, &[0x0304, 0x0303]), None);
    assert_eq!(refusal("FS-1-2-Res-2020-10", &[0x0303]), None);
}
