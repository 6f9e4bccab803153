//! Lists of revoked certificates (RFC 5280 section 5), built and signed; and whether one is still right. Must not know:
//! files, which lists there are to be.

use std::collections::BTreeSet;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::authority::build::{DAY, Signer, time};
use crate::authority::error::AuthorityError;
use crate::authority::index::{Reason, Revoked};
use crate::tls::certificate::x509;

/// A list in DER, and the same in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    pub(super) der: Vec<u8>,
    pub(super) pem: String,
}

/// The number of a list, and when it was made and ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) number: u64,
    pub(super) now: i64,
    pub(super) until: i64,
}

/// Signs the list of one issuer.
pub(super) fn sign(signer: &Signer, revoked: &[Revoked], edition: Edition) -> Result<List, AuthorityError> {
    let mut entries = Vec::new();
    for revoked in of(&signer.serial, revoked, edition.now) {
        entries.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(
                &bytes(&revoked.serial).ok_or(AuthorityError::Wrong("a serial number"))?,
            ),
            revocation_time: time(revoked.at).into(),
            reason_code: Some(code(revoked.reason)),
            invalidity_date: None,
        });
    }
    let parameters = CertificateRevocationListParams {
        this_update: time(edition.now).into(),
        next_update: time(edition.until).into(),
        crl_number: SerialNumber::from(edition.number),
        issuing_distribution_point: None,
        revoked_certs: entries,
        key_identifier_method: KeyIdMethod::PreSpecified(signer.key_identifier.clone()),
    };
    let list = parameters.signed_by(&signer.issuer)?;
    Ok(List { der: list.der().to_vec(), pem: list.pem()? })
}

/// Whether a list has exactly what it should have, and does not end soon, unless its issuer ends with it.
pub(super) fn is_current(der: &[u8], (issuer, end): (&str, i64), revoked: &[Revoked], now: i64) -> bool {
    let Ok(([], list)) = CertificateRevocationList::from_der(der) else { return false };
    let listed: BTreeSet<String> =
        list.iter_revoked_certificates().map(|entry| x509::serial(entry.raw_serial())).collect();
    let due: BTreeSet<String> = of(issuer, revoked, now).map(|revoked| revoked.serial.clone()).collect();
    let lasts = list.next_update().is_some_and(|until| until.timestamp() >= end.min(now + SOON));
    lasts && listed == due
}

/// What has to be on an issuer's list. A certificate stays on it for a while after its end, so that it is on a list that
/// was made after that (RFC 5280 section 3.3).
fn of<'r>(issuer: &'r str, revoked: &'r [Revoked], now: i64) -> impl Iterator<Item = &'r Revoked> {
    revoked.iter().filter(move |revoked| revoked.issuer == issuer && now <= revoked.not_after + KEPT)
}

/// The bytes of a number in hex.
pub(super) fn bytes(serial: &str) -> Option<Vec<u8>> {
    if serial.is_empty() || !serial.is_ascii() || !serial.len().is_multiple_of(2) {
        return None;
    }
    (0..serial.len()).step_by(2).map(|at| u8::from_str_radix(&serial[at..at + 2], 16).ok()).collect()
}

fn code(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::CaCompromise => RevocationReason::CaCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

/// In seconds.
const KEPT: i64 = 90 * DAY;

/// In seconds.
const SOON: i64 = 90 * DAY;
