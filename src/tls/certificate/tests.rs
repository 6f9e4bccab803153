//! Certificates of every kind, and what is refused.

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, PKCS_RSA_SHA384, RsaKeySize, SanType};
use rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::tls::pem;

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn self_signed(params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
    params.self_signed(key).unwrap().der().clone()
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    pem::read(key.serialize_pem().as_bytes()).unwrap().keys.pop().unwrap()
}

fn load(params: &CertificateParams, key: &KeyPair) -> Result<Certificate, CertificateError> {
    Certificate::build("test", vec![self_signed(params, key)], vec![private(key)], None)
}

fn names(certificate: &Certificate) -> Vec<String> {
    certificate.names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_type_signs_with_the_scheme_that_rustls_would_take() {
    let keys = [
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(), KeyType::EcdsaP256, 256),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(), KeyType::EcdsaP384, 384),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap(), KeyType::EcdsaP521, 521),
        (KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(), KeyType::Ed25519, 256),
        (KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(), KeyType::Rsa, 2048),
        (KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_3072).unwrap(), KeyType::Rsa, 3072),
    ];
    let every: Vec<SignatureScheme> = [
        0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x0203, 0x0201,
    ]
    .map(SignatureScheme::from)
    .to_vec();
    for (key, key_type, bits) in &keys {
        let certificate = load(&params(&["a.test"]), key).unwrap();
        assert_eq!((certificate.key_type, certificate.key_bits), (*key_type, *bits));
        // All schemes at once, and each one alone.
        for offered in std::iter::once(every.clone()).chain(every.iter().map(|scheme| vec![*scheme])) {
            let theirs = certificate.key.key.choose_scheme(&offered).map(|signer| signer.scheme());
            assert_eq!(certificate.scheme_for(&offered), theirs, "{key_type} {offered:?}");
        }
    }
}

#[test]
fn names_come_from_the_san_and_from_the_common_name_only_without_one() {
    let key = KeyPair::generate().unwrap();
    let mut with_both = params(&["A.test", "*.b.test", "a.test"]);
    with_both.distinguished_name.push(DnType::CommonName, "cn.test");
    assert_eq!(names(&load(&with_both, &key).unwrap()), ["a.test", "*.b.test"]);

    let mut only_common_name = params(&[]);
    only_common_name.distinguished_name.push(DnType::CommonName, "CN.test");
    assert_eq!(names(&load(&only_common_name, &key).unwrap()), ["cn.test"]);

    let mut address = params(&[]);
    address.distinguished_name.push(DnType::CommonName, "cn.test");
    address.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    let loaded = load(&address, &key).unwrap();
    assert_eq!(names(&loaded), Vec::<String>::new());
    assert_eq!(loaded.addresses, [IpAddr::from([127, 0, 0, 1])]);
}

#[test]
fn an_address_of_either_version_is_enough() {
    let key = KeyPair::generate().unwrap();
    let mut both = params(&[]);
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    both.subject_alt_names = vec![SanType::IpAddress(v6), SanType::IpAddress([192, 0, 2, 1].into())];
    assert_eq!(load(&both, &key).unwrap().addresses, [v6, IpAddr::from([192, 0, 2, 1])]);
    assert_eq!(extensions::address(&[0; 5]), None);
}

#[test]
fn a_name_that_is_no_host_name_is_given_in_the_reason() {
    let key = KeyPair::generate().unwrap();
    let mut spaced = params(&[]);
    spaced.distinguished_name.push(DnType::CommonName, "Directory \u{1b}Server");
    let expected = CertificateError::NoHostName("common name", "Directory \\u{1b}Server".into());
    assert_eq!(load(&spaced, &key).unwrap_err(), expected);
    let expected = CertificateError::NoHostName("SAN extension", "f*.a.test".into());
    assert_eq!(load(&params(&["f*.a.test"]), &key).unwrap_err(), expected);
}

#[test]
fn the_facts_that_warnings_are_made_of() {
    let key = KeyPair::generate().unwrap();
    let plain = load(&params(&["a.test"]), &key).unwrap();
    assert!(!plain.is_ca && !plain.must_staple && plain.issuer_known);
    assert_eq!((plain.chain_not_after, plain.chain_ends_first), (plain.not_after, None));
    let feature = |value: &[u8]| {
        let mut params = params(&["a.test"]);
        let feature = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], value.to_vec());
        params.custom_extensions = vec![feature];
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        load(&params, &key).unwrap()
    };
    assert!(feature(&[0x30, 3, 2, 1, 5]).must_staple && feature(&[0x30, 6, 2, 1, 23, 2, 1, 17]).must_staple);
    assert!(!feature(&[0x30, 3, 2, 1, 23]).must_staple && !feature(&[]).must_staple);
    assert!(feature(&[0x30, 0]).is_ca);
}

