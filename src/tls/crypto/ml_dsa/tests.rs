//! The examples of RFC 9881 appendix C, and what is wrong with each when it is changed.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, alg_id};
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};

use super::*;
use crate::tls::crypto::{Verified, signing_key, verify};

/// The forms of one key: seed, expanded, both.
macro_rules! example {
    ($set:literal) => {
        [
            include_bytes!(concat!("../../../../tests/fixtures/ml_dsa/", $set, "-seed.pem")).as_slice(),
            include_bytes!(concat!("../../../../tests/fixtures/ml_dsa/", $set, "-expanded.pem")).as_slice(),
            include_bytes!(concat!("../../../../tests/fixtures/ml_dsa/", $set, "-both.pem")).as_slice(),
        ]
    };
}

const EXAMPLES: [(Set, SignatureScheme, [&[u8]; 3]); 3] = [
    (Set::MlDsa44, SignatureScheme::ML_DSA_44, example!("44")),
    (Set::MlDsa65, SignatureScheme::ML_DSA_65, example!("65")),
    (Set::MlDsa87, SignatureScheme::ML_DSA_87, example!("87")),
];

fn der(pem: &[u8]) -> Vec<u8> {
    PrivateKeyDer::from_pem_slice(pem).unwrap().secret_der().to_vec()
}

fn signing(pkcs8: &[u8]) -> Result<std::sync::Arc<dyn SigningKey>, String> {
    let key = PrivateKeyDer::Pkcs8(pkcs8.to_vec().into());
    signing_key(&key).map_err(|error| match error {
        Error::General(text) => text,
        other => panic!("{other}"),
    })
}

/// The key again, with other contents of its OCTET STRING, and other bytes behind that.
fn holding(pkcs8: &[u8], key: &[u8], behind: &[u8]) -> Vec<u8> {
    let front = [&[2, 1, 0][..], &element(0x30, &[ML_DSA, &[number(pkcs8)]].concat())].concat();
    element(0x30, &[&front[..], &element(4, key), behind].concat())
}

fn number(pkcs8: &[u8]) -> u8 {
    parse(pkcs8).unwrap().0.number()
}

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], contents].concat()
}

#[test]
fn each_form_of_a_key_is_the_same_key_and_signs() {
    for (set, scheme, forms) in EXAMPLES {
        let keys: Vec<_> = forms.iter().map(|pem| signing(&der(pem)).unwrap()).collect();
        let public = keys[0].public_key().unwrap();
        for key in &keys {
            assert_eq!(key.public_key().unwrap(), public, "{set}");
            assert!(key.choose_scheme(&[SignatureScheme::ED25519, SignatureScheme::RSA_PSS_SHA256]).is_none());
            let signer = key.choose_scheme(&[SignatureScheme::ED25519, scheme]).unwrap();
            assert_eq!(signer.scheme(), scheme);
            let signature = signer.sign(b"message").unwrap();
            let algorithm = match set {
                Set::MlDsa44 => alg_id::ML_DSA_44,
                Set::MlDsa65 => alg_id::ML_DSA_65,
                Set::MlDsa87 => alg_id::ML_DSA_87,
            };
            // Behind the headers: SEQUENCE, AlgorithmIdentifier, BIT STRING with its number of unused bits.
            let raw = &public[4 + 2 + algorithm.as_ref().len() + 5..];
            let verified = |message: &[u8]| verify((raw, &algorithm), (&signature, &algorithm), message);
            assert_eq!((verified(b"message"), verified(b"massage")), (Verified::Yes, Verified::No), "{set}");
        }
        let [seed, expanded, both] = forms.map(der);
        let parsed = |form| parse(form).unwrap().1.unwrap();
        let Private::Both { seed: own_seed, expanded: own_expanded } = parsed(&both) else { panic!("{set}") };
        assert_eq!((parsed(&seed), parsed(&expanded)), (Private::Seed(own_seed), Private::Expanded(own_expanded)));
        assert_eq!(own_seed, (0..32).collect::<Vec<u8>>());
    }
}

#[test]
fn the_inconsistent_keys_of_the_rfc_are_refused_with_the_reason() {
    for (pem, reason) in [
        (
            include_bytes!("../../../../tests/fixtures/ml_dsa/bad-44-1.pem").as_slice(),
            "the expanded ML-DSA-44 key is not that of the seed beside it",
        ),
        (
            include_bytes!("../../../../tests/fixtures/ml_dsa/bad-44-2.pem"),
            "the parts of the ML-DSA-44 key do not belong together",
        ),
        (
            include_bytes!("../../../../tests/fixtures/ml_dsa/bad-44-3.pem"),
            "the parts of the ML-DSA-44 key do not belong together",
        ),
    ] {
        assert_eq!(signing(&der(pem)).unwrap_err(), reason);
    }
}

