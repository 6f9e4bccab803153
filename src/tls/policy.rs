//! What a listener lets its clients agree on.
//!
//! The built-in policies have names with a date, and the meaning of such a name never changes; each is pinned by a text
//! snapshot in the tests. Must not know: certificates by name, listeners, connections.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use rustls::{
    CipherSuite, ClientConfig, ConfigBuilder, NamedGroup, ProtocolVersion, SignatureScheme, SupportedCipherSuite,
    WantsVerifier,
};
use thiserror::Error;

use crate::tls::crypto;
use crate::words::words;

pub mod aws;
pub mod elb;
mod names;
pub mod own;

pub use crate::tls::wire::codes::{group_name, scheme_name, suite_name, version_name};
pub use names::{parse_group, parse_suite, parse_version};

/// What a listener lets its clients agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name in the configuration, or AWS's without the `ELBSecurityPolicy-` prefix.
    pub name: Box<str>,
    /// TLS versions, best first.
    pub versions: Vec<ProtocolVersion>,
    /// Cipher suites of all versions, best first.
    pub suites: Vec<CipherSuite>,
    /// Key exchange groups. A client that can do a post-quantum exchange is asked for it; among the others its own order
    /// counts, since it has prepared for the first of them already.
    pub groups: Vec<NamedGroup>,
    pub cipher_order: CipherOrder,
}

/// Whose order of preference counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherOrder {
    Server,
    Client,
}

words! { CipherOrder { Server => "server", Client => "client" } }

/// What is wrong with a policy of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    #[error("unknown TLS version {0:?} (expected \"TLSv1.2\" or \"TLSv1.3\")")]
    UnknownVersion(String),
    #[error("{0} is refused: deprecated by RFC 8996 (expected \"TLSv1.2\" or \"TLSv1.3\")")]
    RefusedVersion(String),
    #[error("unknown cipher suite {0:?} (expected one of {every})", every = names::every_suite())]
    UnknownSuite(String),
    #[error("{0} is refused: {1} (expected one of {every})", every = names::every_suite())]
    RefusedSuite(String, String),
    #[error("unknown group {0:?} (expected one of {every})", every = names::every_group())]
    UnknownGroup(String),
    #[error("{0} is refused: rustls does not have it (expected one of {every})", every = names::every_group())]
    RefusedGroup(String),
    #[error("{0} is listed twice")]
    Twice(String),
    #[error("{version} has no cipher suite (expected at least one of its own)", version = version_name(*.0))]
    VersionWithoutSuite(ProtocolVersion),
    #[error("{suite} is a suite of {version}, which is not among the versions", suite = suite_name(*.0), version = version_name(*.1))]
    SuiteWithoutVersion(CipherSuite, ProtocolVersion),
    #[error("{version} has no group to exchange keys with (expected at least one of x25519, secp256r1, secp384r1)", version = version_name(*.0))]
    VersionWithoutGroup(ProtocolVersion),
    #[error("{group} is a group of TLSv1.3, which is not among the versions", group = group_name(*.0))]
    GroupWithoutVersion(NamedGroup),
    #[error("an entry is empty")]
    EmptyEntry,
    #[error("no protocol (expected Protocol-TLSv1.2, Protocol-TLSv1.3 or both)")]
    NoProtocol,
}

/// The AWS console's default for new TLS listeners since 2025.
pub const DEFAULT: &str = "TLS13-1-2-Res-PQ-2025-09";

/// The policies that are always there.
pub fn built_in() -> &'static [Arc<Policy>] {
    aws::policies()
}

/// The built-in policy of that name, with or without the `ELBSecurityPolicy-` prefix.
pub fn named(name: &str) -> Option<Arc<Policy>> {
    let bare = name.strip_prefix(aws::PREFIX).unwrap_or(name);
    built_in().iter().find(|policy| &*policy.name == bare).map(Arc::clone)
}

