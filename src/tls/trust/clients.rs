//! The certificates of clients, and whether they are good: CA, revocation, allowed names, pinned keys.
//! Must not know: files, which listener they are for, how outcomes are logged.
//!
//! The chain and its revocation are judged by rustls's verifier (webpki); names and pins come after it. A ticket, or a
//! session by id, is valid no longer than the certificates of its session, and than the lists that showed them as not
//! revoked. A fault that would refuse every client is found when this is built, not when clients connect.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::tls::crypto;
use crate::tls::trust::lists::ListFault;
use crate::tls::trust::lists::given::Given;
use crate::tls::trust::lists::held::Used;
use crate::tls::trust::lists::points;
use crate::tls::trust::lists::remarks::At;
use crate::tls::trust::lists::seen::Seen;
use crate::tls::trust::lists::weight::is_unknown;

pub mod again;
pub mod bounded;
pub mod build;
pub mod fingerprint;
pub mod identity;
pub mod rejection;
pub mod settings;

use build::{ClientAuthError, Trusted};
use identity::Identity;
use settings::{Demand, Settings};

/// Everything by which client certificates are judged.
#[derive(Debug)]
pub struct ClientAuth {
    settings: Settings,
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
    fingerprint: [u8; 32],
    /// Takes note of the distribution points in clients' certificates; `None` where nobody asks for them.
    seen: Option<Arc<Seen>>,
}

impl ClientAuth {
    /// Reports all errors together.
    pub fn new(
        mut settings: Settings,
        ca: Vec<CertificateDer<'static>>,
        crls: Vec<Given>,
    ) -> Result<Self, Vec<ClientAuthError>> {
        let fingerprint = fingerprint::of(&settings, &ca, &crls);
        // A list in a file can be long: a pin is searched for by halves.
        settings.pins.sort_unstable();
        let trusted = Trusted::new(&settings, ca, crls)?;
        let algorithms = crypto::provider().signature_verification_algorithms;
        Ok(Self { settings, trusted, algorithms, fingerprint, seen: None })
    }

    /// The same, where its settings ask for distribution points, with who takes note of them.
    #[must_use]
    pub fn learning(self, seen: Arc<Seen>) -> Self {
        let seen = Some(seen).filter(|_| self.settings.lists.points);
        Self { seen, ..self }
    }

    /// SHA-256 of settings, CAs and lists: equal only for equal ones.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// All warnings at that time (seconds since 1970).
    pub fn warnings(&self, now: i64) -> Vec<(At, String)> {
        self.trusted.warnings(now)
    }

    /// What the lists that are used say of themselves.
    pub fn used(&self) -> &[Used] {
        self.trusted.used()
    }

    /// Lists that came over the network and cannot be used, by their indexes.
    pub fn left_out(&self) -> &[(usize, ListFault)] {
        self.trusted.left_out()
    }

    /// The settings that it was built with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A verifier for one connection.
    pub fn session(self: &Arc<Self>) -> Arc<Session> {
        Arc::new(Session {
            auth: Arc::clone(self),
            good_until: AtomicI64::new(i64::MAX),
            shown: OnceLock::new(),
            reason: OnceLock::new(),
        })
    }
}

/// The verifier for one connection, which also keeps what it found.
#[derive(Debug)]
pub struct Session {
    auth: Arc<ClientAuth>,
    /// When tickets of this session end, in seconds since 1970.
    good_until: AtomicI64,
    shown: OnceLock<Identity>,
    reason: OnceLock<String>,
}

impl Session {
    /// The owner of the certificate that the client sent in this handshake, good or bad.
    pub fn shown(&self) -> Option<&Identity> {
        self.shown.get()
    }

    /// The last second at which the verdict holds, since 1970: for the certificates of this handshake, or of the one that began
    /// the session.
    pub fn good_until(&self) -> i64 {
        self.good_until.load(Ordering::Relaxed)
    }

    /// What is wrong with the certificate, as text, where more is known than the kind of fault.
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Takes note of where the list is that could revoke this certificate. Only that of a client whose chain is good counts:
    /// anybody could make us ask for any address otherwise.
    fn learn(
        &self,
        verified: &Result<(), Error>,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) {
        let Some(seen) = &self.auth.seen else { return };
        if !verified.as_ref().err().is_none_or(is_unknown) {
            return;
        }
        let (points, at) = (points::of(leaf), seconds(now));
        if !seen.know(&points, at) && (verified.is_ok() || self.auth.trusted.is_chained(leaf, others, now)) {
            seen.note(points, at);
        }
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let identity = Identity::of(leaf);
        if let Some(identity) = &identity {
            // Set once: a client sends its certificate once in a handshake.
            let _ = self.shown.set(identity.clone());
        }
        let sent = others.len() + 1;
        if sent > MOST_CERTIFICATES {
            let _ = self
                .reason
                .set(format!("found {sent} certificates of the client, expected at most {MOST_CERTIFICATES}"));
            return Err(CertificateError::BadEncoding.into());
        }
        let verified = self.auth.trusted.verify(leaf, others, now);
        self.learn(&verified, leaf, others, now);
        verified.map_err(|error| {
            if let Some(reason) = rejection::reason(&error, leaf, others) {
                let _ = self.reason.set(reason);
            }
            match error {
                // For the alert bad_certificate (RFC 8446 section 6.2): rustls would send decrypt_error, which is for the
                // handshake's own signature.
                Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::BadEncoding.into(),
                // For the alert unsupported_certificate, which is for a certificate "of an unsupported type".
                Error::InvalidCertificate(cause) if rejection::is_version(&cause) => {
                    CertificateError::InvalidPurpose.into()
                }
                other => other,
            }
        })?;
        let identity = identity.ok_or(CertificateError::BadEncoding)?;
        let Settings { names, pins, .. } = &self.auth.settings;
        let named = names.is_empty() || names.iter().any(|allowed| identity.has(allowed));
        let pinned = pins.is_empty() || pins.binary_search(&identity.key_sha256).is_ok();
        if !named || !pinned {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        // One that has ended already does not matter, since the verdict is good without it.
        let now = seconds(now);
        let others = others.iter().filter_map(|other| Identity::of(other)).map(|other| other.not_after);
        let others = others.filter(|end| *end >= now);
        let good_until = others.chain([identity.not_after, self.auth.trusted.lists_good_until()]).min();
        self.good_until.store(good_until.unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(ClientCertVerified::assertion())
    }
}

/// Since 1970.
fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

impl ClientCertVerifier for Session {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.auth.settings.demand == Demand::Require
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.auth.trusted.hints()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.auth.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.auth.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.auth.algorithms.supported_schemes()
    }
}

/// So many certificates can a client send, its own among them. A real chain has two to five. Each one that has the issuer's name
/// costs a verification, at each handshake and whenever the client is judged again.
const MOST_CERTIFICATES: usize = 10;

#[cfg(test)]
mod tests;