#[test]
fn a_seed_is_compared_with_all_of_the_expanded_key_beside_it() {
    for (set, _, [seed, expanded, both]) in EXAMPLES {
        let (seed, expanded, mut both) = (der(seed), der(expanded), der(both));
        // The 32 bytes behind the first 32 (FIPS 204 algorithm 24) only make signatures differ. No public key shows them.
        let at = both.len() - set.expanded() + 32;
        both[at] ^= 1;
        assert_eq!(signing(&both).unwrap_err(), format!("the expanded {set} key is not that of the seed beside it"));
        let mut alone = expanded.clone();
        let at = alone.len() - set.expanded() + 32;
        alone[at] ^= 1;
        assert!(signing(&alone).is_ok(), "nothing is there to compare it with");
        let mut other = seed.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_ne!(signing(&other).unwrap().public_key(), signing(&seed).unwrap().public_key());
    }
}

#[test]
fn no_prefix_of_a_key_is_one() {
    for (set, _, forms) in EXAMPLES {
        for whole in forms.map(der) {
            for end in 0..whole.len() {
                assert!(signing(&whole[..end]).is_err(), "{set} cut at {end}");
            }
            // Cut within the key, with all lengths around it right.
            let (_, info) = Any::from_der(&whole).unwrap();
            let (rest, _) = Any::from_der(info.data).unwrap();
            let (rest, _) = Any::from_der(rest).unwrap();
            let (_, key) = Any::from_der(rest).unwrap();
            assert!(signing(&holding(&whole, key.data, &[])).is_ok());
            for end in 0..key.data.len() {
                let error = signing(&holding(&whole, &key.data[..end], &[])).unwrap_err();
                assert!(error.starts_with(&format!("the {set} key is malformed")), "{error}");
            }
        }
    }
}

#[test]
fn a_key_of_another_length_or_form_is_malformed() {
    for (set, _, [seed, expanded, _]) in EXAMPLES {
        let (seed, expanded) = (der(seed), der(expanded));
        let (Private::Seed(own), Private::Expanded(large)) =
            (parse(&seed).unwrap().1.unwrap(), parse(&expanded).unwrap().1.unwrap())
        else {
            panic!("{set}")
        };
        let malformed = |key: &[u8]| {
            let expected = format!(
                "the {set} key is malformed (expected a seed of 32 bytes, an expanded key of {} bytes, or both)",
                set.expanded()
            );
            assert_eq!(signing(&holding(&seed, key, &[])).unwrap_err(), expected);
        };
        let (octets, pair) = (|bytes: &[u8]| element(4, bytes), |parts: &[Vec<u8>]| element(0x30, &parts.concat()));
        for (own, large) in [(&own[1..], large), (own, &large[1..]), (&[own, &[0]].concat(), large)] {
            malformed(&pair(&[octets(own), octets(large)]));
        }
        malformed(&element(0x80, &own[1..]));
        malformed(&element(0x80, &[own, &[0]].concat()));
        malformed(&octets(&large[1..]));
        malformed(&octets(&[large, &[0]].concat()));
        // The seed alone as early drafts had it, the two in the wrong order, three of them, something behind.
        malformed(&octets(own));
        malformed(own);
        malformed(&pair(&[octets(large), octets(own)]));
        malformed(&pair(&[octets(own), octets(large), octets(own)]));
        malformed(&[element(0x80, own), vec![5, 0]].concat());
        // What OneAsymmetricKey may have behind the key.
        assert!(signing(&holding(&seed, &element(0x80, own), &element(0xa0, &[]))).is_ok());
    }
}

#[test]
fn keys_of_other_algorithms_are_left_to_others() {
    let other = rcgen::KeyPair::generate().unwrap().serialize_der();
    assert!(parse(&other).is_none());
    let [seed, ..] = example!("44").map(der);
    let at = seed.windows(ML_DSA.len()).position(|window| window == ML_DSA).unwrap() + ML_DSA.len();
    for number in (0..=255).filter(|number| !(17..=19).contains(number)) {
        // 20 and later are those of SLH-DSA, 32 to 34 the ones with a hash in front, which RFC 9881 section 8.3 forbids.
        let mut changed = seed.clone();
        changed[at] = number;
        assert!(parse(&changed).is_none() && signing(&changed).is_err(), "{number}");
    }
    assert!(parse(&[]).is_none());
}
