//! Names, the client's signature schemes and the time → the certificate, and why. Pure.
//! Must not know: sockets, rustls's connection, configuration.
//!
//! The order of preference is that of the AWS Application Load Balancer ("SNI certificate selection"), with validity
//! and the chain's signatures before it, since either decides whether the handshake can succeed at all.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::SignatureScheme;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::{Family, Hash, KeyType};
use crate::tls::certificate::name::Name;
use crate::words::words;

mod pending;
mod reach;

use pending::Pending;

/// What one client offers for the choice.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The server name as it came, if any; compared without case and without one trailing dot.
    pub server_name: Option<&'a str>,
    /// The signature schemes that can be used in this handshake: the client's, limited to those of version and policy.
    pub schemes: &'a [SignatureScheme],
    /// What it accepts in certificates: its `signature_algorithms_cert`, or else its whole `signature_algorithms`
    /// (RFC 8446 section 4.2.3).
    pub certificate_schemes: &'a [SignatureScheme],
    /// Under TLS 1.2, the curves on which it can verify (RFC 8422 section 5.1.1); `None` under TLS 1.3, where a scheme
    /// includes its curve.
    pub curves: Option<&'a [KeyType]>,
    /// The address that it connected to, which counts where it sends no server name. May be left out where
    /// [`Certificates::knows_addresses`] is false.
    pub address: Option<IpAddr>,
}

/// What a listener does with a client that sends an unknown server name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownName {
    /// Serve a default certificate.
    Default,
    /// Answer `unrecognized_name`.
    Reject,
}

words! { UnknownName { Default => "default", Reject => "reject" } }

/// A certificate of a listener, and whether it is marked `default = true`.
#[derive(Debug, Clone)]
pub struct Entry {
    pub certificate: Arc<Certificate>,
    pub default: bool,
}

/// Why a certificate is a candidate. Ordered: an earlier tier is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// It has the very name.
    Exact,
    /// It has a wildcard for the name's parent.
    Wildcard,
    /// The client sent no name, and it has the address that the client connected to.
    Address,
    /// No certificate has the name, or the client sent none.
    Default,
}

/// The outcome of the choice.
#[derive(Debug, Clone)]
pub struct Choice {
    pub certificate: Arc<Certificate>,
    /// The scheme its key will sign with.
    pub scheme: SignatureScheme,
    pub tier: Tier,
    /// False where no valid certificate was left, so that an expired or not yet valid one is served.
    pub valid: bool,
}

/// Why there is no certificate for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoChoice {
    /// No certificate has the name, and unknown names are to be rejected.
    UnknownName,
    /// The certificate that has the name is ordered and not there yet.
    Pending,
    /// Certificates have the name, but none has a key that can sign with one of the client's schemes.
    NoCommonScheme,
}

/// The judgement of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its key cannot sign with any of the client's schemes.
    NoCommonScheme,
    /// Its key could, but its curve is not among the client's (TLS 1.2).
    CurveNotOffered,
    /// It can be served. The candidate with the least rank is chosen, and among equals the first.
    Usable(Rank),
}

/// The part of the preference that depends on client and time; compared field by field, smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub outside_validity: bool,
    pub tier: Tier,
    pub unverifiable_chain: bool,
}

/// The part of the preference that depends on the certificate alone: ML-DSA before ECDSA and Ed25519, these before RSA;
/// stronger hash, larger key, later expiry. Compared field by field, smaller is better; equals stay in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    family: Family,
    hash: Reverse<Hash>,
    key_bits: Reverse<u32>,
    not_after: Reverse<i64>,
}

/// The criterion that decided between two candidates that can both be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    Validity,
    Tier,
    Chain,
    KeyType,
    Hash,
    KeySize,
    Expiry,
    FileOrder,
}

/// Why `one` is preferred to `other`, where both can be served.
pub fn decided((one, of_one): (&Certificate, Rank), (other, of_other): (&Certificate, Rank)) -> Decided {
    let (own, others) = (static_rank(one), static_rank(other));
    let differing = [
        (of_one.outside_validity != of_other.outside_validity, Decided::Validity),
        (of_one.tier != of_other.tier, Decided::Tier),
        (of_one.unverifiable_chain != of_other.unverifiable_chain, Decided::Chain),
        (own.family != others.family, Decided::KeyType),
        (own.hash != others.hash, Decided::Hash),
        (own.key_bits != others.key_bits, Decided::KeySize),
        (own.not_after != others.not_after, Decided::Expiry),
    ];
    differing.into_iter().find(|(differs, _)| *differs).map_or(Decided::FileOrder, |(_, decided)| decided)
}

