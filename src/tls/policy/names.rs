//! Names → versions, suites and groups that a policy can have, or why it cannot have one. Must not know: the policies.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use thiserror::Error;

use crate::tls::crypto;
use crate::tls::wire::codes;

/// What is wrong with an own policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    #[error("unknown TLS version {0:?} (expected \"TLSv1.2\" or \"TLSv1.3\")")]
    UnknownVersion(String),
    #[error("{0} is refused: deprecated by RFC 8996 (expected \"TLSv1.2\" or \"TLSv1.3\")")]
    RefusedVersion(String),
    #[error("unknown cipher suite {0:?} (expected one of {every})", every = every_suite())]
    UnknownSuite(String),
    #[error("{0} is refused: {1} (expected one of {every})", every = every_suite())]
    RefusedSuite(String, String),
    #[error("unknown group {0:?} (expected one of {every})", every = every_group())]
    UnknownGroup(String),
    #[error("{0} is refused: rustls does not have it (expected one of {every})", every = every_group())]
    RefusedGroup(String),
    #[error("{0} is listed twice")]
    Twice(String),
    #[error("{version} has no cipher suite (expected at least one of its own)", version = codes::version_name(*.0))]
    VersionWithoutSuite(ProtocolVersion),
    #[error("{suite} is a suite of {version}, which is not among the versions", suite = codes::suite_name(*.0), version = codes::version_name(*.1))]
    SuiteWithoutVersion(CipherSuite, ProtocolVersion),
    #[error("{version} has no group to exchange keys with (expected at least one of x25519, secp256r1, secp384r1)", version = codes::version_name(*.0))]
    VersionWithoutGroup(ProtocolVersion),
    #[error("{group} is a group of TLSv1.3, which is not among the versions", group = codes::group_name(*.0))]
    GroupWithoutVersion(NamedGroup),
    #[error("an entry is empty")]
    EmptyEntry,
    #[error("no protocol (expected Protocol-TLSv1.2, Protocol-TLSv1.3 or both)")]
    NoProtocol,
}

/// The cipher suite of that name, OpenSSL's or IANA's. Fails if a policy cannot have it, or the name is unknown.
pub fn parse_suite(text: &str) -> Result<CipherSuite, PolicyError> {
    match any_suite(text) {
        Some(suite) if crypto::suite(suite).is_some() => Ok(suite),
        Some(suite) => Err(PolicyError::RefusedSuite(text.to_owned(), why_no_suite(suite))),
        None => Err(PolicyError::UnknownSuite(text.to_owned())),
    }
}

/// The cipher suite of that name, even if no policy can have it.
pub(super) fn any_suite(text: &str) -> Option<CipherSuite> {
    codes::suite(text).filter(|_| is_name(text))
}

/// Why tlsgate does not support a suite.
pub(super) fn why_no_suite(suite: CipherSuite) -> String {
    let name = codes::suite_name(suite);
    let reasons: Vec<&str> =
        SUITE_REASONS.iter().filter(|(mark, _)| name.contains(mark)).map(|(_, why)| *why).collect();
    if reasons.is_empty() { "rustls does not have it".to_owned() } else { reasons.join(", ") }
}

/// The group of that name. Fails if a policy cannot have it, or the name is unknown.
pub fn parse_group(text: &str) -> Result<NamedGroup, PolicyError> {
    match codes::group(text).filter(|_| is_name(text)) {
        Some(group) if crypto::group(group).is_some() => Ok(group),
        Some(_) => Err(PolicyError::RefusedGroup(text.to_owned())),
        None => Err(PolicyError::UnknownGroup(text.to_owned())),
    }
}

/// The version of that name. Fails if a policy cannot have it, or the name is unknown.
pub fn parse_version(text: &str) -> Result<ProtocolVersion, PolicyError> {
    match text {
        "TLSv1.3" => Ok(ProtocolVersion::TLSv1_3),
        "TLSv1.2" => Ok(ProtocolVersion::TLSv1_2),
        "TLSv1.1" | "TLSv1" | "TLSv1.0" | "SSLv3" | "SSLv2" => Err(PolicyError::RefusedVersion(text.to_owned())),
        _ => Err(PolicyError::UnknownVersion(text.to_owned())),
    }
}

/// Whether the text is a name. The tables of code points accept numbers too, but a configuration should be readable.
fn is_name(text: &str) -> bool {
    !text.contains("0x")
}

/// Every cipher suite that a policy can have: TLS 1.3's first, ChaCha20 under TLS 1.2 last.
pub(super) fn every_suite() -> String {
    let available = (0..=u16::MAX).map(CipherSuite::from).filter(|suite| crypto::suite(*suite).is_some());
    let mut names: Vec<String> = available.map(|suite| codes::openssl_suite_name(suite).into_owned()).collect();
    names.sort_by_key(|name| (!name.starts_with("TLS_"), name.contains("CHACHA20")));
    names.join(", ")
}

/// Every group that a policy can have.
pub(super) fn every_group() -> String {
    EVERY_GROUP.iter().map(|group| codes::group_name(*group)).collect::<Vec<_>>().join(", ")
}

/// Every group that a policy can have; a policy without a list of groups has them in this order.
pub(super) const EVERY_GROUP: &[NamedGroup] = &[
    NamedGroup::X25519MLKEM768,
    NamedGroup::secp256r1MLKEM768,
    NamedGroup::X25519,
    NamedGroup::secp256r1,
    NamedGroup::secp384r1,
];

/// Parts of a suite's IANA name, and why tlsgate does not support suites with that part in their names.
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
