//! A list by itself → whether a judge could use it, and what it says of itself. Must not know: where it is from, who is judged.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, Der, TrustAnchor};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::tls::certificate::x509;
use crate::tls::crypto;
use crate::tls::trust::lists::{ListFault, examine};
use crate::tls::wire::fault;

/// What a list says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// In a form that is safe to print.
    pub issuer: String,
    /// Seconds since 1970.
    pub this_update: i64,
    pub next_update: i64,
    /// Certificates that are revoked.
    pub entries: usize,
    /// Its number and its time, which grow with each list of an issuer.
    pub newness: (usize, Vec<u8>, i64),
    /// What distinguishes it from other lists.
    pub series: Series,
    /// SHA-256 of all of it.
    pub digest: [u8; 32],
}

/// Lists that replace each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The issuer's name.
    pub issuer: Vec<u8>,
    /// SHA-256 of the key that has signed it: numbers begin anew with a new key of the same CA.
    pub key: [u8; 32],
    /// The extension that limits what it covers; `None` where it covers everything.
    pub scope: Option<Vec<u8>>,
}

/// Whether one of these CAs has signed the list, and may, and a judge could use it.
pub fn prove(der: &CertificateRevocationListDer<'_>, ca: &[CertificateDer<'_>]) -> Result<Facts, ListFault> {
    let trusted: Vec<_> = ca.iter().map(|der| x509::parse(der).ok()).collect();
    let list = examine(0, der, &trusted)?;
    readable(der)?;
    let (_, parsed) = CertificateRevocationList::from_der(der).map_err(|_| ListFault::Unreadable)?;
    let key = trusted.get(list.signer).and_then(Option::as_ref).map(|ca| ca.public_key().raw);
    let key = crypto::sha256(key.unwrap_or_default());
    Ok(Facts {
        issuer: x509::brief(parsed.issuer()),
        this_update: list.this_update,
        next_update: list.next_update,
        entries: parsed.iter_revoked_certificates().count(),
        newness: list.newness,
        series: Series { issuer: parsed.issuer().as_raw().to_vec(), key, scope: list.scope },
        digest: crypto::sha256(der),
    })
}

/// Whether webpki can read it.
pub(super) fn readable(der: &CertificateRevocationListDer<'_>) -> Result<(), ListFault> {
    let list = CertificateRevocationListDer::from(der.as_ref().to_vec());
    let provider = Arc::new(crypto::provider());
    // Without a root, it would not look at the list. Nobody can be issued by this one.
    let nobody = TrustAnchor {
        subject: Der::from_slice(&[]),
        subject_public_key_info: Der::from_slice(&[]),
        name_constraints: None,
    };
    let roots = Arc::new(RootCertStore { roots: vec![nobody] });
    match WebPkiClientVerifier::builder_with_provider(roots, provider).with_crls([list]).build() {
        Err(VerifierBuilderError::InvalidCrl(error)) => {
            Err(ListFault::Unusable(fault::certificate::list_reason(&error)))
        }
        _ => Ok(()),
    }
}
