//! Names of versions, cipher suites, groups and signature schemes, and why tlsgate has no use for some of them.
//! Must not know: which policy has what.

use std::sync::LazyLock;

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::PolicyError;
use crate::tls::crypto;

/// A cipher suite's two names.
struct Suite {
    suite: CipherSuite,
    openssl: &'static str,
    iana: &'static str,
}

/// The IANA name of a cipher suite: rustls writes `TLS13_` where the registry has `TLS_`.
pub fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04x}", u16::from(suite)),
    }
}

/// OpenSSL's name of a cipher suite, where it has one.
pub fn openssl_suite_name(suite: CipherSuite) -> Option<&'static str> {
    SUITES.iter().find(|known| known.suite == suite).map(|known| known.openssl)
}

/// The cipher suite of that name, OpenSSL's or IANA's, if a policy can have it.
pub fn parse_suite(text: &str) -> Result<CipherSuite, PolicyError> {
    match any_suite(text) {
        Some(suite) if crypto::suite(suite).is_some() => Ok(suite),
        Some(suite) => Err(PolicyError::RefusedSuite(text.to_owned(), why_no_suite(suite))),
        None => Err(PolicyError::UnknownSuite(text.to_owned())),
    }
}

/// The cipher suite of that name, whatever comes of it.
pub(super) fn any_suite(text: &str) -> Option<CipherSuite> {
    let known = SUITES.iter().find(|known| known.openssl == text || known.iana == text).map(|known| known.suite);
    // Only a fault comes this far.
    known.or_else(|| (0..=u16::MAX).map(CipherSuite::from).find(|suite| suite_name(*suite) == text))
}

/// Why tlsgate does not have a suite.
pub(super) fn why_no_suite(suite: CipherSuite) -> String {
    let name = suite_name(suite);
    let reasons: Vec<&str> =
        SUITE_REASONS.iter().filter(|(mark, _)| name.contains(mark)).map(|(_, why)| *why).collect();
    if reasons.is_empty() { "rustls does not have it".to_owned() } else { reasons.join(", ") }
}

/// The IANA name of a key exchange group.
pub fn group_name(group: NamedGroup) -> String {
    match GROUPS.iter().find(|(known, _)| *known == group) {
        Some((_, [name, ..])) => (*name).to_owned(),
        _ => other_group_name(group),
    }
}

fn other_group_name(group: NamedGroup) -> String {
    match group {
        NamedGroup::X448 => "x448".into(),
        other => other.as_str().map_or_else(|| format!("0x{:04x}", u16::from(other)), str::to_owned),
    }
}

/// The group of that name, IANA's or one of OpenSSL's, in any case of letters.
pub fn parse_group(text: &str) -> Result<NamedGroup, PolicyError> {
    let is_it = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if let Some((group, _)) = GROUPS.iter().find(|(_, names)| is_it(names)) {
        return Ok(*group);
    }
    let known = is_it(REFUSED_GROUPS) || text.to_ascii_lowercase().starts_with("ffdhe");
    Err(if known { PolicyError::RefusedGroup(text.to_owned()) } else { PolicyError::UnknownGroup(text.to_owned()) })
}

/// The IANA name of a signature scheme.
pub fn scheme_name(scheme: SignatureScheme) -> String {
    let name = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => "rsa_pkcs1_sha256",
        SignatureScheme::RSA_PKCS1_SHA384 => "rsa_pkcs1_sha384",
        SignatureScheme::RSA_PKCS1_SHA512 => "rsa_pkcs1_sha512",
        SignatureScheme::RSA_PSS_SHA256 => "rsa_pss_rsae_sha256",
        SignatureScheme::RSA_PSS_SHA384 => "rsa_pss_rsae_sha384",
        SignatureScheme::RSA_PSS_SHA512 => "rsa_pss_rsae_sha512",
        SignatureScheme::ECDSA_NISTP256_SHA256 => "ecdsa_secp256r1_sha256",
        SignatureScheme::ECDSA_NISTP384_SHA384 => "ecdsa_secp384r1_sha384",
        SignatureScheme::ECDSA_NISTP521_SHA512 => "ecdsa_secp521r1_sha512",
        SignatureScheme::ED25519 => "ed25519",
        other => return format!("0x{:04x}", u16::from(other)),
    };
    name.to_owned()
}

