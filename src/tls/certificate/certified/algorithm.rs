//! X.509 algorithm identifiers ↔ key types, hashes and TLS signature schemes (RFC 8446 section 4.2.3, RFC 5758,
//! RFC 8017, RFC 8410, RFC 9881). Must not know: any other part of a certificate.

use rustls::SignatureScheme;
use x509_parser::asn1_rs::Tag;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_HASH_SHA1, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_NIST_HASH_SHA256,
    OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA,
    OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512, OID_SIG_ED25519, Oid,
};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::tls::certificate::certified::error::CertificateError;

/// The kinds of key that tlsgate signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    MlDsa44,
    MlDsa65,
    MlDsa87,
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    Rsa,
}

/// The families of keys, in the order in which tlsgate prefers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// They withstand a quantum computer.
    MlDsa,
    /// ECDSA and Ed25519.
    Elliptic,
    Rsa,
}

/// The hash in a certificate's signature, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD5, or an algorithm that is not known here.
    Weakest,
    Sha1,
    Sha256,
    Sha384,
    /// SHA-512, and Ed25519, which uses it within; ML-DSA, which uses SHAKE256 within, with as many bits.
    Sha512,
}

impl KeyType {
    /// The schemes such a key signs with, best first (rustls's own order of preference).
    pub fn schemes(self) -> &'static [SignatureScheme] {
        match self {
            Self::MlDsa44 => &[SignatureScheme::ML_DSA_44],
            Self::MlDsa65 => &[SignatureScheme::ML_DSA_65],
            Self::MlDsa87 => &[SignatureScheme::ML_DSA_87],
            Self::EcdsaP256 => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            Self::EcdsaP384 => &[SignatureScheme::ECDSA_NISTP384_SHA384],
            Self::EcdsaP521 => &[SignatureScheme::ECDSA_NISTP521_SHA512],
            Self::Ed25519 => &[SignatureScheme::ED25519],
            Self::Rsa => &[
                SignatureScheme::RSA_PSS_SHA512,
                SignatureScheme::RSA_PSS_SHA384,
                SignatureScheme::RSA_PSS_SHA256,
                SignatureScheme::RSA_PKCS1_SHA512,
                SignatureScheme::RSA_PKCS1_SHA384,
                SignatureScheme::RSA_PKCS1_SHA256,
            ],
        }
    }

    pub fn family(self) -> Family {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => Family::MlDsa,
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Ed25519 => Family::Elliptic,
            Self::Rsa => Family::Rsa,
        }
    }
}

impl std::fmt::Display for KeyType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// Type and size in bits of the certificate's key; an error names what it is instead.
pub(in crate::tls) fn key_type(certificate: &X509Certificate<'_>) -> Result<(KeyType, u32), CertificateError> {
    public_key_type(certificate.public_key())
}

/// The same for a key that is in no certificate yet.
pub fn public_key_type(info: &SubjectPublicKeyInfo<'_>) -> Result<(KeyType, u32), CertificateError> {
    let unsupported = |what: String| Err(CertificateError::UnsupportedKey(what));
    let algorithm = &info.algorithm.algorithm;
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        let bits = match info.parsed() {
            Ok(PublicKey::RSA(key)) => rsa_bits(key.modulus),
            _ => return Err(CertificateError::BadCertificate("its RSA key is malformed".into())),
        };
        return match bits {
            // The sizes that the provider signs with and webpki verifies.
            2048..=8192 => Ok((KeyType::Rsa, bits)),
            other => unsupported(format!("RSA of {other} bits")),
        };
    }
    if *algorithm == OID_SIG_ED25519 {
        return Ok((KeyType::Ed25519, 256));
    }
    if let Some(known) = ML_DSA.iter().find(|known| known.oid == *algorithm) {
        return match info.subject_public_key.data.len() {
            length if length == known.public => Ok((known.key_type, known.bits())),
            _ => Err(CertificateError::BadCertificate(format!("its {} key is malformed", known.key_type))),
        };
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        // Without the check of the tag, the parser would read explicit parameters as an identifier.
        let named = info.algorithm.parameters.as_ref().filter(|any| any.tag() == Tag::Oid);
        let curve = named.and_then(|any| any.as_oid().ok());
        return match curve {
            Some(oid) if oid == OID_EC_P256 => Ok((KeyType::EcdsaP256, 256)),
            Some(oid) if oid == OID_NIST_EC_P384 => Ok((KeyType::EcdsaP384, 384)),
            Some(oid) if oid == OID_NIST_EC_P521 => Ok((KeyType::EcdsaP521, 521)),
            Some(oid) => unsupported(format!("ECDSA on curve {oid}")),
            None => unsupported("ECDSA with the parameters of a curve instead of its name".into()),
        };
    }
    if *algorithm == OID_PKCS1_RSASSAPSS {
        return unsupported("RSA for PSS signatures only (id-RSASSA-PSS)".into());
    }
    unsupported(format!("of algorithm {algorithm}"))
}

