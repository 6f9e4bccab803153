//! Policy tables.
//!
//! A policy's name carries a date and its meaning never changes; each is pinned by a text snapshot in the tests.
//! Must not know: certificates by name, listeners, connections.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::{
    CipherSuite, ClientConfig, ConfigBuilder, NamedGroup, ProtocolVersion, SignatureScheme, SupportedCipherSuite,
    WantsVerifier,
};

use crate::tls::crypto;

/// What a listener lets its clients agree on. Lists are in the server's order of preference, which is the one that
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The name without the `ELBSecurityPolicy-` prefix.
    pub name: &'static str,
    /// TLS versions, best first.
    pub versions: &'static [ProtocolVersion],
    /// Cipher suites of all versions, best first.
    pub suites: &'static [CipherSuite],
    /// Key exchange groups, best first.
    pub groups: &'static [NamedGroup],
}

/// The AWS console's default for new TLS listeners since 2025.
pub const DEFAULT: &str = "TLS13-1-2-Res-PQ-2025-09";

/// The prefix that AWS writes before a policy's name; both spellings are understood.
const ELB_PREFIX: &str = "ELBSecurityPolicy-";

/// The policy of that name, with or without the `ELBSecurityPolicy-` prefix.
pub fn named(name: &str) -> Option<&'static Policy> {
    let bare = name.strip_prefix(ELB_PREFIX).unwrap_or(name);
    ALL.iter().find(|policy| policy.name == bare)
}

impl Policy {
    /// A rustls configuration that holds to this policy and asks `resolver` for the certificate.
    ///
    /// Resumption is off: who wants it gives the configuration a ticketer. Sessions are never stored here.
    pub fn server_config(&self, resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&self.supported_versions())?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ignore_client_order = true;
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
}

/// Whether the suite is one of TLS 1.3.
pub fn is_tls13(suite: CipherSuite) -> bool {
    crypto::suite(suite).is_some_and(|known| known.tls13().is_some())
}

/// Whether the group can be used for key exchange under this version: the post-quantum ones are of TLS 1.3.
pub fn exchanges(group: NamedGroup, version: ProtocolVersion) -> bool {
    crypto::group(group).is_some_and(|known| known.usable_for_version(version))
}

/// Whether a signature of this scheme can authenticate the server under this suite.
pub fn authenticates(suite: CipherSuite, scheme: SignatureScheme) -> bool {
    match crypto::suite(suite) {
        Some(SupportedCipherSuite::Tls12(known)) => known.sign.contains(&scheme),
        Some(SupportedCipherSuite::Tls13(_)) => true,
        None => false,
    }
}

/// The IANA name of a cipher suite: rustls writes `TLS13_` where the registry has `TLS_`.
pub fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04x}", u16::from(suite)),
    }
}

/// The IANA name of a key exchange group.
pub fn group_name(group: NamedGroup) -> String {
    match group {
        NamedGroup::X25519 => "x25519".into(),
        NamedGroup::X448 => "x448".into(),
        NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768".into(),
        other => other.as_str().map_or_else(|| format!("0x{:04x}", u16::from(other)), str::to_owned),
    }
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

/// The policies whose definition tlsgate meets exactly. Lists: AWS, "Security policies for your Application Load
/// Balancer"; the post-quantum ones lack SecP384r1MLKEM1024, which rustls does not have.
pub const ALL: &[Policy] = &[
    Policy { name: "TLS13-1-3-2021-06", versions: ONLY_13, suites: T13, groups: CLASSIC },
    Policy { name: "TLS13-1-3-PQ-2025-09", versions: ONLY_13, suites: T13, groups: PQ },
    Policy { name: "TLS13-1-2-Res-2021-06", versions: FROM_12, suites: T13_RES, groups: CLASSIC },
    Policy { name: DEFAULT, versions: FROM_12, suites: T13_RES, groups: PQ },
    Policy { name: "FS-1-2-Res-2020-10", versions: ONLY_12, suites: RES, groups: CLASSIC },
];

const ONLY_13: &[ProtocolVersion] = &[ProtocolVersion::TLSv1_3];
const ONLY_12: &[ProtocolVersion] = &[ProtocolVersion::TLSv1_2];
const FROM_12: &[ProtocolVersion] = &[ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];

const T13: &[CipherSuite] = &[
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
];
const RES: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];
const T13_RES: &[CipherSuite] = &[T13[0], T13[1], T13[2], RES[0], RES[1], RES[2], RES[3]];

const CLASSIC: &[NamedGroup] = &[NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
const PQ: &[NamedGroup] =
    &[NamedGroup::X25519MLKEM768, NamedGroup::secp256r1MLKEM768, CLASSIC[0], CLASSIC[1], CLASSIC[2]];

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that pins every policy: a change here is a change of what a dated name means, and is not allowed.
    fn described() -> String {
        let mut text = String::new();
        for policy in ALL {
            text += &format!("{}\n", policy.name);
            for version in policy.versions {
                text += &format!("  version {}\n", version_name(*version));
            }
            for suite in policy.suites {
                text += &format!("  suite {}\n", suite_name(*suite));
            }
            for group in policy.groups {
                text += &format!("  group {}\n", group_name(*group));
            }
        }
        text
    }

    #[test]
    fn policies_are_what_their_snapshot_says() {
        let pinned = include_str!("policies.snapshot.txt");
        assert_eq!(described(), pinned);
    }

    #[test]
    fn every_entry_of_every_policy_is_one_the_provider_has() {
        assert!(!ALL.is_empty());
        for policy in ALL {
            assert!(policy.suites.iter().all(|suite| crypto::suite(*suite).is_some()), "{}", policy.name);
            assert!(policy.groups.iter().all(|group| crypto::group(*group).is_some()), "{}", policy.name);
        }
    }

    #[test]
    fn the_elb_prefix_is_optional_and_nothing_else_is() {
        assert_eq!(named("ELBSecurityPolicy-TLS13-1-3-2021-06"), named("TLS13-1-3-2021-06"));
        assert!(named(DEFAULT).is_some());
        assert!(named("tls13-1-3-2021-06").is_none());
        assert!(named("").is_none());
    }
}
