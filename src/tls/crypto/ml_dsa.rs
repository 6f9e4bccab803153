//! PKCS#8 → the seed, the expanded key, or both, of an ML-DSA private key (RFC 9881 section 6).
//! Must not know: the crypto provider, whether a key is consistent.

use thiserror::Error;
use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};

/// The parameter sets (FIPS 204 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// A private key as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Private<'a> {
    /// Everything else follows from it.
    Seed(&'a [u8]),
    Expanded(&'a [u8]),
    Both {
        seed: &'a [u8],
        expanded: &'a [u8],
    },
}

/// The structure is not the one that RFC 9881 section 6 defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {0} key is malformed (expected a seed of {SEED} bytes, an expanded key of {size} bytes, or both)", size = .0.expanded())]
pub(super) struct Malformed(pub(super) Set);

/// Reads a private key. `None` where its algorithm is not ML-DSA.
pub(super) fn parse(pkcs8: &[u8]) -> Option<(Set, Result<Private<'_>, Malformed>)> {
    // Version, AlgorithmIdentifier, the key, attributes, the public key (RFC 5958 section 2). The last two do not matter here.
    let (_, info) = Any::from_der(pkcs8).ok().filter(|(_, info)| info.tag() == Tag::Sequence)?;
    let (rest, _) = Any::from_der(info.data).ok().filter(|(_, version)| version.tag() == Tag::Integer)?;
    let (rest, algorithm) = Any::from_der(rest).ok().filter(|(_, one)| one.tag() == Tag::Sequence)?;
    let set = Set::of(algorithm.data)?;
    Some((set, private(set, rest).ok_or(Malformed(set))))
}

impl Set {
    /// The set of an AlgorithmIdentifier, by its object identifier alone.
    fn of(algorithm: &[u8]) -> Option<Self> {
        let number = algorithm.strip_prefix(ML_DSA)?.first()?;
        [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87].into_iter().find(|set| set.number() == *number)
    }

    /// The last number of the object identifier (RFC 9881 section 2).
    fn number(self) -> u8 {
        match self {
            Self::MlDsa44 => 17,
            Self::MlDsa65 => 18,
            Self::MlDsa87 => 19,
        }
    }

    /// The length of an expanded key in bytes (FIPS 204 table 2).
    fn expanded(self) -> usize {
        match self {
            Self::MlDsa44 => 2560,
            Self::MlDsa65 => 4032,
            Self::MlDsa87 => 4896,
        }
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        })
    }
}

/// The key in what follows the algorithm. The tag decides which form it has, never the length.
fn private(set: Set, rest: &[u8]) -> Option<Private<'_>> {
    let octets = |bytes| Any::from_der(bytes).ok().filter(|(_, one)| one.tag() == Tag::OctetString);
    let (_, key) = octets(rest)?;
    let (after, choice) = Any::from_der(key.data).ok()?;
    let private = match (choice.class(), choice.tag()) {
        (Class::ContextSpecific, Tag(0)) => Private::Seed(choice.data),
        (Class::Universal, Tag::OctetString) => Private::Expanded(choice.data),
        (Class::Universal, Tag::Sequence) => {
            let (rest, seed) = octets(choice.data)?;
            let (rest, expanded) = octets(rest)?;
            rest.is_empty().then_some(Private::Both { seed: seed.data, expanded: expanded.data })?
        }
        _ => return None,
    };
    let is_whole = match private {
        Private::Seed(seed) => seed.len() == SEED,
        Private::Expanded(expanded) => expanded.len() == set.expanded(),
        Private::Both { seed, expanded } => seed.len() == SEED && expanded.len() == set.expanded(),
    };
    (after.is_empty() && is_whole).then_some(private)
}

/// The object identifiers of ML-DSA but for their last number, in DER: 2.16.840.1.101.3.4.3.
const ML_DSA: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];

/// The length of a seed in bytes (FIPS 204 algorithm 1).
const SEED: usize = 32;

#[cfg(test)]
mod tests;
