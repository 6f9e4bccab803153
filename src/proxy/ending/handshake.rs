//! What ends a connection where TLS is terminated, up to the end of the handshake.

use crate::observe::access::record::ClientCertificate;
use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Ending, Farewell};
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::handshake::refusal::Refusal;
use crate::tls::record::interface::RecordError;
use crate::tls::trust::clients::again::Distrust;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::rejection::Rejection;

// No text: the outcome is the whole reason.
impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        let outcome = match refusal {
            Refusal::NoCommonVersion => Outcome::NoCommonVersion,
            Refusal::InappropriateFallback => Outcome::InappropriateFallback,
            Refusal::NoCommonSuite => Outcome::NoCommonSuite,
            Refusal::NoCommonGroup => Outcome::NoCommonGroup,
            Refusal::NoCommonProtocol => Outcome::NoCommonProtocol,
            Refusal::NoServerName { .. } => Outcome::NoServerName,
            Refusal::UnknownName => Outcome::UnknownName,
            Refusal::Pending => Outcome::CertificatePending,
            Refusal::NoCommonScheme => Outcome::NoCommonScheme,
        };
        Self::with(outcome, Farewell::Alert(refusal.alert()))
    }
}

// The handshake itself has written the alert, if there is one. `Shut`, so that no reset overtakes it.
impl From<HandshakeError> for Ending {
    fn from(error: HandshakeError) -> Self {
        let reason = error.to_string();
        match error {
            HandshakeError::Closed | HandshakeError::Io(_) => Self::at_once(Outcome::HandshakeClosed).because(reason),
            HandshakeError::Token(_) => Self::with(Outcome::KeyUnavailable, Farewell::Shut).because(reason),
            HandshakeError::Client { fault, shown, .. } => {
                let mut ending = Self::with(outcome(fault), Farewell::Shut).because(reason);
                ending.cause.client_certificate = shown.map(|Identity { subject, key_sha256, .. }| {
                    Box::new(ClientCertificate { subject, verified: false, key_sha256 })
                });
                ending
            }
            HandshakeError::Protocol(RecordError { received_alert: Some(received), .. }) => {
                Self::at_once(Outcome::HandshakeAlert).received(received)
            }
            HandshakeError::Protocol(RecordError { received_alert: None, .. }) => {
                Self::with(Outcome::HandshakeFailed, Farewell::Shut).because(reason)
            }
        }
    }
}

impl Ending {
    /// The client was accepted, and would not be any more, before the backend was connected. `words` are sealed for the client.
    pub fn distrusted(distrust: &Distrust, words: Vec<u8>) -> Self {
        Self::with(outcome(distrust.fault), Farewell::Words(words)).because(distrust.reason.clone())
    }
}

/// The same for a client that is refused and for one that is trusted no more.
pub(super) fn outcome(fault: Rejection) -> Outcome {
    match fault {
        Rejection::Missing => Outcome::ClientCertificateMissing,
        Rejection::Expired => Outcome::ClientCertificateExpired,
        Rejection::Revoked => Outcome::ClientCertificateRevoked,
        Rejection::UnknownCa => Outcome::ClientCertificateUnknownCa,
        Rejection::RevocationUnknown => Outcome::ClientCertificateRevocationUnknown,
        Rejection::Denied => Outcome::ClientCertificateDenied,
        Rejection::Invalid => Outcome::ClientCertificateInvalid,
    }
}
