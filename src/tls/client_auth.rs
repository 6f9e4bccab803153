//! Certificates that clients have to show, and whether they are good: CA, revocation, allowed names, pinned keys.
//! Must not know: files, which listener it serves, how outcomes are logged.
//!
//! The chain and its revocation are judged by rustls's verifier (webpki); names and pins come after it. A ticket is good
//! no longer than the certificates that its session was opened with, and than the lists that said they are not revoked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ProducesTickets, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, RootCertStore, SignatureScheme,
};
use thiserror::Error as ThisError;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::tls::crypto;
use crate::tls::tickets::Clock;

mod identity;

pub use identity::{Allowed, Identity, NameFault};

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// It may go without; one that it shows must be good.
    Optional,
    /// It must.
    Require,
}

/// What becomes of a client when the list that would tell of its revocation is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpiredCrl {
    Refuse,
    /// The list counts as if it were still good.
    Ignore,
}

/// What is asked of clients besides a chain to a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub demand: Demand,
    pub expired_crl: ExpiredCrl,
    /// One of these must be in the certificate; where there are none, any will do.
    pub names: Vec<Allowed>,
    /// SHA-256 of a SubjectPublicKeyInfo. The certificate's key must be one of these; where there are none, any will do.
    pub pins: Vec<[u8; 32]>,
}

/// All that clients are judged by.
#[derive(Debug)]
pub struct ClientAuth {
    settings: Settings,
    chain: Arc<dyn ClientCertVerifier>,
    /// When the first of the lists is out of date, if that counts.
    lists_good_until: i64,
    fingerprint: [u8; 32],
}

/// Why it cannot be built.
#[derive(Debug, ThisError)]
pub enum ClientAuthError {
    #[error("no certificate of a CA in it")]
    NoCa,
    #[error("a CA's certificate cannot be used: {0}")]
    BadCa(Error),
    #[error("a list of revoked certificates cannot be used: {0}")]
    BadCrl(String),
    #[error("{0}")]
    Other(VerifierBuilderError),
}

/// What is wrong with a client's certificate. Each has its alert (RFC 8446 section 6.2), which rustls sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none: `certificate_required`, also under TLS 1.2, where RFC 5246 knows only `handshake_failure`.
    Missing,
    /// `certificate_expired`, also where it is not valid yet.
    Expired,
    /// `certificate_revoked`
    Revoked,
    /// `unknown_ca`
    UnknownCa,
    /// Whether it is revoked cannot be told: `unknown_ca`, as other libraries have it.
    RevocationUnknown,
    /// None of the allowed names or keys: `access_denied`.
    Denied,
    /// Anything else: `bad_certificate`, `unsupported_certificate`, `decrypt_error` …
    Invalid,
}

impl ClientAuth {
    pub fn new(
        settings: Settings,
        ca: Vec<CertificateDer<'static>>,
        crls: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, ClientAuthError> {
        if ca.is_empty() {
            return Err(ClientAuthError::NoCa);
        }
        let fingerprint = fingerprint(&settings, &ca, &crls);
        let lists_good_until = match settings.expired_crl {
            ExpiredCrl::Refuse => crls.iter().map(|crl| next_update(crl)).try_fold(i64::MAX, |a, b| Ok(a.min(b?)))?,
            ExpiredCrl::Ignore => i64::MAX,
        };
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            roots.add(certificate).map_err(ClientAuthError::BadCa)?;
        }
        let provider = Arc::new(crypto::provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(crls);
        if settings.demand == Demand::Optional {
            builder = builder.allow_unauthenticated();
        }
        if settings.expired_crl == ExpiredCrl::Refuse {
            builder = builder.enforce_revocation_expiration();
        }
        let chain = builder.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(error) => ClientAuthError::BadCrl(format!("{error:?}")),
            other => ClientAuthError::Other(other),
        })?;
        Ok(Self { settings, chain, lists_good_until, fingerprint })
    }

    /// The same for the same settings, CA and lists, and for no others.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// When the first of the lists is out of date, where that counts; in seconds since 1970.
    pub fn lists_good_until(&self) -> i64 {
        self.lists_good_until
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Judges one client.
    pub fn session(self: &Arc<Self>) -> Arc<Session> {
        Arc::new(Session { auth: Arc::clone(self), good_until: AtomicI64::new(i64::MAX), shown: OnceLock::new() })
    }
}

