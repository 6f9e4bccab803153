//! A hello and a policy → the version, suites, group and schemes that both can use; pure.
//! Must not know: certificates, rustls's connection.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::refusal::Refusal;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::policy::{self, CipherOrder, Policy};
use crate::tls::wire::codes::suites::FALLBACK_SCSV;
use crate::tls::wire::codes::versions::TLS13;
use crate::tls::wire::hello::Hello;

/// What a hello and a policy agree on, before a key is chosen. rustls gets the same result later (tests check that). It is
/// computed here because the certificate is chosen first, and rustls does not remove the schemes of the other version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The highest version in common.
    pub version: ProtocolVersion,
    /// The suites in common, the preferred one first.
    pub(super) suites: Vec<CipherSuite>,
    /// A post-quantum group in common if the server prefers one, otherwise the client's first that the policy has.
    pub group: NamedGroup,
    /// The schemes that the client offers and that this version and these suites can use, in the client's order.
    pub schemes: Vec<SignatureScheme>,
    /// See [`Offer::curves`](crate::tls::certificate::select::Offer::curves).
    pub curves: Option<Vec<KeyType>>,
}

impl Terms {
    pub(super) fn agree(hello: &Hello, policy: &Policy) -> Result<Self, Refusal> {
        // GREASE versions (RFC 8701) are larger than any real one, and are not offers.
        let highest =
            hello.versions.iter().map(|version| u16::from(*version)).filter(|version| *version <= TLS13).max();
        let best = policy.versions.iter().map(|version| u16::from(*version)).max();
        // RFC 7507 section 3. Checked first: a lower version than possible may be the work of an attacker.
        if hello.cipher_suites.contains(&CipherSuite::from(FALLBACK_SCSV)) && highest < best {
            return Err(Refusal::InappropriateFallback);
        }
        let mut versions = policy.versions.iter().copied();
        let version = versions.find(|version| hello.versions.contains(version)).ok_or(Refusal::NoCommonVersion)?;
        let tls13 = version == ProtocolVersion::TLSv1_3;
        let common = |suite: &&CipherSuite| policy::is_tls13(**suite) == tls13 && hello.cipher_suites.contains(suite);
        let mut suites: Vec<CipherSuite> = policy.suites.iter().filter(common).copied().collect();
        if policy.cipher_order == CipherOrder::Client {
            suites.sort_by_key(|suite| hello.cipher_suites.iter().position(|offered| offered == suite));
        }
        if suites.is_empty() {
            return Err(Refusal::NoCommonSuite);
        }
        let usable = |group: &NamedGroup| policy.groups.contains(group) && policy::exchanges(*group, version);
        let first = || hello.groups.iter().copied().find(usable);
        let group = post_quantum_group(hello, policy).or_else(first).ok_or(Refusal::NoCommonGroup)?;
        let signs = |scheme: &SignatureScheme| match tls13 {
            // RFC 8446 section 4.2.3: PKCS#1 signatures are allowed only in certificates.
            true => !policy::is_pkcs1(*scheme),
            false => suites.iter().any(|suite| policy::authenticates(*suite, *scheme)),
        };
        let schemes = hello.signature_schemes.iter().copied().filter(signs).collect();
        // In TLS 1.3 the scheme names the curve; in TLS 1.2 supported_groups does (RFC 8422 section 5.3).
        let curves = (!tls13).then(|| hello.groups.iter().copied().filter_map(curve).collect());
        Ok(Self { version, suites, group, schemes, curves })
    }

    /// The suite for a key that signs with this scheme. `None` if no suite in common allows the scheme.
    pub fn suite(&self, scheme: SignatureScheme) -> Option<CipherSuite> {
        self.suites.iter().copied().find(|suite| policy::authenticates(*suite, scheme))
    }
}

/// The post-quantum group that this client is asked for, even if that takes another round trip. rustls follows the client's
/// order of groups, so in this case it gets a configuration with no other groups.
pub(super) fn post_quantum_group(hello: &Hello, policy: &Policy) -> Option<NamedGroup> {
    let both = |version| policy.versions.contains(&version) && hello.versions.contains(&version);
    let wanted = policy.cipher_order == CipherOrder::Server && both(ProtocolVersion::TLSv1_3);
    let in_common = |group: &NamedGroup| policy::is_post_quantum(*group) && policy.groups.contains(group);
    hello.groups.iter().copied().find(in_common).filter(|_| wanted)
}

fn curve(group: NamedGroup) -> Option<KeyType> {
    match group {
        NamedGroup::secp256r1 => Some(KeyType::EcdsaP256),
        NamedGroup::secp384r1 => Some(KeyType::EcdsaP384),
        NamedGroup::secp521r1 => Some(KeyType::EcdsaP521),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