/// The hash of the certificate's own signature.
pub(in crate::tls) fn signature_hash(certificate: &X509Certificate<'_>) -> Hash {
    let algorithm = &certificate.signature_algorithm;
    // The parser prints what it does not know on standard error, so it gets nothing else.
    if algorithm.algorithm == OID_PKCS1_RSASSAPSS
        && let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) = SignatureAlgorithm::try_from(algorithm)
    {
        return pss_hash(parameters.hash_algorithm_oid());
    }
    SIGNATURES.iter().find(|known| known.oid == algorithm.algorithm).map_or(Hash::Weakest, |known| known.hash)
}

/// The schemes for this signature: a client that offers any of them for certificates can verify it. Empty where TLS has no
/// scheme for it.
pub(super) fn verifying_schemes(certificate: &X509Certificate<'_>) -> &'static [SignatureScheme] {
    let algorithm = &certificate.signature_algorithm;
    if algorithm.algorithm == OID_PKCS1_RSASSAPSS {
        return match signature_hash(certificate) {
            Hash::Sha256 => PSS_SHA256,
            Hash::Sha384 => PSS_SHA384,
            Hash::Sha512 => PSS_SHA512,
            _ => &[],
        };
    }
    SIGNATURES.iter().find(|known| known.oid == algorithm.algorithm).map_or(&[], |known| known.schemes)
}

fn pss_hash(oid: &Oid<'_>) -> Hash {
    match oid {
        oid if *oid == OID_NIST_HASH_SHA512 => Hash::Sha512,
        oid if *oid == OID_NIST_HASH_SHA384 => Hash::Sha384,
        oid if *oid == OID_NIST_HASH_SHA256 => Hash::Sha256,
        oid if *oid == OID_HASH_SHA1 => Hash::Sha1,
        _ => Hash::Weakest,
    }
}

fn rsa_bits(modulus: &[u8]) -> u32 {
    let digits: &[u8] = match modulus.iter().position(|byte| *byte != 0) {
        Some(start) => &modulus[start..],
        None => return 0,
    };
    let whole = u32::try_from(digits.len()).unwrap_or(u32::MAX / 8) * 8;
    whole - digits[0].leading_zeros()
}

/// The name of a signature's algorithm, where the registry crate lacks it: as OpenSSL writes it.
pub(in crate::tls) fn signature_name(oid: &Oid<'_>) -> Option<String> {
    ML_DSA.iter().find(|known| known.oid == *oid).map(|known| known.key_type.to_string())
}

/// A parameter set of ML-DSA. One object identifier means the key and its signatures (RFC 9881 section 2).
struct MlDsa {
    oid: Oid<'static>,
    key_type: KeyType,
    /// The length of a public key in bytes (FIPS 204 table 2).
    public: usize,
}

impl MlDsa {
    /// The size of the public key, which OpenSSL too reports as the key's.
    fn bits(&self) -> u32 {
        u32::try_from(self.public * 8).unwrap_or(u32::MAX)
    }
}

const ML_DSA: &[MlDsa] = &[
    MlDsa { oid: OID_ML_DSA_44, key_type: KeyType::MlDsa44, public: 1312 },
    MlDsa { oid: OID_ML_DSA_65, key_type: KeyType::MlDsa65, public: 1952 },
    MlDsa { oid: OID_ML_DSA_87, key_type: KeyType::MlDsa87, public: 2592 },
];

struct Signature {
    oid: Oid<'static>,
    hash: Hash,
    schemes: &'static [SignatureScheme],
}

/// ECDSA schemes are matched by their hash alone: in certificates, the code points do not mean a curve to a TLS 1.2 client,
/// and TLS 1.3 has none for other pairs of curve and hash.
const SIGNATURES: &[Signature] = &[
    Signature { oid: OID_PKCS1_SHA256WITHRSA, hash: Hash::Sha256, schemes: &[SignatureScheme::RSA_PKCS1_SHA256] },
    Signature { oid: OID_PKCS1_SHA384WITHRSA, hash: Hash::Sha384, schemes: &[SignatureScheme::RSA_PKCS1_SHA384] },
    Signature { oid: OID_PKCS1_SHA512WITHRSA, hash: Hash::Sha512, schemes: &[SignatureScheme::RSA_PKCS1_SHA512] },
    Signature { oid: OID_PKCS1_SHA1WITHRSA, hash: Hash::Sha1, schemes: &[SignatureScheme::RSA_PKCS1_SHA1] },
    Signature {
        oid: OID_SIG_ECDSA_WITH_SHA256,
        hash: Hash::Sha256,
        schemes: &[SignatureScheme::ECDSA_NISTP256_SHA256],
    },
    Signature {
        oid: OID_SIG_ECDSA_WITH_SHA384,
        hash: Hash::Sha384,
        schemes: &[SignatureScheme::ECDSA_NISTP384_SHA384],
    },
    Signature {
        oid: OID_SIG_ECDSA_WITH_SHA512,
        hash: Hash::Sha512,
        schemes: &[SignatureScheme::ECDSA_NISTP521_SHA512],
    },
    Signature { oid: ECDSA_WITH_SHA1, hash: Hash::Sha1, schemes: &[SignatureScheme::ECDSA_SHA1_Legacy] },
    Signature { oid: OID_SIG_ED25519, hash: Hash::Sha512, schemes: &[SignatureScheme::ED25519] },
    Signature { oid: OID_ML_DSA_44, hash: Hash::Sha512, schemes: &[SignatureScheme::ML_DSA_44] },
    Signature { oid: OID_ML_DSA_65, hash: Hash::Sha512, schemes: &[SignatureScheme::ML_DSA_65] },
    Signature { oid: OID_ML_DSA_87, hash: Hash::Sha512, schemes: &[SignatureScheme::ML_DSA_87] },
];

/// id-ml-dsa-44, -65 and -87 (RFC 9881 section 2), which the registry crate lacks too.
const OID_ML_DSA_44: Oid<'static> = x509_parser::der_parser::oid!(2.16.840.1.101.3.4.3.17);
const OID_ML_DSA_65: Oid<'static> = x509_parser::der_parser::oid!(2.16.840.1.101.3.4.3.18);
const OID_ML_DSA_87: Oid<'static> = x509_parser::der_parser::oid!(2.16.840.1.101.3.4.3.19);

/// ecdsa-with-SHA1, 1.2.840.10045.4.1 (RFC 3279 section 2.2.3), which the registry crate lacks.
const ECDSA_WITH_SHA1: Oid<'static> = x509_parser::der_parser::oid!(1.2.840.10045.4.1);

/// A PSS signature may be made with an rsaEncryption key (`rsae`) or an RSASSA-PSS key (`pss`, 0x0809 to 0x080b).
const PSS_SHA256: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::Unknown(0x0809)];
const PSS_SHA384: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA384, SignatureScheme::Unknown(0x080a)];
const PSS_SHA512: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA512, SignatureScheme::Unknown(0x080b)];
