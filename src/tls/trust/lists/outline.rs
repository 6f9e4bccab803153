//! The outer structure of a list, without its entries → what its signature is verified by. Must not know: CAs, what is in it.
//!
//! Every entry of a list takes many times its length in memory, and so does every part of a name. Nobody but a CA must be
//! able to ask for that.

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

/// A list before its entries are read.
pub(super) struct Outline<'a> {
    /// All of it.
    pub(super) whole: &'a [u8],
    /// The part that is signed.
    pub(super) signed: &'a [u8],
    pub(super) issuer: X509Name<'a>,
    pub(super) algorithm: AlgorithmIdentifier<'a>,
    pub(super) signature: &'a [u8],
}

/// Why a list is not looked at.
pub(super) enum Unfit {
    /// It is no CertificateList (RFC 5280 section 5.1).
    NoList,
    /// A part of it, with that many bytes, is longer than any that could be right.
    TooLong { part: &'static str, found: usize },
}

impl<'a> Outline<'a> {
    pub(super) fn of(whole: &'a [u8]) -> Result<Self, Unfit> {
        let Raw { signed, issuer, algorithm, signature } = Raw::of(whole).ok_or(Unfit::NoList)?;
        let issuer = short("issuer", issuer)?;
        let algorithm = short("signature algorithm", algorithm)?;
        match (X509Name::from_der(issuer), AlgorithmIdentifier::from_der(algorithm)) {
            (Ok(([], issuer)), Ok(([], algorithm))) => Ok(Self { whole, signed, issuer, algorithm, signature }),
            _ => Err(Unfit::NoList),
        }
    }
}

/// The parts as they are written.
struct Raw<'a> {
    signed: &'a [u8],
    issuer: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Raw<'a> {
    fn of(whole: &'a [u8]) -> Option<Self> {
        let (list, []) = sequence(whole)? else { return None };
        let (signed, rest) = sequence(list.contents)?;
        let (algorithm, rest) = sequence(rest)?;
        let (signature, []) = first(rest, Tag::BitString)? else { return None };
        // No bit of the last byte is unused.
        let [0, signature @ ..] = signature.contents else { return None };
        // The version is optional.
        let after = first(signed.contents, Tag::Integer).map_or(signed.contents, |(_, rest)| rest);
        let (_, after) = sequence(after)?;
        let (issuer, _) = sequence(after)?;
        Some(Self { signed: signed.all, issuer: issuer.all, algorithm: algorithm.all, signature })
    }
}

fn short<'a>(part: &'static str, der: &'a [u8]) -> Result<&'a [u8], Unfit> {
    match der.len() {
        ..=LONGEST => Ok(der),
        found => Err(Unfit::TooLong { part, found }),
    }
}

struct Element<'a> {
    all: &'a [u8],
    contents: &'a [u8],
}

fn sequence(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    first(der, Tag::Sequence)
}

/// The first element, which must have this tag, and what follows it.
fn first(der: &[u8], tag: Tag) -> Option<(Element<'_>, &[u8])> {
    let (rest, element) = <Any<'_> as x509_parser::asn1_rs::FromDer<'_>>::from_der(der).ok()?;
    let all = der.get(..der.len().checked_sub(rest.len())?)?;
    (element.header.tag() == tag).then_some((Element { all, contents: element.data }, rest))
}

/// The most bytes of an issuer or an algorithm. The names of real CAs have some hundred, and the algorithms with the most
/// parameters, those of RSA-PSS, less.
pub(super) const LONGEST: usize = 8 * 1024;