/// One client, judged.
#[derive(Debug)]
pub struct Session {
    auth: Arc<ClientAuth>,
    /// Until when a ticket of this session is good, in seconds since 1970.
    good_until: AtomicI64,
    shown: OnceLock<Identity>,
}

impl Session {
    /// Whose certificate was shown in this handshake, good or bad.
    pub fn shown(&self) -> Option<&Identity> {
        self.shown.get()
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let identity = Identity::of(leaf);
        if let Some(identity) = &identity {
            // It is set once: a client shows its certificate once.
            let _ = self.shown.set(identity.clone());
        }
        let verified = self.auth.chain.verify_client_cert(leaf, others, now).map_err(|error| match error {
            // RFC 8446 section 6.2 has bad_certificate for it; decrypt_error is for the handshake's own signature.
            Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::BadEncoding.into(),
            other => other,
        })?;
        let identity = identity.ok_or(CertificateError::BadEncoding)?;
        let Settings { names, pins, .. } = &self.auth.settings;
        let named = names.is_empty() || names.iter().any(|allowed| identity.bears(allowed));
        let pinned = pins.is_empty() || pins.contains(&identity.key_sha256);
        if !named || !pinned {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let others = others.iter().filter_map(|other| Identity::of(other)).map(|other| other.not_after);
        let good_until = others.chain([identity.not_after, self.auth.lists_good_until]).min();
        self.good_until.store(good_until.unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(verified)
    }
}

impl ClientCertVerifier for Session {
    fn offer_client_auth(&self) -> bool {
        self.auth.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.auth.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.auth.chain.root_hint_subjects()
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
        self.auth.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.auth.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.auth.chain.supported_verify_schemes()
    }
}

/// Tickets that say until when they are good.
#[derive(Debug)]
pub struct Bounded {
    pub tickets: Arc<dyn ProducesTickets>,
    pub session: Arc<Session>,
    pub clock: Clock,
}

impl ProducesTickets for Bounded {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let good_until = self.session.good_until.load(Ordering::Relaxed);
        self.tickets.encrypt(&[&good_until.to_be_bytes()[..], plain].concat())
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let opened = self.tickets.decrypt(sealed)?;
        let (good_until, plain) = opened.split_first_chunk::<8>()?;
        let good_until = i64::from_be_bytes(*good_until);
        // The next ticket of a resumed session is good no longer than this one.
        self.session.good_until.store(good_until, Ordering::Relaxed);
        (good_until >= (self.clock)()).then(|| plain.to_vec())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "the client showed no certificate",
            Self::Expired => "the client's certificate has expired or is not valid yet",
            Self::Revoked => "the client's certificate, or one above it, is revoked",
            Self::UnknownCa => "the client's certificate leads to none of the CAs",
            Self::RevocationUnknown => {
                "there is no current list that tells whether the client's certificate is revoked"
            }
            Self::Denied => "the client's certificate bears no allowed name, or its key is not pinned",
            Self::Invalid => "the client's certificate is malformed, wrongly signed or made for something else",
        })
    }
}

impl Fault {
    /// What a handshake's error says about the client's certificate, if it is about that.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::NoCertificatesPresented => Some(Self::Missing),
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Some(Self::Invalid)
            }
            Error::InvalidCertificate(error) => Some(match error {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::Revoked => Self::Revoked,
                CertificateError::UnknownIssuer => Self::UnknownCa,
                CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
                CertificateError::ApplicationVerificationFailure => Self::Denied,
                _ => Self::Invalid,
            }),
            _ => None,
        }
    }
}

fn next_update(crl: &CertificateRevocationListDer<'_>) -> Result<i64, ClientAuthError> {
    let (_, crl) = CertificateRevocationList::from_der(crl)
        .map_err(|error| ClientAuthError::BadCrl(format!("it cannot be read ({error})")))?;
    Ok(crl.next_update().map_or(i64::MAX, |time| time.timestamp()))
}

/// What [`ClientAuth::fingerprint`] will be.
pub fn fingerprint(
    settings: &Settings,
    ca: &[CertificateDer<'_>],
    crls: &[CertificateRevocationListDer<'_>],
) -> [u8; 32] {
    let mut all = Vec::new();
    for part in [format!("{settings:?}").as_bytes()]
        .into_iter()
        .chain(ca.iter().map(AsRef::as_ref))
        .chain([&b"lists"[..]])
        .chain(crls.iter().map(AsRef::as_ref))
    {
        all.extend_from_slice(&crypto::sha256(part));
    }
    crypto::sha256(&all)
}

#[cfg(test)]
mod tests;
