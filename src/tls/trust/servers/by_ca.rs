//! Servers with a chain to a trusted certificate, and with none of it on a list of revoked ones. Must not know: pins, files.

use std::sync::Arc;

use rustls::CertificateError;
use rustls::Error;
use rustls::RootCertStore;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, VerifierBuilderError};

use crate::tls::trust::anchor;
use crate::tls::trust::anchor::{Anchors, Purpose};
use crate::tls::trust::lists::authorities::{Role, Track};
use crate::tls::trust::lists::given::Given;
use crate::tls::trust::lists::held::Held;
use crate::tls::trust::lists::points;
use crate::tls::trust::lists::remarks;
use crate::tls::trust::lists::remarks::Whose;
use crate::tls::trust::lists::rules::{ExpiredCrl, MissingCrl, Rules};
use crate::tls::trust::lists::seen::Seen;
use crate::tls::trust::lists::weight::{is_unknown, verdict};
use crate::tls::trust::servers::review::Review;
use crate::tls::trust::servers::revocation::{Revocation, TrustError};
use crate::tls::wire::fault;

/// Certificates that are trusted, and what follows chains to them.
#[derive(Debug)]
pub(super) struct ByCa {
    anchors: Anchors,
    ways: Vec<Way>,
    /// Certificates that are trusted themselves and refused all the same, and why.
    refused: Vec<(CertificateDer<'static>, CertificateError)>,
    /// Certificates of servers that are judged by their chain, and so by the lists of their CA.
    chained: Vec<CertificateDer<'static>>,
    no_list_yet: bool,
    missing: MissingCrl,
    learning: Option<Learning>,
}

/// One way to verify a chain.
#[derive(Debug)]
struct Way {
    chains: Arc<WebPkiServerVerifier>,
    between: Vec<CertificateDer<'static>>,
}

/// Takes note of the distribution points in certificates.
#[derive(Debug)]
struct Learning {
    /// Verifies chains without asking whether they are revoked.
    bare: Arc<WebPkiServerVerifier>,
    seen: Arc<Seen>,
}

/// What is to be verified.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) chain: &'a [CertificateDer<'a>],
    pub(super) name: &'a ServerName<'a>,
    pub(super) ocsp: &'a [u8],
    pub(super) now: UnixTime,
}

