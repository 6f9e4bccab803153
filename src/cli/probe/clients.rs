//! `probe --clients`: what a live server gives to each known client. Must not know: how it is shown.

use rustls::pki_types::CertificateDer;

use super::ask::{Asker, Cut, ProbeError};
use super::certificate::{Roots, reference};
use super::collected::Collected;
use super::proof::Proof;
use super::stamp::Stamp;
use super::visit::{Given, Visit};
use crate::tls::wire::{alert, codes};
use known::Known;
use report::{Given as Shown, Report, Treatment};

mod judge;
pub(super) mod known;
pub(super) mod report;
pub(super) mod show;

/// Sends each client's hello on a connection of its own. An error if the server cannot be probed.
pub(super) fn clients(
    asker: &mut Asker,
    name: Option<String>,
    roots: &Roots,
    known: Vec<Known>,
    stamp: Stamp,
) -> Result<Report, ProbeError> {
    let mut collected = Collected::new(roots, reference(name.as_deref(), &asker.target.host));
    let mut clients = Vec::new();
    for client in known {
        let visit = Visit::new(client.draft.clone()).ok_or(ProbeError::NoRandom)?;
        let (given, cut) = asker.visit(visit)?;
        clients.push(shown(client, given, cut, &mut collected));
    }
    Ok(Report {
        stamp,
        target: asker.target.text.clone(),
        server_name: name,
        clients,
        certificates: collected.into_all(),
    })
}

fn shown(client: Known, given: Given, cut: Option<Cut>, collected: &mut Collected<'_>) -> Shown {
    let chain: Vec<_> = given.certificates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let place = collected.add(&chain, client.name.clone());
    let (result, reason) = result(&client, &given, cut, chain.is_empty() == place.is_none());
    let agreed = given.agreed.filter(|_| given.alert.is_none());
    Shown {
        client: client.name,
        source: client.source,
        result,
        version: agreed.map(|agreed| codes::version_name(agreed.version).into_owned()),
        suite: agreed.map(|agreed| codes::suite_name(agreed.suite).into_owned()),
        openssl_suite: agreed.map(|agreed| codes::openssl_suite_name(agreed.suite).into_owned()),
        group: agreed.and_then(|agreed| agreed.group).map(|group| codes::group_name(group).into_owned()),
        dh_bits: given.dh_bits,
        asked_again_for: given.retried.map(|group| codes::group_name(group).into_owned()),
        signature_scheme: given.scheme.map(|scheme| codes::scheme_name(scheme).into_owned()),
        certificate: place.map(|place| place + 1),
        alpn: given.alpn.map(|protocol| String::from_utf8_lossy(&protocol).into_owned()),
        asks_for_client_certificate: given.asks_for_certificate,
        alert: given.alert.map(|code| alert::name(code.into())),
        alert_code: given.alert,
        reason,
    }
}

/// Whether the client is served, and why it is not, or why not everything is known.
fn result(client: &Known, given: &Given, cut: Option<Cut>, is_x509: bool) -> (Treatment, Option<String>) {
    match (given.alert, given.agreed, cut) {
        (Some(code), ..) => (Treatment::Refused, Some(format!("alert {}", alert::name(code.into())))),
        (None, None, Some(cut)) if !matches!(cut, Cut::Garbage(_)) => (Treatment::Refused, Some(how(&cut))),
        (None, Some(_), Some(cut)) if !matches!(cut, Cut::Garbage(_)) => {
            (Treatment::Failed, Some(format!("{} within its answer", how(&cut))))
        }
        (None, _, Some(cut)) => (Treatment::Failed, Some(how(&cut))),
        (None, None, None) => (Treatment::Failed, Some("its answer has no ServerHello".into())),
        (None, Some(agreed), None) => match judge::objection(&client.draft, &agreed, given.scheme) {
            Some(objection) => (Treatment::Failed, Some(objection)),
            None if !is_x509 => (Treatment::Failed, Some("its certificate is not X.509 in DER".into())),
            None => match (given.proof, &given.unread) {
                (Proof::Wrong, _) => (Treatment::Failed, Some("its signature is wrong".into())),
                (Proof::Unchecked, None) => {
                    (Treatment::Served, Some("whether the server has the certificate's key is not checked".into()))
                }
                (_, unread) => (Treatment::Served, unread.clone()),
            },
        },
    }
}

fn how(cut: &Cut) -> String {
    match cut {
        Cut::Closed => "it closes the connection".into(),
        Cut::Reset => "it resets the connection".into(),
        Cut::Silent => "it does not answer".into(),
        Cut::Garbage(error) => error.to_string(),
    }
}
