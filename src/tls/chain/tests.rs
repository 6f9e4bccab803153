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
    assert_eq!(of(&[leaf, middle], std::slice::from_ref(root)).end, End::Anchored);
    // A root of that name with another key is another root.
    assert_eq!(of(&[leaf, middle], &[other.clone(), root.clone()]).end, End::Anchored);
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
    assert_eq!(chain(&[vec![1].into()], None, &Anchors::default()), Err(InspectError::NotX509));
}
