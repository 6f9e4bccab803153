//! Certificates and lists → what clients are judged by. A fault that would refuse all clients is an error here.
//! Must not know: files, names, pins.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DistinguishedName, Error, RootCertStore};
use thiserror::Error as ThisError;

use crate::tls::certificate::x509;
use crate::tls::crypto;
use crate::tls::trust::anchor;
use crate::tls::trust::anchor::{Anchors, Purpose};
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::settings::Settings;
use crate::tls::trust::lists::authorities::{Authorities, Role, Track};
use crate::tls::trust::lists::given::Given;
use crate::tls::trust::lists::held::{Held, Used};
use crate::tls::trust::lists::remarks as of_lists;
use crate::tls::trust::lists::remarks::{At, Whose};
use crate::tls::trust::lists::rules::{ExpiredCrl, MissingCrl, Rules};
use crate::tls::trust::lists::weight::verdict;
use crate::tls::trust::lists::{List, ListFault};
use crate::tls::wire::fault;

/// Why clients cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{reason}")]
pub struct ClientAuthError {
    pub at: At,
    pub reason: Reason,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Reason {
    #[error("no certificate of a CA in it")]
    NoCa,
    #[error("the certificate of \"{0}\" cannot be used as a CA's: {1}")]
    BadCa(String, String),
    #[error("{0}")]
    BadList(#[from] ListFault),
    #[error(
        "lists of revoked certificates distinguish too many CAs with the same names (expected at most 16 combinations)"
    )]
    TooManyNamesakes,
}

/// What clients' certificates are verified with.
#[derive(Debug)]
pub(super) struct Trusted {
    known: Anchors,
    ways: Vec<Way>,
    missing: MissingCrl,
    /// Certificates that are trusted themselves.
    direct: Vec<Direct>,
    /// When the first of the lists is out of date, in seconds since 1970; `i64::MAX` where that does not matter.
    lists_good_until: i64,
    /// Every chain is refused, since nothing could show that a certificate in it is revoked.
    no_list_yet: bool,
    /// Verifies chains without asking whether they are revoked; `None` where nobody needs that.
    bare: Option<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    used: Vec<Used>,
    /// Lists that cannot be used, by their indexes.
    left_out: Vec<(usize, ListFault)>,
    remarks: Vec<(At, String)>,
    /// For each CA and list: the CA's subject, and when it ends.
    ends: Vec<(At, String, i64)>,
}

/// One way to verify a chain.
#[derive(Debug)]
struct Way {
    chains: Arc<dyn ClientCertVerifier>,
    /// Intermediate certificates that clients need not send.
    between: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
struct Direct {
    certificate: CertificateDer<'static>,
    /// Why it is refused all the same.
    fault: Option<CertificateError>,
}

impl Trusted {
    pub(super) fn new(
        settings: &Settings,
        ca: Vec<CertificateDer<'static>>,
        crls: Vec<Given>,
    ) -> Result<Self, Vec<ClientAuthError>> {
        if ca.is_empty() {
            return Err(vec![ClientAuthError { at: At::Whole, reason: Reason::NoCa }]);
        }
        let known =
            Anchors::new(ca.clone()).map_err(|(index, error)| vec![bad_ca(&ca, index, fault::reason(&error))])?;
        let rules = &settings.lists;
        let held = Held::new(&ca, &crls).map_err(|faults| {
            faults
                .into_iter()
                .map(|(index, fault)| ClientAuthError { at: At::List(index), reason: fault.into() })
                .collect::<Vec<_>>()
        })?;
        let (authorities, lists) = (&held.authorities, &held.lists);
        let unusable: Vec<usize> = (0..ca.len()).filter(|at| authorities.unusable_key(*at).is_some()).collect();
        // One usable CA is enough to accept clients; the others are only warned of.
        if unusable.len() == ca.len() {
            let error = |at: usize| bad_ca(&ca, at, authorities.unusable_key(at).unwrap_or_default());
            return Err(unusable.into_iter().map(error).collect());
        }
        let roles = held.roles(rules);
        let tracks = authorities.tracks(&roles, lists);
        let tracks = tracks.ok_or_else(|| vec![ClientAuthError { at: At::Whole, reason: Reason::TooManyNamesakes }])?;
        let ways = tracks.iter().map(|track| Way::new(rules, &ca, &crls, lists, track));
        let ways = ways.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>();
        let ways = ways.map_err(|error| culprits(&error, &ca, &crls, rules))?;
        // A resumed session is not checked against lists again, so its ticket must end with the lists.
        let lists_good_until = match rules.expired {
            ExpiredCrl::Refuse => lists.iter().map(|list| list.next_update).min().unwrap_or(i64::MAX),
            ExpiredCrl::Ignore => i64::MAX,
        };
        // A client's certificate whose CA is trusted too is judged by its chain, and so by the CA's list.
        let direct = |at: &usize| roles[*at] != Role::Client || !authorities.has_issuer(*at);
        let direct = (0..ca.len())
            .filter(direct)
            .map(|at| Direct { certificate: ca[at].clone(), fault: held.fault(at, roles[at], rules) });
        Ok(Self {
            ways,
            missing: rules.missing,
            direct: direct.collect(),
            lists_good_until,
            no_list_yet: rules.asked && rules.missing == MissingCrl::Refuse && lists.is_empty(),
            bare: known.issuers().filter(|_| rules.points).and_then(bare),
            hints: hints(authorities, &known),
            remarks: remarks(&held, settings, &crls),
            ends: ends(&held, rules),
            used: held.used(),
            left_out: held.left_out,
            known,
        })
    }

