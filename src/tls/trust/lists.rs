//! Lists of revoked certificates, before any peer is judged by them: which CA signed each, and whether it can be used.
//! Must not know: files, whether peers are clients or servers.
//!
//! webpki finds the list of an issuer by its name alone, and verifies it when a peer connects. Without this file, a list
//! that no CA signed would show only when peers are refused.

use std::cmp::Reverse;

use rustls::pki_types::CertificateRevocationListDer;
use thiserror::Error;
use x509_parser::extensions::{IssuingDistributionPoint, ParsedExtension};
use x509_parser::oid_registry::{OID_X509_EXT_CRL_NUMBER, OID_X509_EXT_DELTA_CRL_INDICATOR, OID_X509_EXT_ISSUER, Oid};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate, oid_registry, oid2sn};
use x509_parser::x509::X509Version;

use crate::tls::certificate::x509;
use crate::tls::certificate::x509::signed_by;
use crate::tls::crypto::Verified;
use crate::tls::trust::lists::outline::{LONGEST, Outline, Unfit};

pub mod authorities;
pub mod given;
pub mod held;
mod outline;
pub mod points;
pub mod prove;
pub mod remarks;
pub mod rules;
pub mod seen;
pub mod weight;

/// A list that can be used.
#[derive(Debug)]
pub struct List {
    /// Its index among those given.
    pub index: usize,
    /// The index of the CA that signed it.
    pub signer: usize,
    /// The indexes of trusted certificates that it revokes.
    pub revokes: Vec<usize>,
    /// When it was signed, and when the next one is due, in seconds since 1970.
    pub this_update: i64,
    pub next_update: i64,
    /// Its number (length first, so that it compares as a number) and its time; both grow with each list of an issuer.
    pub newness: (usize, Vec<u8>, i64),
    /// The extension that limits what it covers; `None` where it covers everything.
    pub scope: Option<Vec<u8>>,
}

impl List {
    /// A list with nothing but its index.
    pub fn alone(index: usize) -> Self {
        let (revokes, newness) = (Vec::new(), (0, Vec::new(), 0));
        Self { index, signer: 0, revokes, this_update: 0, next_update: i64::MAX, newness, scope: None }
    }
}

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListFault {
    #[error("a list of revoked certificates cannot be read: it is no CertificateList of X.509 in DER")]
    Unreadable,
    #[error("a list of revoked certificates cannot be used: {0}")]
    Unusable(String),
    #[error("a list of revoked certificates cannot be used: its {part} has {found} bytes, expected at most {most}")]
    TooLong { part: &'static str, found: usize, most: usize },
    #[error("the list of revoked certificates of \"{issuer}\" {what}")]
    Form { issuer: String, what: String },
    #[error(
        "the list of revoked certificates of \"{issuer}\" was not signed by any of the CAs (expected that CA's certificate in \"ca\")"
    )]
    Stranger { issuer: String },
    #[error(
        "the list of revoked certificates of \"{issuer}\" was not signed with the key of the CA of that name in \"ca\""
    )]
    Forged { issuer: String },
    #[error(
        "the list of revoked certificates of \"{issuer}\" was signed with the key of a CA whose name is encoded in another way, \
         and certificates would not be found on it (expected the same bytes)"
    )]
    OtherName { issuer: String },
    #[error(
        "the list of revoked certificates of \"{issuer}\" is signed with {algorithm}, which cannot be verified with that CA's key"
    )]
    Algorithm { issuer: String, algorithm: String },
    #[error(
        "the list of revoked certificates of \"{issuer}\" was signed by a CA that may not sign lists (its keyUsage has no cRLSign)"
    )]
    NotASigner { issuer: String },
}

impl From<Unfit> for ListFault {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::NoList => Self::Unreadable,
            Unfit::TooLong { part, found } => Self::TooLong { part, found, most: LONGEST },
        }
    }
}

