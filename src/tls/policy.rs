//! Policies: the TLS versions, cipher suites and groups that a listener allows.
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

use crate::tls::crypto;
use crate::words::words;

pub mod aws;
pub mod elb;
pub mod names;
pub mod own;

/// The TLS versions, cipher suites and groups that a listener allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name in the configuration, or AWS's without the `ELBSecurityPolicy-` prefix.
    pub name: Box<str>,
    /// TLS versions, best first.
    pub versions: Vec<ProtocolVersion>,
    /// Cipher suites of all versions, best first.
    pub suites: Vec<CipherSuite>,
    /// Key exchange groups. A client that supports a post-quantum group is asked for it. Among the other groups the
    /// client's order decides, since the client has already sent a key share for its first one.
    pub groups: Vec<NamedGroup>,
    /// Whose order of cipher suites decides.
    pub cipher_order: CipherOrder,
}

/// Whose order of preference decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherOrder {
    Server,
    Client,
}

words! { CipherOrder { Server => "server", Client => "client" } }

impl Policy {
    /// A server's rustls configuration under this policy. `resolver` chooses the certificate; `clients` verifies client
    /// certificates, and without it none is requested.
    ///
    /// Resumption is off until the caller adds a ticketer. Sessions are not stored, unless the caller changes that too. Fails
    /// if the policy allows nothing that rustls supports.
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
        // rustls would keep 256 sessions, of clients that have tickets too.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The start of a client's rustls configuration under this policy. Fails if the policy allows nothing that rustls
    /// supports.
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

    /// The policy reduced to TLS 1.3 and post-quantum groups, for a client that supports one of them. `None` if the policy
    /// has none, or the client's order decides. It is needed because rustls follows the client's order of groups.
    pub fn post_quantum(&self) -> Option<Self> {
        let mut narrowed = self.clone();
        narrowed.versions.retain(|version| *version == ProtocolVersion::TLSv1_3);
        narrowed.suites.retain(|suite| is_tls13(*suite));
        narrowed.groups.retain(|group| is_post_quantum(*group));
        let usable = !narrowed.versions.is_empty() && !narrowed.groups.is_empty();
        (usable && self.cipher_order == CipherOrder::Server).then_some(narrowed)
    }

    /// The signature schemes that a server can use under one of the policy's versions; empty for other versions.
    pub fn signature_schemes(&self, version: ProtocolVersion) -> Vec<SignatureScheme> {
        let signs = |scheme: &SignatureScheme| match version {
            // RFC 8446 section 4.2.3: PKCS#1 signatures are allowed only in certificates.
            ProtocolVersion::TLSv1_3 => !is_pkcs1(*scheme),
            // In TLS 1.2 the suite names the type of key.
            _ => self.suites.iter().any(|suite| !is_tls13(*suite) && authenticates(*suite, *scheme)),
        };
        SCHEMES.iter().copied().filter(|scheme| self.versions.contains(&version) && signs(scheme)).collect()
    }

    /// Whether a key with these signature schemes can serve at least one client under this policy.
    pub fn admits(&self, schemes: &[SignatureScheme]) -> bool {
        let admitted = |version| self.signature_schemes(version).iter().any(|scheme| schemes.contains(scheme));
        self.versions.iter().any(|version| admitted(*version))
    }
}

/// Whether the suite belongs to TLS 1.3.
pub fn is_tls13(suite: CipherSuite) -> bool {
    version_of(suite) == Some(ProtocolVersion::TLSv1_3)
}

/// The version that a suite belongs to; `None` if rustls does not have the suite.
pub fn version_of(suite: CipherSuite) -> Option<ProtocolVersion> {
    crypto::suite(suite).map(|known| known.version().version)
}

/// Whether the group can be used for key exchange under this version. Post-quantum groups need TLS 1.3.
pub fn exchanges(group: NamedGroup, version: ProtocolVersion) -> bool {
    crypto::group(group).is_some_and(|known| known.usable_for_version(version))
}

/// Whether a key exchange in this group withstands a quantum computer.
pub fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(group, NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768)
}

/// Whether a signature with this scheme can authenticate the server under this suite.
pub fn authenticates(suite: CipherSuite, scheme: SignatureScheme) -> bool {
    match crypto::suite(suite) {
        Some(SupportedCipherSuite::Tls12(known)) => known.sign.contains(&scheme),
        Some(SupportedCipherSuite::Tls13(_)) => true,
        None => false,
    }
}

/// Whether the scheme is RSASSA-PKCS1-v1_5, which TLS 1.3 does not allow in handshakes.
pub fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

/// Every signature scheme that a supported key can use.
pub const SCHEMES: &[SignatureScheme] = &[
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
];

#[cfg(test)]
mod tests;