/// A TLS version as OpenSSL and the AWS logs write it: `TLSv1.3`.
pub fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3".into(),
        ProtocolVersion::TLSv1_2 => "TLSv1.2".into(),
        other => format!("0x{:04x}", u16::from(other)),
    }
}

/// The version of that name, if a policy can have it.
pub fn parse_version(text: &str) -> Result<ProtocolVersion, PolicyError> {
    match text {
        "TLSv1.3" => Ok(ProtocolVersion::TLSv1_3),
        "TLSv1.2" => Ok(ProtocolVersion::TLSv1_2),
        "TLSv1.1" | "TLSv1" | "TLSv1.0" | "SSLv3" | "SSLv2" => Err(PolicyError::RefusedVersion(text.to_owned())),
        _ => Err(PolicyError::UnknownVersion(text.to_owned())),
    }
}

/// Every cipher suite that a policy can have, in the order of the AWS policies, ChaCha20 under TLS 1.2 last.
pub(super) fn every_suite() -> String {
    let available = SUITES.iter().filter(|known| crypto::suite(known.suite).is_some());
    let mut names: Vec<&str> = available.map(|known| known.openssl).collect();
    names.sort_by_key(|name| (!name.starts_with("TLS_"), name.contains("CHACHA20")));
    names.join(", ")
}

/// Every group that a policy can have.
pub(super) fn every_group() -> String {
    GROUPS.iter().filter_map(|(_, names)| names.first().copied()).collect::<Vec<_>>().join(", ")
}

/// Those that a policy can have, and their names: IANA's first.
const GROUPS: &[(NamedGroup, &[&str])] = &[
    (NamedGroup::X25519MLKEM768, &["X25519MLKEM768"]),
    (NamedGroup::secp256r1MLKEM768, &["SecP256r1MLKEM768"]),
    (NamedGroup::X25519, &["x25519"]),
    (NamedGroup::secp256r1, &["secp256r1", "P-256", "prime256v1"]),
    (NamedGroup::secp384r1, &["secp384r1", "P-384"]),
];

/// Groups that people may ask for, and get told that rustls does not have them.
const REFUSED_GROUPS: &[&str] = &["SecP384r1MLKEM1024", "secp521r1", "P-521", "x448"];

/// What in a suite's IANA name tells why it is not to be had.
const SUITE_REASONS: &[(&str, &str)] = &[
    ("_SCSV", "a signal, not a suite"),
    ("_anon_", "no authentication"),
    ("_NULL_", "no encryption"),
    ("_EXPORT_", "export-grade keys"),
    ("TLS_RSA_", "static RSA key exchange without forward secrecy"),
    ("TLS_DH_RSA_", "static Diffie-Hellman without forward secrecy"),
    ("TLS_DH_DSS_", "static Diffie-Hellman without forward secrecy"),
    ("TLS_ECDH_RSA_", "static Diffie-Hellman without forward secrecy"),
    ("TLS_ECDH_ECDSA_", "static Diffie-Hellman without forward secrecy"),
    ("TLS_DHE_", "finite-field Diffie-Hellman"),
    ("_DSS_", "DSA"),
    ("_PSK_", "pre-shared keys"),
    ("_SRP_", "passwords"),
    ("_KRB5_", "Kerberos"),
    ("_RC4_", "RC4"),
    ("_DES_", "DES"),
    ("_DES40_", "DES"),
    ("_3DES_", "3DES"),
    ("_CBC_", "CBC mode"),
    ("_CCM", "CCM mode"),
    ("_CAMELLIA_", "Camellia"),
    ("_ARIA_", "ARIA"),
];

static SUITES: LazyLock<Vec<Suite>> = LazyLock::new(|| include_str!("suites.txt").lines().filter_map(row).collect());

fn row(line: &'static str) -> Option<Suite> {
    let mut cells = line.split(' ');
    let code = u16::from_str_radix(cells.next()?, 16).ok()?;
    Some(Suite { suite: CipherSuite::from(code), openssl: cells.next()?, iana: cells.next()? })
}