/// Reads a list and finds its signer among `trusted`, in which `None` is a certificate that cannot be parsed.
pub fn examine(
    index: usize,
    der: &CertificateRevocationListDer<'_>,
    trusted: &[Option<X509Certificate<'_>>],
) -> Result<List, ListFault> {
    let outline = Outline::of(der)?;
    let issuer = x509::brief(&outline.issuer);
    // First of all: whoever can answer in place of a server must not be able to have millions of entries read.
    let signer = signer(&outline, &issuer, trusted)?;
    let Ok(([], list)) = CertificateRevocationList::from_der(der) else { return Err(ListFault::Unreadable) };
    if list.issuer().as_raw() != outline.issuer.as_raw() || list.tbs_cert_list.as_ref() != outline.signed {
        return Err(ListFault::Unreadable);
    }
    let form = |what: String| ListFault::Form { issuer: issuer.clone(), what };
    let Some(next_update) = usable(&list).map_err(form)? else {
        return Err(form("does not say when it will be replaced (expected nextUpdate)".into()));
    };
    let of_issuer = |one: &X509Certificate<'_>| one.issuer().as_raw() == list.issuer().as_raw();
    let signer_key = trusted[signer].as_ref().map(|ca| ca.public_key().raw);
    // Another root with the same name has its own serial numbers, so an equal number does not mean it.
    let is_another_root =
        |one: &X509Certificate<'_>| signer_key != Some(one.public_key().raw) && x509::signed(one, one) == Verified::Yes;
    let revoked = |one: &X509Certificate<'_>| {
        of_issuer(one)
            && list.iter_revoked_certificates().any(|entry| entry.raw_serial() == one.raw_serial())
            && !is_another_root(one)
    };
    let revokes = (0..trusted.len()).filter(|at| trusted[*at].as_ref().is_some_and(revoked)).collect();
    let number = list.crl_number().map(|number| number.to_bytes_be()).unwrap_or_default();
    let this_update = list.last_update().timestamp();
    let newness = (number.len(), number, this_update);
    let scope = list
        .extensions()
        .iter()
        .find(|one| matches!(one.parsed_extension(), ParsedExtension::IssuingDistributionPoint(_)));
    let scope = scope.map(|extension| extension.value.to_vec());
    Ok(List { index, signer, revokes, this_update, next_update, newness, scope })
}

/// When the next list is due (`None` where the list does not have it), in seconds since 1970; an error for a kind of list
/// that is not supported. webpki makes the same checks, but only when a client connects.
fn usable(list: &CertificateRevocationList<'_>) -> Result<Option<i64>, String> {
    match list.version() {
        None | Some(X509Version::V1) => return Err("is of version 1, expected version 2".into()),
        Some(X509Version::V2) => {}
        Some(other) => return Err(format!("is of version {}, expected version 2", other.0.saturating_add(1))),
    }
    if list.extensions().is_empty() {
        return Err("has no extensions (expected its number; RFC 5280 section 5.2)".into());
    }
    for extension in list.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::IssuingDistributionPoint(scope) => supported(scope)?,
            ParsedExtension::CRLNumber(_) | ParsedExtension::AuthorityKeyIdentifier(_) => {}
            _ if extension.oid == OID_X509_EXT_DELTA_CRL_INDICATOR => {
                return Err("is a delta list, which holds changes alone (expected a whole list)".into());
            }
            _ if extension.critical => {
                return Err(format!("has the critical extension {}, which is not supported", shown(&extension.oid)));
            }
            _ if extension.oid == OID_X509_EXT_CRL_NUMBER => return Err("has a number that is malformed".into()),
            _ => {}
        }
    }
    for entry in list.iter_revoked_certificates() {
        for extension in entry.extensions() {
            if extension.oid == OID_X509_EXT_ISSUER {
                return Err(INDIRECT.into());
            }
            let known = matches!(
                extension.parsed_extension(),
                ParsedExtension::ReasonCode(_) | ParsedExtension::InvalidityDate(_)
            );
            if extension.critical && !known {
                let (serial, extension) = (entry.raw_serial_as_string(), shown(&extension.oid));
                return Err(format!(
                    "has an entry ({serial}) with the critical extension {extension}, which is not supported"
                ));
            }
        }
    }
    Ok(list.next_update().map(|time| time.timestamp()))
}