#[test]
fn the_end_that_comes_first_is_that_of_the_whole_chain_without_its_root() {
    let (root_key, middle_key, leaf_key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let until = |year, name: &str| {
        let mut made = params(&[]);
        made.distinguished_name.push(DnType::CommonName, name);
        made.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        made.not_after = rcgen::date_time_ymd(year, 1, 1);
        made
    };
    let root_der = self_signed(&until(2001, "root"), &root_key);
    let root = rcgen::Issuer::new(until(2001, "root"), root_key);
    let middle_der = until(2002, "middle").signed_by(&middle_key, &root).unwrap().der().clone();
    let middle = rcgen::Issuer::new(until(2002, "middle"), middle_key);
    let leaf = params(&["a.test"]).signed_by(&leaf_key, &middle).unwrap().der().clone();
    let build = |chain: &[&CertificateDer<'static>]| {
        let chain = chain.iter().map(|one| (*one).clone()).collect();
        Certificate::build("test", chain, vec![private(&leaf_key)], None).unwrap()
    };
    let whole = build(&[&leaf, &middle_der, &root_der]);
    assert_eq!((whole.chain_not_after, whole.chain_ends_first.as_deref()), (1_009_843_200, Some("CN=middle")));
    assert!(whole.issuer_known);
    let alone = build(&[&leaf]);
    assert_eq!((alone.chain_not_after, alone.chain_ends_first.as_deref()), (alone.not_after, None));
    assert!(!alone.issuer_known);
}

#[test]
fn names_given_replace_those_of_the_certificate() {
    let key = KeyPair::generate().unwrap();
    let given = vec![Name::parse("other.test").unwrap()];
    let leaf = self_signed(&params(&["a.test"]), &key);
    let certificate = Certificate::build("test", vec![leaf], vec![private(&key)], Some(given)).unwrap();
    assert_eq!(names(&certificate), ["other.test"]);
}

#[test]
fn a_name_that_nobody_can_ask_for_is_told_and_left_out() {
    let key = KeyPair::generate().unwrap();
    let certificate = load(&params(&["f*.a.test", "b.test"]), &key).unwrap();
    assert_eq!(names(&certificate), ["b.test"]);
    assert_eq!(certificate.unusable_names, ["f*.a.test"]);
}

#[test]
fn the_chain_is_put_in_order_and_the_rest_comes_behind_it_once() {
    let (root_key, middle_key, leaf_key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let authority = |name: &str| {
        let mut authority = params(&[]);
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority
    };
    let root = authority("root");
    let root_der = self_signed(&root, &root_key);
    let root_issuer = rcgen::Issuer::new(root, root_key);
    let middle = authority("middle");
    let middle_der = middle.signed_by(&middle_key, &root_issuer).unwrap().der().clone();
    let middle_issuer = rcgen::Issuer::new(middle, middle_key);
    let leaf = params(&["a.test"]).signed_by(&leaf_key, &middle_issuer).unwrap().der().clone();
    let stranger = self_signed(&authority("stranger"), &KeyPair::generate().unwrap());

    let given =
        vec![stranger.clone(), root_der.clone(), leaf.clone(), middle_der.clone(), leaf.clone(), stranger.clone()];
    let certificate = Certificate::build("test", given, vec![private(&leaf_key)], None).unwrap();
    assert_eq!(certificate.key.cert, [leaf, middle_der, root_der, stranger]);
    assert!(certificate.remarks.is_empty() && certificate.unverified().is_empty());
    // The root signs itself, and nobody verifies that.
    assert_eq!(certificate.chain_signatures.len(), 2);
}

#[test]
fn a_chain_can_be_verified_by_those_who_know_all_its_signatures() {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_2048).unwrap();
    let mut root = params(&[]);
    root.distinguished_name.push(DnType::CommonName, "root");
    let issuer = rcgen::Issuer::new(root, rsa);
    let key = KeyPair::generate().unwrap();
    let leaf = params(&["a.test"]).signed_by(&key, &issuer).unwrap().der().clone();
    let certificate = Certificate::build("test", vec![leaf], vec![private(&key)], None).unwrap();
    assert_eq!(certificate.hash, Hash::Sha384);
    assert!(certificate.is_verifiable_with(&[SignatureScheme::RSA_PKCS1_SHA384]));
    assert!(!certificate.is_verifiable_with(&[SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PSS_SHA384]));
}

#[test]
fn what_does_not_make_a_pair_is_refused_by_name() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let leaf = || self_signed(&params(&["a.test"]), &key);
    let build = |certificates, keys| Certificate::build("test", certificates, keys, None).unwrap_err();
    assert_eq!(build(vec![], vec![private(&key)]), CertificateError::NoCertificate);
    assert_eq!(build(vec![leaf()], vec![]), CertificateError::NoKey);
    assert_eq!(build(vec![leaf()], vec![private(&key), private(&other)]), CertificateError::SeveralKeys(2));
    assert_eq!(build(vec![leaf()], vec![private(&other)]), CertificateError::KeyMismatch);
    assert!(matches!(build(vec![b"junk".to_vec().into()], vec![private(&key)]), CertificateError::BadCertificate(_)));
    let junk = PrivateKeyDer::Pkcs8(b"junk".to_vec().into());
    assert!(matches!(build(vec![leaf()], vec![junk]), CertificateError::BadKey(_)));
    assert_eq!(load(&params(&[]), &key).unwrap_err(), CertificateError::NoNames);
}

#[test]
fn no_prefix_of_a_certificate_panics_or_passes() {
    let key = KeyPair::generate().unwrap();
    let leaf = self_signed(&params(&["a.test", "*.b.test"]), &key);
    for end in 0..leaf.len() {
        let cut = CertificateDer::from(leaf[..end].to_vec());
        assert!(Certificate::build("test", vec![cut], vec![private(&key)], None).is_err(), "cut at {end}");
    }
}
