//! Certificates in a file's order → which one is the server's, and whether the others lead from it to a root.
//! Must not know: files, whether a client trusts the root.
//!
//! The issuer of a certificate is found by names, then by key identifiers, then by the signature. A signature is verified
//! where the others leave a choice or contradict each other, and everywhere if that is asked for: to verify one costs as
//! much as all the rest of loading a certificate.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::X509Certificate;

use crate::tls::certificate::x509;
use crate::tls::certificate::x509::{Ids, ParseError};
use crate::tls::crypto::Verified;

/// The way from the server's certificate towards a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The indexes of its certificates among those given, the server's first.
    pub order: Vec<usize>,
    /// For each of them that is followed by its issuer: whether the issuer signed it.
    pub links: Vec<Verified>,
    pub end: End,
    /// Whether the file has the chain, and what leads to other roots, in the order in which clients expect them.
    pub in_order: bool,
    /// The indexes of those that lead from the chain to other roots (cross-signed certificates and their issuers).
    pub others: Vec<usize>,
    /// The indexes of those that belong to no chain.
    pub strangers: Vec<usize>,
}

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server's certificate is its own issuer.
    SelfSigned,
    /// The last one is a root. Clients have it already, or do not trust it.
    Root,
    /// The issuer of the certificate at this index among those given is a trusted root.
    Anchored(usize),
    /// The last one's issuer is missing.
    Open,
}

/// Whether each signature is to be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Where names and key identifiers do not decide.
    Doubtful,
    Every,
}

/// Roots that clients have, by their name.
#[derive(Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Vec<u8>, Vec<CertificateDer<'static>>>,
}

impl Anchors {
    /// Indexes roots by name. One that cannot be read is left out.
    pub fn new(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut by_subject: HashMap<_, Vec<_>> = HashMap::new();
        for root in roots {
            let Ok(subject) = x509::parse(&root).map(|parsed| x509::canonical(parsed.subject())) else { continue };
            by_subject.entry(subject).or_default().push(root);
        }
        Self { by_subject }
    }

    /// Whether one of them signed it. A signature of an unknown algorithm counts as good.
    fn signed(&self, certificate: &X509Certificate<'_>) -> bool {
        if self.by_subject.is_empty() {
            return false;
        }
        let namesakes = self.by_subject.get(&x509::canonical(certificate.issuer())).map_or(&[][..], Vec::as_slice);
        let roots = namesakes.iter().filter_map(|root| x509::parse(root).ok());
        roots.map(|root| x509::signed(certificate, &root)).any(|verified| verified != Verified::No)
    }
}

impl Chain {
    /// All indexes in the order in which a server should send the certificates: the chain, what leads to other roots, and
    /// the rest.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.order.iter().chain(&self.others).chain(&self.strangers).copied()
    }

    /// Pairs of issuer and issued, by index, where the signature is not the issuer's.
    pub fn broken(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.order.iter().skip(1).zip(&self.order).zip(&self.links);
        pairs.filter(|(_, link)| **link == Verified::No).map(|((issuer, issued), _)| (*issuer, *issued))
    }
}