impl ByCa {
    /// With what there is to say about the lists.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        revocation: &Revocation,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Self, Review), TrustError> {
        let Revocation { given, rules, seen } = revocation;
        let anchors = Anchors::new(certificates.clone()).map_err(|(_, error)| TrustError::Ca(fault::reason(&error)))?;
        let bare = |issuers: Arc<RootCertStore>| {
            let built = WebPkiServerVerifier::builder_with_provider(issuers, Arc::clone(provider)).build();
            built.map_err(|error| TrustError::Ca(error.to_string()))
        };
        let bare = anchors.issuers().map(bare).transpose()?;
        // Without lists, there is one way, and nothing to find out about the CAs.
        if !rules.asked {
            let ways = bare.into_iter().map(|chains| Way { chains, between: Vec::new() }).collect();
            let (refused, chained) = (Vec::new(), Vec::new());
            let (no_list_yet, missing) = (false, rules.missing);
            let by_ca = Self { anchors, ways, refused, chained, no_list_yet, missing, learning: None };
            return Ok((by_ca, Review::default()));
        }
        let held = Held::new(&certificates, given).map_err(TrustError::Lists)?;
        let roles = held.roles(rules);
        let tracks = held.authorities.tracks(&roles, &held.lists).ok_or(TrustError::TooManyNamesakes)?;
        let ways = tracks.iter().map(|track| Way::new((rules, &certificates, given), &held, track, provider));
        let ways = ways.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let of = |is: &dyn Fn(&usize) -> bool| {
            (0..certificates.len()).filter(is).map(|at| certificates[at].clone()).collect::<Vec<_>>()
        };
        let refused = (0..certificates.len())
            .filter_map(|at| Some((certificates[at].clone(), held.fault(at, roles[at], rules)?)));
        let learning = bare.zip(seen.clone()).filter(|_| rules.points);
        let by_ca = Self {
            ways,
            refused: refused.collect(),
            chained: of(&|at| roles[*at] == Role::Client && held.authorities.has_issuer(*at)),
            no_list_yet: rules.missing == MissingCrl::Refuse && held.lists.is_empty(),
            missing: rules.missing,
            learning: learning.map(|(bare, seen)| Learning { bare, seen }),
            anchors,
        };
        let review = Review {
            remarks: remarks::of(&held, given, rules, Whose::Servers),
            ends: remarks::ends(&held, rules),
            used: held.used(),
            left_out: held.left_out,
        };
        Ok((by_ca, review))
    }

    pub(super) fn verify(&self, shown: Shown<'_>) -> Result<ServerCertVerified, Error> {
        let Shown { leaf, name, now, .. } = shown;
        if self.anchors.contain(leaf) && !self.chained.iter().any(|one| one == leaf) {
            if let Some((_, fault)) = self.refused.iter().find(|(one, _)| one == leaf) {
                return Err(fault.clone().into());
            }
            let parsed = ParsedCertificate::try_from(leaf)?;
            anchor::may_be_used(leaf, Purpose::Server, now)?;
            verify_server_name(&parsed, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.by_chain(shown);
        self.learn(&verified, shown);
        verified
    }

    fn by_chain(&self, shown: Shown<'_>) -> Result<ServerCertVerified, Error> {
        match verdict(self.ways.iter().map(|way| way.verify(shown)), self.missing) {
            Ok(_) if self.no_list_yet => Err(CertificateError::UnknownRevocationStatus.into()),
            verified => verified,
        }
    }

    /// Takes note of where the list is that could revoke this certificate. Only that of a server whose chain is good counts.
    fn learn(&self, verified: &Result<ServerCertVerified, Error>, shown: Shown<'_>) {
        let Some(Learning { bare, seen }) = &self.learning else { return };
        if !verified.as_ref().err().is_none_or(is_unknown) {
            return;
        }
        let points = points::of(shown.leaf);
        let Shown { leaf, chain, name, ocsp, now } = shown;
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if seen.know(&points, at) {
            return;
        }
        if verified.is_ok() || bare.verify_server_cert(leaf, chain, name, ocsp, now).is_ok() {
            seen.note(points, at);
        }
    }
}

impl Way {
    /// `None` where the track has no anchor.
    fn new(
        (rules, ca, given): (&Rules, &[CertificateDer<'static>], &[Given]),
        held: &Held<'_>,
        track: &Track,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, VerifierBuilderError> {
        let of = |indices: &[usize]| indices.iter().map(|at| ca[*at].clone()).collect::<Vec<_>>();
        let anchors = Anchors::new(of(&track.anchors)).ok().and_then(|anchors| anchors.issuers());
        let Some(anchors) = anchors else { return Ok(None) };
        let crls = track.lists.iter().map(|at| given[held.lists[*at].index].der.clone());
        let mut builder = WebPkiServerVerifier::builder_with_provider(anchors, Arc::clone(provider)).with_crls(crls);
        // webpki uses lists that are out of date unless this is set.
        if rules.expired == ExpiredCrl::Refuse {
            builder = builder.enforce_revocation_expiration();
        }
        if rules.missing == MissingCrl::Ignore {
            builder = builder.allow_unknown_revocation_status();
        }
        Ok(Some(Self { chains: builder.build()?, between: of(&track.between) }))
    }

    fn verify(&self, Shown { leaf, chain, name, ocsp, now }: Shown<'_>) -> Result<ServerCertVerified, Error> {
        let verified = match self.between.is_empty() {
            true => self.chains.verify_server_cert(leaf, chain, name, ocsp, now),
            false => {
                let all: Vec<_> = chain.iter().chain(&self.between).cloned().collect();
                self.chains.verify_server_cert(leaf, &all, name, ocsp, now)
            }
        };
        verified.map_err(|error| match error {
            // All lists were good when they were loaded: this one is of a CA with the same name and another key.
            Error::InvalidCertRevocationList(_) => CertificateError::UnknownRevocationStatus.into(),
            other => other,
        })
    }
}

fn wrong(error: VerifierBuilderError) -> TrustError {
    match error {
        VerifierBuilderError::InvalidCrl(error) => TrustError::List(fault::certificate::list_reason(&error)),
        other => TrustError::Ca(other.to_string()),
    }
}
