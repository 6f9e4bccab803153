//! Certificates as they stand in a file → which one is the server's, and whether the others lead from it to a root.
//! Must not know: files, whether a client trusts the root.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::prelude::X509Certificate;

use crate::tls::crypto::{self, Verified};
use crate::tls::inspect::{self, InspectError};

/// The way from the server's certificate towards a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Where its certificates stand among those given, the server's first.
    pub order: Vec<usize>,
    /// For each of them that has its issuer behind it: whether that one signed it.
    pub links: Vec<Verified>,
    pub end: End,
    /// Whether a server that sends the file as it is sends this chain and nothing else.
    pub in_order: bool,
    /// Where those stand that are no part of it.
    pub strangers: Vec<usize>,
}

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server's certificate is its own issuer.
    SelfSigned,
    /// The last one is a root. Clients have it already, or do not trust it.
    Root,
    /// The last one's issuer is a trusted root.
    Anchored,
    /// The last one's issuer is not there.
    Open,
}

/// Roots that clients have, by their name.
#[derive(Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Vec<u8>, Vec<CertificateDer<'static>>>,
}

impl Anchors {
    /// What cannot be read is nobody's root.
    pub fn new(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut by_subject: HashMap<_, Vec<_>> = HashMap::new();
        for root in roots {
            let Ok(subject) = inspect::parse(&root).map(|parsed| parsed.subject().as_raw().to_vec()) else { continue };
            by_subject.entry(subject).or_default().push(root);
        }
        Self { by_subject }
    }

    /// Whether one of them signed it, as far as that can be verified.
    fn signed(&self, certificate: &X509Certificate<'_>) -> bool {
        let namesakes = self.by_subject.get(certificate.issuer().as_raw()).map_or(&[][..], Vec::as_slice);
        let roots = namesakes.iter().filter_map(|root| inspect::parse(root).ok());
        roots.map(|root| signed(certificate, &root)).any(|verified| verified != Verified::No)
    }
}

/// Finds the chain from the certificate at `leaf`, or from the first that is no CA.
pub fn chain(
    certificates: &[CertificateDer<'_>],
    leaf: Option<usize>,
    anchors: &Anchors,
) -> Result<Option<Chain>, InspectError> {
    let parsed = certificates.iter().map(|der| inspect::parse(der)).collect::<Result<Vec<_>, _>>()?;
    let leaf = leaf.or_else(|| parsed.iter().position(|one| !one.is_ca()));
    let Some(leaf) = leaf.or((!parsed.is_empty()).then_some(0)) else { return Ok(None) };
    let (mut order, mut links) = (vec![leaf], Vec::new());
    let mut last = &parsed[leaf];
    while !is_self_issued(last) {
        let mut issuers: Vec<(usize, Verified)> = (0..parsed.len())
            .filter(|at| !order.contains(at) && parsed[*at].subject().as_raw() == last.issuer().as_raw())
            .map(|at| (at, signed(last, &parsed[at])))
            .collect();
        // Of several with the same name – a root and its cross-signed twin – one that signed comes first.
        issuers.sort_by_key(|(_, verified)| rank(*verified));
        let Some((at, verified)) = issuers.first() else { break };
        order.push(*at);
        links.push(*verified);
        last = &parsed[*at];
    }
    let end = match (is_self_issued(last), order.len()) {
        (true, 1) => End::SelfSigned,
        (true, _) => End::Root,
        (false, _) if anchors.signed(last) => End::Anchored,
        (false, _) => End::Open,
    };
    let strangers: Vec<usize> = (0..parsed.len()).filter(|at| !order.contains(at)).collect();
    let in_order = strangers.is_empty() && order.is_sorted();
    Ok(Some(Chain { order, links, end, in_order, strangers }))
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether the issuer's key made this certificate's signature.
fn signed(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Verified {
    let key = issuer.public_key();
    let signed = certificate.tbs_certificate.as_ref();
    // An AlgorithmIdentifier opens the SubjectPublicKeyInfo, and follows the signed part of a certificate.
    let Some(key_algorithm) = Any::from_der(key.raw).ok().and_then(|(_, info)| contents_of_first(info.data)) else {
        return Verified::Unknown;
    };
    let Some(algorithm) = contents_of_first(after(certificate.as_raw(), signed)) else { return Verified::Unknown };
    crypto::verify(
        (&key.subject_public_key.data, key_algorithm),
        (&certificate.signature_value.data, algorithm),
        signed,
    )
}

fn contents_of_first(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, first)| first.data)
}

/// What of `whole` – a certificate – follows `part`, with which its contents begin.
fn after<'a>(whole: &'a [u8], part: &[u8]) -> &'a [u8] {
    let contents = contents_of_first(whole).unwrap_or_default();
    contents.get(part.len()..).unwrap_or_default()
}

fn rank(verified: Verified) -> u8 {
    match verified {
        Verified::Yes => 0,
        Verified::Unknown => 1,
        Verified::No => 2,
    }
}

#[cfg(test)]
mod tests;