/// Finds the chain from the certificate at `leaf`, or from the first that is not a CA's. Every signature is verified.
pub fn chain(
    certificates: &[CertificateDer<'_>],
    leaf: Option<usize>,
    anchors: &Anchors,
) -> Result<Option<Chain>, ParseError> {
    let parsed = certificates.iter().map(|der| x509::parse(der)).collect::<Result<Vec<_>, _>>()?;
    let leaf = leaf.or_else(|| parsed.iter().position(|one| !one.is_ca()));
    let Some(leaf) = leaf.or((!parsed.is_empty()).then_some(0)) else { return Ok(None) };
    Ok(Some(from(&parsed, leaf, anchors, Verify::Every)))
}

/// Finds the chain from the certificate at index `leaf`. Uses each certificate once, and at most `LONGEST`.
pub fn from(parsed: &[X509Certificate<'_>], leaf: usize, anchors: &Anchors, verify: Verify) -> Chain {
    let mut search = Search { parsed, verify, budget: MOST_VERIFICATIONS, placed: vec![false; parsed.len()] };
    search.placed[leaf] = true;
    let (mut order, mut links, mut alternatives) = (vec![leaf], Vec::new(), Vec::new());
    let mut last = leaf;
    while order.len() < LONGEST
        && let Some(((next, link), rest)) = search.issuers(last).split_first()
    {
        // A second issuer that signed leads to another root, maybe through other certificates.
        alternatives.extend(rest.iter().filter(|(_, link)| *link != Verified::No).map(|(at, _)| *at));
        search.placed[*next] = true;
        order.push(*next);
        links.push(*link);
        last = *next;
    }
    let mut others = Vec::new();
    let mut at = 0;
    while at < alternatives.len() && order.len() + others.len() < LONGEST {
        let next = alternatives[at];
        // A file may hold a certificate twice, and then the copy is not another chain.
        let twin = order.iter().chain(&others).any(|placed| parsed[*placed].as_raw() == parsed[next].as_raw());
        if !search.placed[next] && !twin {
            search.placed[next] = true;
            others.push(next);
            alternatives
                .extend(search.issuers(next).iter().filter(|(_, link)| *link != Verified::No).map(|(at, _)| *at));
        }
        at += 1;
    }
    let strangers: Vec<usize> = (0..parsed.len()).filter(|at| !search.placed[*at]).collect();
    let sent: Vec<usize> = order.iter().chain(&others).copied().collect();
    let anchored = || sent.iter().copied().find(|at| anchors.signed(&parsed[*at]));
    let end = match (search.is_root(last), order.len()) {
        (true, 1) => End::SelfSigned,
        (true, _) => End::Root,
        (false, _) => anchored().map_or(End::Open, End::Anchored),
    };
    Chain { in_order: strangers.is_empty() && sent.is_sorted(), order, links, end, others, strangers }
}

struct Search<'s, 'c> {
    parsed: &'s [X509Certificate<'c>],
    verify: Verify,
    /// How many signatures may still be verified.
    budget: usize,
    placed: Vec<bool>,
}

impl Search<'_, '_> {
    /// Certificates not yet placed that may have issued the one at `of`, best first: those that signed it, or if none did,
    /// the first that has the issuer's name.
    fn issuers(&mut self, of: usize) -> Vec<(usize, Verified)> {
        let parsed = self.parsed;
        let issued = &parsed[of];
        let mut namesakes: Vec<usize> = (0..parsed.len())
            .filter(|at| !self.placed[*at] && x509::same_name(parsed[*at].subject(), issued.issuer()))
            .collect();
        if namesakes.is_empty() || self.is_root(of) {
            return Vec::new();
        }
        // A cross-signed certificate comes before the root of the same name: clients that have the root stop there anyway,
        // and others find a root of theirs behind it.
        namesakes.sort_by_key(|at| (!parsed[*at].is_ca(), x509::is_self_issued(&parsed[*at]), *at));
        let named = |ids: Ids| namesakes.iter().copied().filter(move |at| x509::ids(issued, &parsed[*at]) == ids);
        let agreeing: Vec<usize> = named(Ids::Agree).collect();
        // Certificates with one key verify the same signature, so there is no choice between them.
        let one_key = agreeing.windows(2).all(|two| parsed[two[0]].public_key().raw == parsed[two[1]].public_key().raw);
        if self.verify == Verify::Doubtful && one_key && !agreeing.is_empty() {
            return agreeing.into_iter().map(|at| (at, Verified::Unknown)).collect();
        }
        let mut found = Vec::new();
        for ids in [Ids::Agree, Ids::Silent, Ids::Differ] {
            let judged: Vec<_> = named(ids).map(|at| (at, self.signed(of, at))).collect();
            found.extend(judged);
            if found.iter().any(|(_, verified)| *verified == Verified::Yes) {
                found.retain(|(_, verified)| *verified == Verified::Yes);
                return found;
            }
        }
        found.sort_by_key(|(_, verified)| *verified == Verified::No);
        // Where no candidate signed it, the name alone proves nothing: one is enough to name in the warning.
        let wrong = found.first().is_some_and(|(_, verified)| *verified == Verified::No);
        found.truncate(if wrong { 1 } else { found.len() });
        found
    }

    fn signed(&mut self, issued: usize, issuer: usize) -> Verified {
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                x509::signed(&self.parsed[issued], &self.parsed[issuer])
            }
            None => Verified::Unknown,
        }
    }

    /// Whether a certificate is its own issuer. Same names are not enough: after a change of keys, a CA's new certificate
    /// can be signed with its old key.
    fn is_root(&mut self, at: usize) -> bool {
        let certificate = &self.parsed[at];
        if !x509::is_self_issued(certificate) {
            return false;
        }
        match x509::ids(certificate, certificate) {
            Ids::Agree => true,
            Ids::Differ => self.signed(at, at) == Verified::Yes,
            Ids::Silent => {
                let name = certificate.subject();
                let others = self.parsed.iter().enumerate().filter(|(other, _)| *other != at);
                let alone = !others.map(|(_, other)| other).any(|other| x509::same_name(other.subject(), name));
                alone && self.verify == Verify::Doubtful || self.signed(at, at) != Verified::No
            }
        }
    }
}

/// Certificates of a chain, with those that lead to other roots. For each, all of a file are searched.
const LONGEST: usize = 64;

/// For one file. No real chain needs as many; in a file with thousands of certificates of one name, the work would grow
/// with the square of their number.
const MOST_VERIFICATIONS: usize = 64;

#[cfg(test)]
mod tests;
