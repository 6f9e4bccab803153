//! Certificates of every kind, and what is refused.

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, PKCS_RSA_SHA384, RsaKeySize, SanType};
use rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::tls::certificate::pem;

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn self_signed(params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
    params.self_signed(key).unwrap().der().clone()
}

fn private(key: &KeyPair) -> Key {
    pem::read(key.serialize_pem().as_bytes()).unwrap().keys.pop().unwrap()
}

fn load(params: &CertificateParams, key: &KeyPair) -> Result<Certificate, CertificateError> {
    Certificate::build("test", vec![self_signed(params, key)], vec![private(key)], None)
}

fn names(certificate: &Certificate) -> Vec<String> {
    certificate.names.iter().map(ToString::to_string).collect()
}

#[test]
fn of_thousands_of_names_each_counts_once_and_they_stay_in_order() {
    let key = KeyPair::generate().unwrap();
    let all: Vec<String> = (0..2000).map(|number| format!("n{number}.test")).collect();
    let written: Vec<&str> = all.iter().map(String::as_str).chain(["N17.test", "n0.test"]).collect();
    assert_eq!(names(&load(&params(&written), &key).unwrap()), all);
}

#[test]
fn every_key_type_signs_with_the_scheme_that_rustls_would_take() {
    let keys = [
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(), KeyType::EcdsaP256, 256),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(), KeyType::EcdsaP384, 384),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap(), KeyType::EcdsaP521, 521),
        (KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(), KeyType::Ed25519, 256),
        (KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44).unwrap(), KeyType::MlDsa44, 10_496),
        (KeyPair::generate_for(&rcgen::PKCS_ML_DSA_65).unwrap(), KeyType::MlDsa65, 15_616),
        (KeyPair::generate_for(&rcgen::PKCS_ML_DSA_87).unwrap(), KeyType::MlDsa87, 20_736),
        (KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(), KeyType::Rsa, 2048),
        (KeyPair::generate_rsa_for(&PKCS_RSA_SHA384, RsaKeySize::_3072).unwrap(), KeyType::Rsa, 3072),
    ];
    let every: Vec<SignatureScheme> = [
        0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x0203, 0x0201,
        0x0904, 0x0905, 0x0906,
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
    // The root signs itself, which no client verifies.
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
    assert!(matches!(build(vec![leaf()], vec![junk.into()]), CertificateError::BadKey(_)));
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

/// A certificate with its SubjectPublicKeyInfo exchanged; its signature is wrong then.
fn with_key_info(certificate: &CertificateDer<'_>, info: &[u8]) -> CertificateDer<'static> {
    let parsed = x509::parse(certificate).unwrap();
    let tbs = parsed.tbs_certificate.as_ref();
    let own = parsed.public_key().raw;
    let at = tbs.windows(own.len()).position(|window| window == own).unwrap();
    let contents = [&tbs[tbs.len() - contents_of(tbs).len()..at], info, &tbs[at + own.len()..]].concat();
    let rest = &contents_of(certificate)[tbs.len()..];
    sequence(&[&sequence(&contents)[..], rest].concat()).into()
}

fn contents_of(der: &[u8]) -> &[u8] {
    <x509_parser::asn1_rs::Any<'_> as x509_parser::asn1_rs::FromDer<'_, _>>::from_der(der).unwrap().1.data
}

fn sequence(contents: &[u8]) -> Vec<u8> {
    element(0x30, contents)
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let header = match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => vec![tag, short],
        _ => [&[tag, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    };
    [&header[..], contents].concat()
}

const RSA_OID: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_OID: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256_OID: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

fn info(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    sequence(&[sequence(&algorithm.concat()), element(3, &[&[0], key].concat())].concat())
}

#[test]
fn a_key_belongs_to_its_certificate_in_whatever_form_that_writes_it() {
    let (rsa, other) = [(); 2].map(|()| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()).into();
    let plain = self_signed(&params(&["a.test"]), &rsa);
    let point = |certificate: &CertificateDer<'_>| {
        x509::parse(certificate).unwrap().public_key().subject_public_key.data.to_vec()
    };
    let bare = with_key_info(&plain, &info(&[RSA_OID], &point(&plain)));
    let build = |certificate: &CertificateDer<'static>, key: &KeyPair| {
        Certificate::build("test", vec![certificate.clone()], vec![private(key)], None)
    };
    let loaded = build(&bare, &rsa).unwrap();
    assert!(loaded.remarks[0].contains("without the parameter NULL"), "{:?}", loaded.remarks);
    assert_eq!(build(&bare, &other).unwrap_err(), CertificateError::KeyMismatch);
    assert!(build(&plain, &rsa).unwrap().remarks.is_empty());

    // Until both parities were seen.
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let key = KeyPair::generate().unwrap();
        let plain = self_signed(&params(&["a.test"]), &key);
        let whole = point(&plain);
        let odd = whole.last().unwrap() % 2;
        seen[usize::from(odd)] = true;
        let of = |point: &[u8]| with_key_info(&plain, &info(&[EC_OID, P256_OID], point));
        let compressed = |parity: u8| [&[2 + parity], &whole[1..33]].concat();
        let loaded = build(&of(&compressed(odd)), &key).unwrap();
        assert!(loaded.remarks[0].contains("compressed point"), "{:?}", loaded.remarks);
        assert_eq!(build(&of(&compressed(1 - odd)), &key).unwrap_err(), CertificateError::KeyMismatch);
        assert!(build(&of(&[&[6 + odd], &whole[1..]].concat()), &key).is_ok());
        let explicit = with_key_info(&plain, &info(&[EC_OID, &sequence(&[2, 1, 1])], &whole));
        let expected =
            CertificateError::UnsupportedKey("ECDSA with the parameters of a curve instead of its name".into());
        assert_eq!(build(&explicit, &key).unwrap_err(), expected);
        // The usual form is preferred.
        let both = vec![of(&compressed(odd)), plain.clone()];
        let loaded = Certificate::build("test", both, vec![private(&key)], None).unwrap();
        assert_eq!(loaded.key.cert[0], plain);
    }
}

