//! A hello and a policy → version, suites, group and schemes that both can use; pure.
//! Must not know: certificates, rustls's connection.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::refusal::Refusal;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::policy::{self, CipherOrder, Policy};
use crate::tls::wire::codes::suites::FALLBACK_SCSV;
use crate::tls::wire::codes::versions::TLS13;
use crate::tls::wire::hello::Hello;

/// What a hello and a policy agree on, before any key is looked at. rustls comes to the same by itself (tests see to
/// that); it is worked out here because the certificate is chosen first, and rustls's own cut of the schemes keeps
/// those of the other version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub version: ProtocolVersion,
    /// The suites in common, the one to be preferred first.
    pub(super) suites: Vec<CipherSuite>,
    /// The first of the client's that the policy has, after any post-quantum one.
    pub group: NamedGroup,
    /// What the client offers and this version and these suites can use, in the client's order.
    pub schemes: Vec<SignatureScheme>,
    /// See [`Offer::curves`](crate::tls::certificate::select::Offer::curves).
    pub curves: Option<Vec<KeyType>>,
}

impl Terms {
    pub(super) fn agree(hello: &Hello, policy: &Policy) -> Result<Self, Refusal> {
        // Greased versions (RFC 8701) are larger than any real one and are no offer.
        let highest =
            hello.versions.iter().map(|version| u16::from(*version)).filter(|version| *version <= TLS13).max();
        let best = policy.versions.iter().map(|version| u16::from(*version)).max();
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
            // RFC 8446 section 4.2.3: PKCS#1 signatures stand in certificates only.
            true => !policy::is_pkcs1(*scheme),
            false => suites.iter().any(|suite| policy::authenticates(*suite, *scheme)),
        };
        let schemes = hello.signature_schemes.iter().copied().filter(signs).collect();
        let curves = (!tls13).then(|| hello.groups.iter().copied().filter_map(curve).collect());
        Ok(Self { version, suites, group, schemes, curves })
    }

    /// The suite, once it is known with which scheme the chosen key signs.
    pub fn suite(&self, scheme: SignatureScheme) -> Option<CipherSuite> {
        self.suites.iter().copied().find(|suite| policy::authenticates(*suite, scheme))
    }
}

/// The post-quantum group that this client is asked for, were it at the price of another round trip. rustls by itself goes
/// by the client's order of groups, and so it is shown no other ones.
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