fn supported(scope: &IssuingDistributionPoint<'_>) -> Result<(), String> {
    use x509_parser::extensions::DistributionPointName;
    let named = matches!(scope.distribution_point, Some(DistributionPointName::FullName(_)));
    match () {
        () if scope.indirect_crl => Err(INDIRECT.into()),
        () if scope.only_some_reasons.is_some() => {
            Err("holds certificates revoked for some reasons alone (expected all reasons)".into())
        }
        () if scope.only_contains_attribute_certs => {
            Err("is one of attribute certificates (expected one of certificates)".into())
        }
        () if !named => Err("has an issuing distribution point without a full name, which is not supported".into()),
        () => Ok(()),
    }
}

/// Which of the CAs signed it, and may.
fn signer(list: &Outline<'_>, issuer: &str, trusted: &[Option<X509Certificate<'_>>]) -> Result<usize, ListFault> {
    let issuer = || issuer.to_owned();
    let signed = |ca: &X509Certificate<'_>| signed_by(ca.public_key(), list.whole, list.signed, list.signature);
    let (mut found, mut not_a_signer, mut unknown) = (false, false, false);
    // Several CAs can have the name, each with its own key.
    for (index, ca) in trusted.iter().enumerate() {
        let Some(ca) = ca.as_ref().filter(|ca| ca.subject().as_raw() == list.issuer.as_raw()) else { continue };
        found = true;
        match signed(ca) {
            Verified::Yes if may_sign(ca) => return Ok(index),
            Verified::Yes => not_a_signer = true,
            Verified::Unknown => unknown = true,
            Verified::No => {}
        }
    }
    // The most specific reason comes first.
    if not_a_signer {
        return Err(ListFault::NotASigner { issuer: issuer() });
    }
    if unknown {
        let algorithm = shown(&list.algorithm.algorithm);
        return Err(ListFault::Algorithm { issuer: issuer(), algorithm });
    }
    if found {
        return Err(ListFault::Forged { issuer: issuer() });
    }
    // These names are equal by RFC 5280 section 7.1, but webpki compares bytes.
    let text = list.issuer.to_string();
    let mut alike = trusted.iter().flatten().filter(|ca| ca.subject().to_string() == text);
    match alike.any(|ca| signed(ca) == Verified::Yes) {
        true => Err(ListFault::OtherName { issuer: issuer() }),
        false => Err(ListFault::Stranger { issuer: issuer() }),
    }
}

/// RFC 5280 section 6.3.3 (f).
fn may_sign(ca: &X509Certificate<'_>) -> bool {
    match ca.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.crl_sign()),
        Err(_) => false,
    }
}

/// The lists to use, the newest first, and those that a newer one of the same issuer and scope replaces. webpki would use
/// the first that it finds.
pub fn newest(mut lists: Vec<List>, same_key: impl Fn(usize, usize) -> bool) -> (Vec<List>, Vec<List>) {
    lists.sort_by(|one, other| Reverse(&one.newness).cmp(&Reverse(&other.newness)));
    let (mut kept, mut replaced) = (Vec::<List>::new(), Vec::new());
    for list in lists {
        let newer = kept.iter().any(|kept| kept.scope == list.scope && same_key(kept.signer, list.signer));
        if newer { replaced.push(list) } else { kept.push(list) }
    }
    (kept, replaced)
}

fn shown(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| x509::shortened(oid.to_id_string()), str::to_owned)
}

const INDIRECT: &str = "is indirect: it holds certificates of other issuers (expected a list of its issuer's own)";

#[cfg(test)]
mod tests;
