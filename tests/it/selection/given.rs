//! Random and hand-made certificates, listeners and clients, for the tests of the choice. Names come from a
//! small alphabet, so that they meet. Must not know: what is chosen.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::certified::algorithm::{Hash, KeyType};
use tlsgate::tls::certificate::certified::extensions::Purposes;
use tlsgate::tls::certificate::name::Name;
use tlsgate::tls::certificate::select::{Entry, Offer, UnknownName};
use tlsgate::tls::crypto;

use crate::support::pki::{Key, generate};

/// An ordinary certificate for `names`: P-256, SHA-256, valid from 0 to 100, its chain signed by ECDSA with SHA-256.
pub(crate) fn certificate(names: &[&str]) -> Certificate {
    // The choice does not look at the key itself.
    static KEY: LazyLock<Arc<CertifiedKey>> = LazyLock::new(|| {
        let der = PrivateKeyDer::Pkcs8(generate(Key::P256).serialize_der().into());
        Arc::new(CertifiedKey::new(Vec::new(), crypto::signing_key(&der).unwrap()))
    });
    Certificate {
        label: names.join(" ").into(),
        key: Arc::clone(&KEY),
        key_type: KeyType::EcdsaP256,
        key_bits: 256,
        names: names.iter().map(|name| Name::parse(name).unwrap()).collect(),
        not_before: 0,
        addresses: Vec::new(),
        not_after: 100,
        chain_not_after: 100,
        chain_ends_first: None,
        issuer_known: true,
        is_ca: false,
        must_staple: false,
        token: None,
        purposes: Purposes { server: true, client: true },
        serial: "01".into(),
        fingerprint: [0; 32],
        hash: Hash::Sha256,
        chain_signatures: Box::new([ECDSA_SHA256]),
        unusable_names: Vec::new(),
        remarks: Vec::new(),
    }
}

pub(crate) const ECDSA_SHA256: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];
pub(crate) const RSA_SHA256: &[SignatureScheme] = &[SignatureScheme::RSA_PKCS1_SHA256];

/// Everything that a client can offer, including schemes with which no key of ours can sign.
pub(crate) const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::ED448,
    SignatureScheme::Unknown(0x0809),
];

/// A client's offer, owned.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) server_name: Option<String>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) certificate_schemes: Vec<SignatureScheme>,
    pub(crate) curves: Option<Vec<KeyType>>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) unknown: UnknownName,
    pub(crate) now: i64,
}

impl Client {
    /// A client that supports everything, at time 50.
    pub(crate) fn asking(name: Option<&str>) -> Self {
        Self {
            server_name: name.map(str::to_owned),
            schemes: SCHEMES.to_vec(),
            certificate_schemes: SCHEMES.to_vec(),
            curves: None,
            address: None,
            unknown: UnknownName::Default,
            now: 50,
        }
    }

    pub(crate) fn offer(&self) -> Offer<'_> {
        Offer {
            server_name: self.server_name.as_deref(),
            schemes: &self.schemes,
            certificate_schemes: &self.certificate_schemes,
            curves: self.curves.as_deref(),
            address: self.address,
        }
    }
}

pub(crate) fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(), 0..12)
}

fn entry() -> impl Strategy<Value = Entry> {
    let names = prop::collection::btree_set((any::<bool>(), plain_name()), 0..4);
    let key = select(vec![
        (KeyType::MlDsa44, 10_496),
        (KeyType::MlDsa87, 20_736),
        (KeyType::EcdsaP256, 256),
        (KeyType::EcdsaP384, 384),
        (KeyType::EcdsaP521, 521),
        (KeyType::Ed25519, 256),
        (KeyType::Rsa, 2048),
        (KeyType::Rsa, 4096),
    ]);
    let hash = select(vec![Hash::Weakest, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512]);
    let signature = select(vec![
        &[SignatureScheme::ML_DSA_65][..],
        ECDSA_SHA256,
        RSA_SHA256,
        &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::Unknown(0x0809)],
        // TLS has no scheme for it: no client can offer to verify it.
        &[],
    ]);
    let chain = prop::collection::vec(signature, 0..3);
    // Short times, so that ends, beginnings and `now` often coincide.
    let validity = (0..6_i64, 0..6_i64);
    // With a dozen entries, one is marked in about half of the cases.
    let default = prop::bool::weighted(0.06);
    let facts = (default, prop::bool::weighted(0.2), subsequence(ADDRESSES, 0..2));
    (names, key, hash, chain, validity, facts).prop_map(|(names, key, hash, chain, (from, lasts), facts)| {
        let (default, is_ca, addresses) = facts;
        let names: Vec<String> =
            names.into_iter().map(|(wild, name)| if wild { format!("*.{name}") } else { name }).collect();
        let certificate = Certificate {
            key_type: key.0,
            key_bits: key.1,
            hash,
            not_before: from,
            not_after: from + lasts,
            chain_signatures: chain.into(),
            addresses,
            is_ca,
            ..certificate(&names.iter().map(String::as_str).collect::<Vec<_>>())
        };
        Entry { certificate: Arc::new(certificate), default }
    })
}

pub(crate) fn client() -> impl Strategy<Value = Client> {
    let name = prop::option::weighted(0.9, asked_name());
    let schemes = subsequence(SCHEMES, 0..SCHEMES.len());
    let certificate_schemes = subsequence(SCHEMES, 0..SCHEMES.len());
    let all_curves = vec![KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::EcdsaP521];
    let curves = prop::option::of(subsequence(all_curves, 0..=3));
    let unknown = select(vec![UnknownName::Default, UnknownName::Reject]);
    let address = prop::option::of(select(ADDRESSES));
    (name, schemes.prop_shuffle(), certificate_schemes, (curves, address), unknown, -1..12_i64).prop_map(
        |(server_name, schemes, certificate_schemes, (curves, address), unknown, now)| Client {
            server_name,
            schemes,
            certificate_schemes,
            curves,
            address,
            unknown,
            now,
        },
    )
}

/// Two addresses, and one of them in the form that a dual-stack socket shows.
const ADDRESSES: &[IpAddr] = &[
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

/// One to four labels of an alphabet of two.
fn plain_name() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["a", "xn--b"]), 1..5).prop_map(|labels| labels.join("."))
}

/// The same in a form that a client may write.
fn asked_name() -> impl Strategy<Value = String> {
    let any_case = plain_name().prop_perturb(|name, mut random| {
        name.chars()
            .map(|letter| if random.random() { letter.to_ascii_uppercase() } else { letter })
            .collect::<String>()
    });
    (any_case, any::<bool>()).prop_map(|(name, dotted)| if dotted { name + "." } else { name })
}
