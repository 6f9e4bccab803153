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

use crate::tls::crypto;
use crate::words::words;

pub mod aws;
pub mod elb;
pub mod names;
pub mod own;

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
