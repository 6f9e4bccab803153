//! The choice once more, written from the README alone ("Which certificate a client gets"): slow, plain, step by
//! step. It narrows a list of candidates until one is left; nothing is indexed, sorted or ranked.
//! Must not know: how `tlsgate::tls::certificate::select` does it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::SignatureScheme;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::certified::algorithm::{Hash, KeyType};
use tlsgate::tls::certificate::name::Name;
use tlsgate::tls::certificate::select::{Entry, NoChoice, Offer, Tier, UnknownName};

/// A certificate that is considered, and its tier.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) tier: Tier,
}

/// Step 1: those of the tiers that count for this client, in file order.
pub(crate) fn candidates(
    entries: &[Entry],
    asked: Option<&str>,
    address: Option<IpAddr>,
    unknown: UnknownName,
) -> Result<Vec<Candidate>, NoChoice> {
    let mut found = Vec::new();
    if let Some(asked) = asked {
        for (tier, bears) in [(Tier::Exact, bears_exactly as Bears), (Tier::Wildcard, bears_by_wildcard as Bears)] {
            for entry in entries {
                if entry.certificate.names.iter().any(|name| bears(name, &normal(asked))) {
                    found.push(Candidate { certificate: Arc::clone(&entry.certificate), tier });
                }
            }
        }
        if found.is_empty() && unknown == UnknownName::Reject {
            return Err(NoChoice::UnknownName);
        }
    }
    if found.is_empty() {
        for Entry { certificate, .. } in entries.iter().filter(|_| asked.is_none()) {
            // A dual-stack socket shows an IPv4 address as IPv6.
            let same = |own: &IpAddr| address.is_some_and(|address| own.to_canonical() == address.to_canonical());
            if certificate.addresses.iter().any(same) {
                found.push(Candidate { certificate: Arc::clone(certificate), tier: Tier::Address });
            }
        }
        for certificate in defaults(entries) {
            found.push(Candidate { certificate, tier: Tier::Default });
        }
    }
    Ok(found)
}

type Bears = fn(&Name, &[String]) -> bool;

/// Steps 1 to 5: the certificate that is served.
pub(crate) fn choose(
    entries: &[Entry],
    offer: &Offer<'_>,
    unknown: UnknownName,
    now: i64,
) -> Result<Candidate, NoChoice> {
    let mut left = candidates(entries, offer.server_name, offer.address, unknown)?;
    // 2. In a tier, keep those whose key can sign one of the client's schemes …
    left.retain(|candidate| can_sign(&candidate.certificate, offer));
    // 5. A name that is known but with no usable key: not the default certificate.
    if left.is_empty() {
        return Err(NoChoice::NoCommonScheme);
    }
    // 3. Currently valid before expired or not yet valid, across the name tiers.
    prefer(&mut left, |one| is_valid(&one.certificate, now));
    // 1. Exact name, then wildcard; without a name the address, then a default.
    prefer(&mut left, |one| matches!(one.tier, Tier::Exact | Tier::Address));
    // 4. A chain whose signatures the client says it can verify before one that it cannot;
    prefer(&mut left, |one| can_verify(&one.certificate, offer));
    // ML-DSA before ECDSA/Ed25519, these before RSA;
    prefer(&mut left, |one| matches!(one.certificate.key_type, KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87));
    prefer(&mut left, |one| one.certificate.key_type != KeyType::Rsa);
    // stronger hash before weaker (SHA-1 and MD5 last);
    for hash in [Hash::Sha512, Hash::Sha384, Hash::Sha256, Hash::Sha1] {
        prefer(&mut left, |one| one.certificate.hash == hash);
    }
    // larger key;
    let largest = left.iter().map(|one| one.certificate.key_bits).max();
    prefer(&mut left, |one| Some(one.certificate.key_bits) == largest);
    // later expiry;
    let latest = left.iter().map(|one| one.certificate.not_after).max();
    prefer(&mut left, |one| Some(one.certificate.not_after) == latest);
    // then file order.
    Ok(left.swap_remove(0))
}