/// Gets each candidate with its verdict, in the order in which they are judged. `()` ignores them and costs nothing.
pub trait Witness {
    /// Called once for each candidate.
    fn saw(&mut self, candidate: &Arc<Certificate>, verdict: Verdict);
}

impl Witness for () {
    fn saw(&mut self, _: &Arc<Certificate>, _: Verdict) {}
}

impl Witness for Vec<(Arc<Certificate>, Verdict)> {
    fn saw(&mut self, candidate: &Arc<Certificate>, verdict: Verdict) {
        self.push((Arc::clone(candidate), verdict));
    }
}

/// A listener's certificates, indexed: a look-up is one or two hashes and a short sorted list, however many there are.
#[derive(Debug, Default)]
pub struct Certificates {
    exact: HashMap<Box<str>, Candidates>,
    /// By the parent: `*.example.com` is under `example.com`.
    wildcard: HashMap<Box<str>, Candidates>,
    address: HashMap<IpAddr, Candidates>,
    default: Candidates,
    all: Vec<Arc<Certificate>>,
    pending: Pending,
}

/// Best first, as far as that does not depend on client or time.
type Candidates = Vec<Arc<Certificate>>;

impl Certificates {
    /// Builds the index. The order of `entries` is the last criterion of the choice, and decides the default where none is
    /// marked: then the default is the first certificate that is not a CA's, with all others that have its first name.
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut index = Self::default();
        for entry in &entries {
            for name in &entry.certificate.names {
                let (map, key) = match name {
                    Name::Exact(name) => (&mut index.exact, name),
                    Name::Wildcard(parent) => (&mut index.wildcard, parent),
                };
                map.entry(key.clone()).or_default().push(Arc::clone(&entry.certificate));
            }
            // On a dual-stack socket, an IPv4 client connects to an IPv4-mapped address.
            let addresses: BTreeSet<IpAddr> = entry.certificate.addresses.iter().map(IpAddr::to_canonical).collect();
            for address in addresses {
                index.address.entry(address).or_default().push(Arc::clone(&entry.certificate));
            }
        }
        index.default = defaults(&entries);
        // The sort is stable, so that equals stay in file order.
        let lists = index.exact.values_mut().chain(index.wildcard.values_mut()).chain(index.address.values_mut());
        for list in lists.chain(std::iter::once(&mut index.default)) {
            list.sort_by_key(|certificate| static_rank(certificate));
            list.shrink_to_fit();
        }
        index.all = entries.into_iter().map(|entry| entry.certificate).collect();
        index
    }

    /// Adds certificates that are ordered and not there yet, each by its names: a client that asks for one of these gets no
    /// other certificate instead, unless that has the name too.
    #[must_use]
    pub fn awaiting<'n>(mut self, certificates: impl Iterator<Item = &'n [Name]>) -> Self {
        certificates.for_each(|names| self.pending.add(names));
        self
    }

    /// The names of certificates that are not there yet, as they are written, sorted.
    pub fn pending(&self) -> Vec<String> {
        self.pending.names()
    }

    /// Chooses for one client at `now` (seconds since 1970); `witness` gets every candidate.
    pub fn choose(
        &self,
        offer: &Offer<'_>,
        unknown: UnknownName,
        now: i64,
        witness: &mut impl Witness,
    ) -> Result<Choice, NoChoice> {
        let named = offer.server_name.map(lower_undotted);
        let (exact, wildcard) = named.as_deref().map_or((None, None), |name| self.bearing(name));
        let tiers: [(Tier, &[Arc<Certificate>]); 2] = match (exact, wildcard) {
            (None, None) if self.is_pending(named.as_deref()) => return Err(NoChoice::Pending),
            (None, None) if offer.server_name.is_some() && unknown == UnknownName::Reject => {
                return Err(NoChoice::UnknownName);
            }
            (None, None) => {
                let nameless = offer.address.filter(|_| offer.server_name.is_none());
                let bearing = nameless.and_then(|address| self.address.get(&address.to_canonical()));
                [(Tier::Address, bearing.map_or(&[], Vec::as_slice)), (Tier::Default, &self.default)]
            }
            (exact, wildcard) => {
                [(Tier::Exact, exact.map_or(&[], Vec::as_slice)), (Tier::Wildcard, wildcard.map_or(&[], Vec::as_slice))]
            }
        };
        // All tiers are judged together: a valid wildcard certificate is better than an expired one for the exact name.
        let mut best: Option<(Rank, SignatureScheme, &Arc<Certificate>)> = None;
        for (tier, list) in tiers {
            for certificate in list {
                let Some(scheme) = certificate.scheme_for(offer.schemes) else {
                    witness.saw(certificate, Verdict::NoCommonScheme);
                    continue;
                };
                if !offer.curve_is_offered(certificate.key_type) {
                    witness.saw(certificate, Verdict::CurveNotOffered);
                    continue;
                }
                let rank = Rank {
                    outside_validity: !certificate.is_valid_at(now),
                    tier,
                    unverifiable_chain: !certificate.is_verifiable_with(offer.certificate_schemes),
                };
                witness.saw(certificate, Verdict::Usable(rank));
                // Strictly less, so that among equals the first stays: the lists are in the order of preference.
                if best.is_none_or(|(least, ..)| rank < least) {
                    best = Some((rank, scheme, certificate));
                }
            }
        }
        let (rank, scheme, certificate) = best.ok_or(NoChoice::NoCommonScheme)?;
        Ok(Choice { certificate: Arc::clone(certificate), scheme, tier: rank.tier, valid: !rank.outside_validity })
    }

    /// Whether the address that a client connected to can matter to the choice.
    pub fn knows_addresses(&self) -> bool {
        !self.address.is_empty()
    }

    /// Whether both are of the very same certificates, in the same order and with the same default, and wait for the same
    /// names: all else follows from these.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |one: &[Arc<Certificate>], other: &[Arc<Certificate>]| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        same(&self.all, &other.all) && same(&self.default, &other.default) && self.pending == other.pending
    }

    /// Every certificate, in file order.
    pub fn all(&self) -> &[Arc<Certificate>] {
        &self.all
    }

    /// The names that several certificates of the same key type have. That is valid but rarely intended: one of them may
    /// never be served.
    pub fn overlaps(&self) -> Vec<String> {
        let exact = self.exact.iter().map(|(name, list)| (name.to_string(), list));
        let wildcard = self.wildcard.iter().map(|(parent, list)| (format!("*.{parent}"), list));
        let mut names: Vec<String> = exact
            .chain(wildcard)
            .filter(|(_, list)| {
                list.iter().enumerate().any(|(at, one)| list[..at].iter().any(|other| other.key_type == one.key_type))
            })
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names
    }

    /// Whether a client for which no certificate is there has to wait for one. While none at all is there, every client has.
    fn is_pending(&self, name: Option<&str>) -> bool {
        self.pending.any() && (self.all.is_empty() || name.is_some_and(|name| self.pending.has(name)))
    }

    fn bearing(&self, name: &str) -> (Option<&Candidates>, Option<&Candidates>) {
        let parent = name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
        (self.exact.get(name), parent.and_then(|parent| self.wildcard.get(parent)))
    }
}

