//! Chains in every order, and those that are broken.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};

use super::*;

type Signer = Issuer<'static, KeyPair>;

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new(if ca { vec![] } else { vec![name.to_owned()] }).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    params
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn root(name: &str, algorithm: &'static SignatureAlgorithm) -> (CertificateDer<'static>, Signer) {
    let (key, params) = (key(algorithm), params(name, true));
    (params.self_signed(&key).unwrap().der().clone(), Issuer::new(params, key))
}

fn below(issuer: &Signer, name: &str, ca: bool) -> (CertificateDer<'static>, Signer) {
    let (key, params) = (key(&rcgen::PKCS_ECDSA_P256_SHA256), params(name, ca));
    (params.signed_by(&key, issuer).unwrap().der().clone(), Issuer::new(params, key))
}

/// Leaf, intermediate, root.
fn three() -> [CertificateDer<'static>; 3] {
    let (root, signer) = root("root", &rcgen::PKCS_ECDSA_P384_SHA384);
    let (middle, signer) = below(&signer, "middle", true);
    [below(&signer, "leaf.test", false).0, middle, root]
}

fn of(certificates: &[&CertificateDer<'static>], anchors: &[CertificateDer<'static>]) -> Chain {
    let certificates: Vec<CertificateDer<'_>> = certificates.iter().map(|one| (*one).clone()).collect();
    chain(&certificates, None, &Anchors::new(anchors.to_vec())).unwrap().unwrap()
}

#[test]
fn a_chain_is_found_in_any_order() {
    let [leaf, middle, root] = &three();
    for (given, order) in [
        ([leaf, middle, root], [0, 1, 2]),
        ([leaf, root, middle], [0, 2, 1]),
        ([root, middle, leaf], [2, 1, 0]),
        ([middle, leaf, root], [1, 0, 2]),
    ] {
        let found = of(&given, &[]);
        assert_eq!(found.order, order);
        assert_eq!(found.in_order, order == [0, 1, 2]);
        assert_eq!((&found.links[..], found.end), (&[Verified::Yes, Verified::Yes][..], End::Root));
        assert!(found.strangers.is_empty());
    }
}

#[test]
fn where_a_chain_ends_is_told_apart() {
    let [leaf, middle, root] = &three();
    let (other, _) = self::root("root", &rcgen::PKCS_ECDSA_P384_SHA384);
    assert_eq!(of(&[leaf, middle], &[]).end, End::Open);
    assert_eq!(of(&[leaf], std::slice::from_ref(root)).end, End::Open);
    assert_eq!(of(&[leaf, middle], std::slice::from_ref(root)).end, End::Anchored(1));
    // A root of that name with another key is another root.
    assert_eq!(of(&[leaf, middle], &[other.clone(), root.clone()]).end, End::Anchored(1));
    assert_eq!(of(&[leaf, middle], &[other, CertificateDer::from(vec![0x30, 0])]).end, End::Open);
    assert_eq!(of(&[root], &[]).end, End::SelfSigned);
}

#[test]
fn a_namesake_that_did_not_sign_is_told_and_comes_last() {
    let [leaf, middle, root] = &three();
    let (_, stranger) = self::root("root", &rcgen::PKCS_ECDSA_P256_SHA256);
    let (twin, _) = below(&stranger, "middle", true);
    let wrong = of(&[leaf, &twin], &[]);
    assert_eq!((&wrong.links[..], wrong.end), (&[Verified::No][..], End::Open));
    let right = of(&[leaf, &twin, middle, root], &[]);
    assert_eq!((right.order, right.strangers, right.in_order), (vec![0, 2, 3], vec![1], false));
    assert_eq!(right.links, [Verified::Yes, Verified::Yes]);
}

#[test]
fn every_kind_of_issuer_that_tls_knows_is_verified() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_RSA_SHA512,
    ] {
        let (root, signer) = root("root", algorithm);
        let (leaf, _) = below(&signer, "leaf.test", false);
        assert_eq!(of(&[&leaf, &root], &[]).links, [Verified::Yes], "{algorithm:?}");
        // One bit of the signature: the last byte of the certificate.
        let mut broken = leaf.to_vec();
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(of(&[&broken.into(), &root], &[]).links, [Verified::No], "{algorithm:?}");
    }
}