impl Policy {
    /// A rustls configuration that holds to this policy and asks `resolver` for the certificate, and `clients` whether theirs are good.
    ///
    /// Resumption is off: who wants it gives the configuration a ticketer. Sessions are never stored here.
    pub fn server_config(
        &self,
        resolver: Arc<dyn ResolvesServerCert>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&self.supported_versions())?
            .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
            .with_cert_resolver(resolver);
        config.ignore_client_order = self.cipher_order == CipherOrder::Server;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The beginning of a client's configuration that holds to this policy.
    pub fn client_builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
        ClientConfig::builder_with_provider(self.provider()).with_protocol_versions(&self.supported_versions())
    }

    fn provider(&self) -> Arc<CryptoProvider> {
        Arc::new(CryptoProvider {
            cipher_suites: self.suites.iter().filter_map(|suite| crypto::suite(*suite)).collect(),
            kx_groups: self.groups.iter().filter_map(|group| crypto::group(*group)).collect(),
            ..crypto::provider()
        })
    }

    fn supported_versions(&self) -> Vec<&'static rustls::SupportedProtocolVersion> {
        rustls::ALL_VERSIONS.iter().copied().filter(|version| self.versions.contains(&version.version)).collect()
    }

    /// What is left of it for a client that can do a post-quantum key exchange, where the server's preference counts:
    /// rustls itself goes by the client's order of groups.
    pub fn post_quantum(&self) -> Option<Self> {
        let mut narrowed = self.clone();
        narrowed.versions.retain(|version| *version == ProtocolVersion::TLSv1_3);
        narrowed.suites.retain(|suite| is_tls13(*suite));
        narrowed.groups.retain(|group| is_post_quantum(*group));
        let usable = !narrowed.versions.is_empty() && !narrowed.groups.is_empty();
        (usable && self.cipher_order == CipherOrder::Server).then_some(narrowed)
    }

    /// The schemes in which a server can sign under one of its versions.
    pub fn signature_schemes(&self, version: ProtocolVersion) -> Vec<SignatureScheme> {
        let signs = |scheme: &SignatureScheme| match version {
            // RFC 8446 section 4.2.3: PKCS#1 signatures stand in certificates only.
            ProtocolVersion::TLSv1_3 => !is_pkcs1(*scheme),
            _ => self.suites.iter().any(|suite| !is_tls13(*suite) && authenticates(*suite, *scheme)),
        };
        SCHEMES.iter().copied().filter(|scheme| self.versions.contains(&version) && signs(scheme)).collect()
    }

    /// Whether a key that signs in these schemes can serve any client under this policy.
    pub fn admits(&self, schemes: &[SignatureScheme]) -> bool {
        let admitted = |version| self.signature_schemes(version).iter().any(|scheme| schemes.contains(scheme));
        self.versions.iter().any(|version| admitted(*version))
    }
}

/// Whether the suite is one of TLS 1.3.
pub fn is_tls13(suite: CipherSuite) -> bool {
    version_of(suite) == Some(ProtocolVersion::TLSv1_3)
}

/// The version that a suite belongs to.
pub fn version_of(suite: CipherSuite) -> Option<ProtocolVersion> {
    crypto::suite(suite).map(|known| known.version().version)
}

/// Whether the group can be used for key exchange under this version: the post-quantum ones are of TLS 1.3.
pub fn exchanges(group: NamedGroup, version: ProtocolVersion) -> bool {
    crypto::group(group).is_some_and(|known| known.usable_for_version(version))
}

/// Whether a key exchange in this group withstands a quantum computer.
pub fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(group, NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768)
}

/// Whether a signature of this scheme can authenticate the server under this suite.
pub fn authenticates(suite: CipherSuite, scheme: SignatureScheme) -> bool {
    match crypto::suite(suite) {
        Some(SupportedCipherSuite::Tls12(known)) => known.sign.contains(&scheme),
        Some(SupportedCipherSuite::Tls13(_)) => true,
        None => false,
    }
}

/// Whether the scheme is RSASSA-PKCS1-v1_5, which signs no TLS 1.3 handshake.
pub fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

/// Everything that a key of some kind signs in.
pub const SCHEMES: &[SignatureScheme] = &[
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
];

#[cfg(test)]
mod tests;