impl Offer<'_> {
    /// ECDSA under TLS 1.2 needs the curve among the client's groups; Ed25519 is not a group (RFC 8422 section 5.1.1).
    fn curve_is_offered(&self, key_type: KeyType) -> bool {
        match (self.curves, key_type) {
            (Some(curves), KeyType::EcdsaP256 | KeyType::EcdsaP384 | KeyType::EcdsaP521) => curves.contains(&key_type),
            _ => true,
        }
    }
}

fn static_rank(certificate: &Certificate) -> Preference {
    Preference {
        family: certificate.key_type.family(),
        hash: Reverse(certificate.hash),
        key_bits: Reverse(certificate.key_bits),
        not_after: Reverse(certificate.not_after),
    }
}

fn defaults(entries: &[Entry]) -> Candidates {
    let marked: Candidates =
        entries.iter().filter(|entry| entry.default).map(|entry| Arc::clone(&entry.certificate)).collect();
    if !marked.is_empty() {
        return marked;
    }
    // A CA's own certificate is there by mistake, unless there is no other.
    let servers: Vec<&Arc<Certificate>> =
        entries.iter().map(|entry| &entry.certificate).filter(|certificate| !certificate.is_ca).collect();
    let all = || entries.iter().map(|entry| &entry.certificate).collect();
    let servers = if servers.is_empty() { all() } else { servers };
    let Some((first, others)) = servers.split_first() else {
        return Vec::new();
    };
    // Also those of its own key type: when it expires, a renewed copy must replace it.
    let namesakes = others.iter().filter(|other| first.names.first().is_some_and(|name| other.names.contains(name)));
    std::iter::once(first).chain(namesakes).map(|certificate| Arc::clone(certificate)).collect()
}

fn lower_undotted(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