#[test]
fn the_leaf_that_is_named_is_the_leaf_that_counts() {
    let [leaf, middle, root] = three();
    let all = [middle, leaf, root];
    assert_eq!(chain(&all, Some(0), &Anchors::default()).unwrap().unwrap().order, [0, 2]);
    assert_eq!(chain(&[], None, &Anchors::default()), Ok(None));
    assert_eq!(chain(&[vec![1].into()], None, &Anchors::default()), Err(ParseError::NotX509));
}

/// One below `issuer` whose key identifiers are there.
fn identified(issuer: &Signer, name: &str, ca: bool) -> (CertificateDer<'static>, Signer) {
    let (key, mut params) = (key(&rcgen::PKCS_ECDSA_P256_SHA256), params(name, ca));
    params.use_authority_key_identifier_extension = true;
    (params.signed_by(&key, issuer).unwrap().der().clone(), Issuer::new(params, key))
}

/// As a server does it.
fn served(certificates: &[&CertificateDer<'static>]) -> Chain {
    let parsed: Vec<_> = certificates.iter().map(|der| x509::parse(der).unwrap()).collect();
    from(&parsed, 0, &Anchors::default(), Verify::Doubtful)
}

#[test]
fn of_two_issuers_of_one_name_the_one_that_signed_is_taken() {
    let (root, signer) = root("root", &rcgen::PKCS_ECDSA_P256_SHA256);
    for make in [below, identified] {
        let (old, _) = make(&signer, "issuing", true);
        let (new, issuing) = make(&signer, "issuing", true);
        let (leaf, _) = make(&issuing, "leaf.test", false);
        for given in [[&leaf, &old, &new, &root], [&leaf, &new, &old, &root]] {
            let expected: Vec<usize> =
                [&leaf, &new, &root].map(|one| given.iter().position(|at| *at == one).unwrap()).into();
            for found in [served(&given), of(&given, &[])] {
                assert_eq!(found.order, expected);
                assert_eq!((found.others.len(), found.strangers.len(), found.broken().count()), (0, 1, 0));
                assert_eq!(found.all().count(), 4);
            }
        }
        // The old one alone is not the issuer.
        let wrong = served(&[&leaf, &old]);
        assert_eq!(wrong.broken().collect::<Vec<_>>(), [(1, 0)]);
    }
}

#[test]
fn a_signature_that_was_damaged_is_found_where_each_is_verified() {
    let (root, signer) = root("root", &rcgen::PKCS_ECDSA_P256_SHA256);
    let (leaf, _) = identified(&signer, "leaf.test", false);
    let mut damaged = leaf.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = CertificateDer::from(damaged);
    assert_eq!(of(&[&damaged, &root], &[]).broken().collect::<Vec<_>>(), [(1, 0)]);
    // Names and key identifiers agree.
    assert_eq!(served(&[&damaged, &root]).links, [Verified::Unknown]);
}

#[test]
fn an_issuer_whose_name_is_in_another_string_type_is_found() {
    let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let with = |name: rcgen::DnValue| {
        let mut params = params("", true);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let printable = with(rcgen::DnValue::PrintableString("Issuing  CA".try_into().unwrap()));
    let issuing = with(rcgen::DnValue::Utf8String("issuing CA".into())).self_signed(&key).unwrap().der().clone();
    let (leaf, _) = below(&Issuer::new(printable, key), "leaf.test", false);
    let found = of(&[&leaf, &issuing], &[]);
    assert_eq!((found.order, &found.links[..], found.end), (vec![0, 1], &[Verified::Yes][..], End::Root));
    assert_eq!(of(&[&leaf], &[issuing]).end, End::Anchored(0));
}

#[test]
fn cross_signed_certificates_are_all_sent_and_roots_come_last() {
    let (old_root, old) = root("old root", &rcgen::PKCS_ECDSA_P256_SHA256);
    let new_key = key(&rcgen::PKCS_ECDSA_P384_SHA384);
    let new_params = || params("new root", true);
    let new_root = new_params().self_signed(&new_key).unwrap().der().clone();
    let cross = new_params().signed_by(&new_key, &old).unwrap().der().clone();
    let new = Issuer::new(new_params(), new_key);
    let (middle, signer) = below(&new, "middle", true);
    let (leaf, _) = below(&signer, "leaf.test", false);
    let given = [&leaf, &new_root, &cross, &middle, &old_root];
    let found = served(&given);
    assert_eq!(found.order, [0, 3, 2, 4]);
    assert_eq!((found.others.as_slice(), found.strangers.as_slice()), (&[1][..], &[][..]));
    assert_eq!(found.all().collect::<Vec<_>>(), [0, 3, 2, 4, 1]);
    // Whoever trusts the new root needs nothing behind the middle one.
    let short = of(&[&leaf, &middle, &cross], std::slice::from_ref(&new_root));
    assert_eq!((short.order.len(), short.end, short.in_order), (3, End::Anchored(1), true));
    // The same twice is no other way.
    let twice = of(&[&leaf, &middle, &middle, &new_root], &[]);
    assert_eq!((twice.order, twice.others, twice.strangers), (vec![0, 1, 3], vec![], vec![2]));
}

#[test]
fn a_certificate_whose_issuer_has_its_name_is_not_self_signed() {
    let (root, signer) = root("same", &rcgen::PKCS_ECDSA_P256_SHA256);
    let (leaf, _) = below(&signer, "same", false);
    for found in [of(&[&leaf, &root], &[]), served(&[&leaf, &root])] {
        assert_eq!((found.order, found.end), (vec![0, 1], End::Root));
    }
    assert_eq!(of(&[&leaf], &[]).end, End::Open);
    assert_eq!(of(&[&root], &[]).end, End::SelfSigned);
}

#[test]
fn circles_and_crowds_of_namesakes_end() {
    // Two that certify each other.
    let (one_key, other_key) = (key(&rcgen::PKCS_ECDSA_P256_SHA256), key(&rcgen::PKCS_ECDSA_P256_SHA256));
    let (one, other) = (Issuer::new(params("one", true), one_key), Issuer::new(params("other", true), other_key));
    let one_der = params("one", true).signed_by(one.key(), &other).unwrap().der().clone();
    let other_der = params("other", true).signed_by(other.key(), &one).unwrap().der().clone();
    let (leaf, _) = below(&one, "leaf.test", false);
    assert_eq!(of(&[&leaf, &one_der, &other_der], &[]).order, [0, 1, 2]);
    let (_, signer) = root("crowd", &rcgen::PKCS_ECDSA_P256_SHA256);
    let crowd: Vec<_> = (0..100).map(|_| below(&signer, "crowd", true).0).collect();
    let found = served(&crowd.iter().collect::<Vec<_>>());
    assert_eq!(found.all().count(), 100);
}

#[test]
fn no_chain_is_followed_further_than_any_client_does() {
    let (_, mut signer) = root("0", &rcgen::PKCS_ECDSA_P256_SHA256);
    let mut all = Vec::new();
    for number in 1..=100 {
        let (der, below) = identified(&signer, &number.to_string(), true);
        all.insert(0, der);
        signer = below;
    }
    for found in [served(&all.iter().collect::<Vec<_>>()), of(&all.iter().collect::<Vec<_>>(), &[])] {
        assert_eq!(found.order, (0..LONGEST).collect::<Vec<_>>());
        assert!(found.all().eq(0..100), "they are sent all the same");
    }
    // All of them may have issued each of them.
    let (_, signer) = root("crowd", &rcgen::PKCS_ECDSA_P256_SHA256);
    let crowd: Vec<_> = (0..100).map(|_| identified(&signer, "crowd", true).0).collect();
    let found = served(&crowd.iter().collect::<Vec<_>>());
    assert!(found.order.len() + found.others.len() <= LONGEST, "{found:?}");
    assert_eq!(found.all().count(), 100);
}