    pub(super) fn lists_good_until(&self) -> i64 {
        self.lists_good_until
    }

    /// The first end of a CA or a list at that second (since 1970) or after it; `i64::MAX` where there is none.
    pub(super) fn next_end(&self, now: i64) -> i64 {
        self.ends.iter().map(|(_, _, end)| *end).filter(|end| *end >= now).min().unwrap_or(i64::MAX)
    }

    pub(super) fn hints(&self) -> &[DistinguishedName] {
        &self.hints
    }

    pub(super) fn used(&self) -> &[Used] {
        &self.used
    }

    pub(super) fn left_out(&self) -> &[(usize, ListFault)] {
        &self.left_out
    }

    /// Whether a client's certificate has a chain to a CA, revoked or not.
    pub(super) fn is_chained(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> bool {
        self.bare.as_ref().is_some_and(|bare| bare.verify_client_cert(leaf, others, now).is_ok())
    }

    pub(super) fn warnings(&self, now: i64) -> Vec<(At, String)> {
        let past = self.ends.iter().filter(|(_, _, end)| *end < now);
        let past = past.map(|(at, whose, end)| match at {
            At::List(_) => (*at, of_lists::outdated(whose, *end, Whose::Clients)),
            _ => (
                *at,
                format!(
                    "the certificate of \"{whose}\" expired at {}; clients below it are still accepted",
                    x509::rfc3339(*end)
                ),
            ),
        });
        self.remarks.iter().cloned().chain(past).collect()
    }

    /// Whether a client's certificate is good, by itself or by its chain.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.known.contain(leaf)
            && let Some(direct) = self.direct.iter().find(|direct| direct.certificate == *leaf)
        {
            // The handshake's signature is verified by webpki, which must be able to parse the certificate.
            ParsedCertificate::try_from(leaf)?;
            return match &direct.fault {
                Some(fault) => Err(fault.clone().into()),
                None => Ok(anchor::may_be_used(leaf, Purpose::Client, now)?),
            };
        }
        let each = self.ways.iter().map(|way| {
            let with = |more: &[CertificateDer<'static>]| others.iter().chain(more).cloned().collect::<Vec<_>>();
            // Without intermediate CAs, the usual case, the client's certificates need not be copied.
            let verified = match way.between.is_empty() {
                true => way.chains.verify_client_cert(leaf, others, now),
                false => way.chains.verify_client_cert(leaf, &with(&way.between), now),
            };
            verified.map_err(|error| match error {
                // All lists were good when they were loaded: this one is of a CA with the same name and another key.
                Error::InvalidCertRevocationList(_) => CertificateError::UnknownRevocationStatus.into(),
                other => other,
            })
        });
        match verdict(each, self.missing) {
            Ok(_) if self.no_list_yet => Err(CertificateError::UnknownRevocationStatus.into()),
            verified => verified.map(drop),
        }
    }
}

impl Way {
    /// `None` where the track has no anchor.
    fn new(
        rules: &Rules,
        ca: &[CertificateDer<'static>],
        crls: &[Given],
        lists: &[List],
        track: &Track,
    ) -> Result<Option<Self>, VerifierBuilderError> {
        let of = |indices: &[usize]| indices.iter().map(|at| ca[*at].clone()).collect::<Vec<_>>();
        let anchors = Anchors::new(of(&track.anchors)).ok().and_then(|anchors| anchors.issuers());
        let Some(anchors) = anchors else { return Ok(None) };
        let crls = track.lists.iter().map(|at| crls[lists[*at].index].der.clone());
        let builder = WebPkiClientVerifier::builder_with_provider(anchors, Arc::new(crypto::provider()));
        let mut builder = builder.with_crls(crls);
        // webpki uses lists that are out of date unless this is set.
        if rules.expired == ExpiredCrl::Refuse {
            builder = builder.enforce_revocation_expiration();
        }
        if rules.missing == MissingCrl::Ignore {
            builder = builder.allow_unknown_revocation_status();
        }
        Ok(Some(Self { chains: builder.build()?, between: of(&track.between) }))
    }
}

/// Verifies chains by these CAs alone.
fn bare(issuers: Arc<RootCertStore>) -> Option<Arc<dyn ClientCertVerifier>> {
    WebPkiClientVerifier::builder_with_provider(issuers, Arc::new(crypto::provider())).build().ok()
}

fn bad_ca(ca: &[CertificateDer<'_>], index: usize, what: String) -> ClientAuthError {
    let subject = Identity::of(&ca[index]).map(|identity| identity.subject).unwrap_or_default();
    ClientAuthError { at: At::Ca(index), reason: Reason::BadCa(subject, what) }
}

/// The lists that are wrong. webpki's error does not name them, so each is tried alone.
fn culprits(
    error: &VerifierBuilderError,
    ca: &[CertificateDer<'static>],
    crls: &[Given],
    rules: &Rules,
) -> Vec<ClientAuthError> {
    let alone = |index: usize| {
        let list = List::alone(index);
        let track = Track { anchors: (0..ca.len()).collect(), between: Vec::new(), lists: vec![0] };
        let Err(VerifierBuilderError::InvalidCrl(error)) = Way::new(rules, ca, crls, &[list], &track) else {
            return None;
        };
        let reason = ListFault::Unusable(fault::certificate::list_reason(&error)).into();
        Some(ClientAuthError { at: At::List(index), reason })
    };
    let found: Vec<_> = (0..crls.len()).filter_map(alone).collect();
    match found.is_empty() {
        true => vec![ClientAuthError { at: At::Whole, reason: ListFault::Unusable(builder_words(error)).into() }],
        false => found,
    }
}

fn builder_words(error: &VerifierBuilderError) -> String {
    match error {
        VerifierBuilderError::InvalidCrl(error) => fault::certificate::list_reason(error),
        // The other variants mean that there is no CA, which cannot be here.
        _ => "no chain can be verified with it".into(),
    }
}

/// The names by which clients choose a certificate to send: of CAs, and of the issuers of certificates that are trusted
/// themselves.
fn hints(authorities: &Authorities<'_>, known: &Anchors) -> Vec<DistinguishedName> {
    let mut hints = known.issuers().map(|issuers| issuers.subjects()).unwrap_or_default();
    let clients = authorities.parsed.iter().flatten().filter(|parsed| !anchor::may_issue(parsed));
    hints.extend(clients.map(|client| DistinguishedName::from(client.issuer().as_raw().to_vec())));
    hints
}

fn remarks(held: &Held<'_>, settings: &Settings, crls: &[Given]) -> Vec<(At, String)> {
    let authorities = &held.authorities;
    let mut remarks = Vec::new();
    for index in 0..authorities.parsed.len() {
        let subject = authorities.subject(index);
        remarks.extend(authorities.remark(index).map(|remark| (At::Ca(index), remark)));
        if let Some(key) = authorities.unusable_key(index) {
            remarks.push((At::Ca(index), format!("nothing that \"{subject}\" signed can be verified: {key}")));
        }
        let key = authorities.parsed[index].as_ref().filter(|parsed| anchor::may_issue(parsed));
        let key = key.map(|parsed| crypto::sha256(parsed.public_key().raw));
        if key.is_some_and(|key| settings.pins.contains(&key)) {
            let text =
                format!("a pin is the key of the CA \"{subject}\", but pins are compared with the client's own key");
            remarks.push((At::Ca(index), text));
        }
    }
    remarks.extend(of_lists::of(held, crls, &settings.lists, Whose::Clients));
    remarks
}

fn ends(held: &Held<'_>, rules: &Rules) -> Vec<(At, String, i64)> {
    let authorities = &held.authorities;
    let of_ca = authorities.parsed.iter().enumerate().filter_map(|(index, parsed)| {
        let parsed = parsed.as_ref().filter(|parsed| anchor::may_issue(parsed))?;
        Some((At::Ca(index), authorities.subject(index), parsed.validity().not_after.timestamp()))
    });
    of_ca.chain(of_lists::ends(held, rules)).collect()
}

#[cfg(test)]
mod tests;