#[test]
fn a_private_key_with_the_parameters_of_a_curve_is_named() {
    let key = KeyPair::generate().unwrap();
    let leaf = self_signed(&params(&["a.test"]), &key);
    let parameters = sequence(&[2, 1, 1]);
    let pkcs8 = sequence(&[&[2, 1, 0][..], &sequence(&[EC_OID, &parameters].concat()), &element(4, &[0])].concat());
    let sec1 = sequence(&[&[2, 1, 1][..], &element(4, &[7; 32]), &element(0xa0, &parameters)].concat());
    for der in [PrivateKeyDer::Pkcs8(pkcs8.into()), PrivateKeyDer::Sec1(sec1.into())] {
        let error = Certificate::build("test", vec![leaf.clone()], vec![der.into()], None).unwrap_err();
        assert!(
            matches!(&error, CertificateError::BadKey(what) if what.starts_with("it has the parameters")),
            "{error}"
        );
    }
}

#[test]
fn which_of_several_certificates_cannot_be_read_is_named() {
    let key = KeyPair::generate().unwrap();
    let leaf = self_signed(&params(&["a.test"]), &key);
    let given = vec![leaf, b"junk".to_vec().into()];
    let error = Certificate::build("test", given, vec![private(&key)], None).unwrap_err();
    assert_eq!(error.to_string(), "a certificate cannot be read: number 2 of 2: it is not X.509 in DER");
}

#[test]
fn a_chain_that_does_not_verify_is_remarked() {
    let (root_key, other_key, leaf_key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root = params(&[]);
    root.distinguished_name.push(DnType::CommonName, "ro\u{1b}ot");
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let imposter = self_signed(&root, &other_key);
    let mut leaf = params(&["a.test"]);
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&leaf_key, &rcgen::Issuer::new(root.clone(), root_key)).unwrap().der().clone();
    let build = |chain: Vec<CertificateDer<'static>>| {
        Certificate::build("test", chain, vec![private(&leaf_key)], None).unwrap()
    };
    let wrong = build(vec![leaf.clone(), imposter]);
    assert_eq!(wrong.remarks.len(), 1);
    assert!(
        wrong.remarks[0].starts_with("the chain does not verify: \"CN=ro\\u{1b}ot\" did not sign"),
        "{:?}",
        wrong.remarks
    );
    assert!(wrong.unverified().is_empty(), "it is remarked already");
    assert!(!wrong.issuer_known);
}

/// Certificate and key of RFC 9881 appendix C, in each of the key's forms.
#[test]
fn the_rfcs_ml_dsa_certificates_fit_their_keys_in_each_form() {
    const CHECKED: [(&str, KeyType, SignatureScheme); 3] = [
        ("44", KeyType::MlDsa44, SignatureScheme::ML_DSA_44),
        ("65", KeyType::MlDsa65, SignatureScheme::ML_DSA_65),
        ("87", KeyType::MlDsa87, SignatureScheme::ML_DSA_87),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ml_dsa");
    let read = |file: String| pem::read(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    let names = || Some(vec![Name::parse("a.test").unwrap()]);
    for (set, key_type, scheme) in CHECKED {
        let certificates = read(format!("{set}.crt")).certificates;
        let parsed = x509::parse(&certificates[0]).unwrap();
        assert_eq!(x509::signed(&parsed, &parsed), Verified::Yes);
        assert_eq!(
            (algorithm::signature_hash(&parsed), algorithm::verifying_schemes(&parsed)),
            (Hash::Sha512, &[scheme][..])
        );
        for form in ["seed", "expanded", "both"] {
            let keys = read(format!("{set}-{form}.pem")).keys;
            let built = Certificate::build("test", certificates.clone(), keys, names()).unwrap();
            assert_eq!((built.key_type, built.scheme_for(&[scheme])), (key_type, Some(scheme)), "{set} {form}");
        }
        let other = if set == "44" { "65" } else { "44" };
        let error = Certificate::build("test", certificates, read(format!("{other}-seed.pem")).keys, names());
        assert_eq!(error.unwrap_err(), CertificateError::KeyMismatch);
    }
    for bad in ["bad-44-1.pem", "bad-44-2.pem", "bad-44-3.pem"] {
        let (certificates, keys) = (read("44.crt".into()).certificates, read(bad.into()).keys);
        let error = Certificate::build("test", certificates, keys, names()).unwrap_err();
        assert!(error.to_string().starts_with("the private key cannot be used: the "), "{error}");
    }
}