/// Keeps those that have the quality, if there are any.
fn prefer(left: &mut Vec<Candidate>, has: impl Fn(&Candidate) -> bool) {
    if left.iter().any(&has) {
        left.retain(&has);
    }
}

/// Names are ASCII lower-cased, one trailing dot dropped. Returns the labels.
fn normal(name: &str) -> Vec<String> {
    let mut labels: Vec<String> = name.split('.').map(str::to_ascii_lowercase).collect();
    if labels.len() > 1 && labels.last().is_some_and(String::is_empty) {
        labels.pop();
    }
    labels
}

fn bears_exactly(name: &Name, asked: &[String]) -> bool {
    matches!(name, Name::Exact(name) if normal(name) == asked)
}

/// `*.example.com` matches `a.example.com`, not `a.b.example.com` nor `example.com`.
fn bears_by_wildcard(name: &Name, asked: &[String]) -> bool {
    matches!(name, Name::Wildcard(parent) if asked.len() == normal(parent).len() + 1 && asked[1..] == normal(parent))
}

/// Those marked `default = true`; if none is, the first one listed that is no authority's, with its namesakes of any
/// key type. A namesake is a certificate that contains the first one's first name.
fn defaults(entries: &[Entry]) -> Vec<Arc<Certificate>> {
    let mut found: Vec<Arc<Certificate>> = Vec::new();
    for entry in entries {
        if entry.default {
            found.push(Arc::clone(&entry.certificate));
        }
    }
    if found.is_empty() {
        let all: Vec<&Arc<Certificate>> = entries.iter().map(|entry| &entry.certificate).collect();
        // An authority's own certificate only if there is nothing else.
        let mut left: Vec<_> = all.iter().copied().filter(|certificate| !certificate.is_ca).collect();
        if left.is_empty() {
            left = all;
        }
        for (place, certificate) in left.iter().enumerate() {
            let namesake = left[0].names.first().is_some_and(|name| certificate.names.contains(name));
            if place == 0 || namesake {
                found.push(Arc::clone(certificate));
            }
        }
    }
    found
}

/// Exact schemes; under TLS 1.2 the key's curve must be in the client's groups as well.
pub(crate) fn can_sign(certificate: &Certificate, offer: &Offer<'_>) -> bool {
    use SignatureScheme as S;
    let offers = |schemes: &[S]| schemes.iter().any(|scheme| offer.schemes.contains(scheme));
    let on_curve = offer.curves.is_none_or(|curves| curves.contains(&certificate.key_type));
    match certificate.key_type {
        KeyType::EcdsaP256 => on_curve && offers(&[S::ECDSA_NISTP256_SHA256]),
        KeyType::EcdsaP384 => on_curve && offers(&[S::ECDSA_NISTP384_SHA384]),
        KeyType::EcdsaP521 => on_curve && offers(&[S::ECDSA_NISTP521_SHA512]),
        KeyType::Ed25519 => offers(&[S::ED25519]),
        KeyType::MlDsa44 => offers(&[S::ML_DSA_44]),
        KeyType::MlDsa65 => offers(&[S::ML_DSA_65]),
        KeyType::MlDsa87 => offers(&[S::ML_DSA_87]),
        KeyType::Rsa => offers(&[
            S::RSA_PSS_SHA256,
            S::RSA_PSS_SHA384,
            S::RSA_PSS_SHA512,
            S::RSA_PKCS1_SHA256,
            S::RSA_PKCS1_SHA384,
            S::RSA_PKCS1_SHA512,
        ]),
    }
}

pub(crate) fn is_valid(certificate: &Certificate, now: i64) -> bool {
    certificate.not_before <= now && now <= certificate.not_after
}

pub(crate) fn can_verify(certificate: &Certificate, offer: &Offer<'_>) -> bool {
    for any_of in &certificate.chain_signatures {
        if !any_of.iter().any(|scheme| offer.certificate_schemes.contains(scheme)) {
            return false;
        }
    }
    true
}
