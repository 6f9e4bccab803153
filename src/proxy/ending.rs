//! Why a connection ends: what the record reports of it, and how each side is closed. Every stage's error becomes an
//! [`Ending`] in one of the files below, and nowhere else. Pure, except for `close`, which closes both sides.
//! Must not know: in which order the stages come, how a record is written.

use rustls::AlertDescription;

use crate::observe::access::record::ClientCertificate;
use crate::observe::outcome::Outcome;

mod backend;
pub mod beginning;
pub mod close;
mod handshake;
mod relay;

/// The end of a connection.
#[derive(Debug, Clone)]
pub struct Ending {
    pub cause: Cause,
    pub closing: Closing,
}

/// What the record reports of an end.
#[derive(Debug, Clone)]
pub struct Cause {
    pub outcome: Outcome,
    /// The reason as a text, where the outcome alone is not the whole reason.
    pub reason: Option<Box<str>>,
    /// The alert that the client sent.
    pub received_alert: Option<AlertDescription>,
    /// The certificate that the client presented, if it was not accepted.
    pub client_certificate: Option<Box<ClientCertificate>>,
}

/// How both sides are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub client: Farewell,
    /// Used only if the backend is connected already.
    pub backend: Farewell,
}

/// What one peer sees of the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// An ordinary, immediate close.
    Close,
    /// An ordinary close as soon as the kernel has sent what was written; a reset if it cannot, since the peer does not read.
    Finish,
    /// The end of what we send. What the peer still sends is read for a bounded time: closing with unread bytes would
    /// send a reset, which can overtake what was sent before.
    Shut,
    /// A fatal alert in plaintext (RFC 8446 section 6.2), and then as for `Shut`.
    Alert(AlertDescription),
    /// A fatal alert in plaintext, and then an immediate close: where it must cost little. What the peer still sends can
    /// overtake the alert.
    Notice(AlertDescription),
    /// These bytes, and then as for `Shut`.
    Words(Vec<u8>),
    /// An immediate reset.
    Reset,
    /// A reset as soon as the kernel has sent what was written. Before that, one attempt to write these bytes.
    Deliver(Vec<u8>),
}

impl Farewell {
    /// The alert that the peer receives, if it receives one in plaintext.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Alert(description) | Self::Notice(description) => Some(*description),
            Self::Close | Self::Finish | Self::Shut | Self::Words(_) | Self::Reset | Self::Deliver(_) => None,
        }
    }
}

impl Ending {
    /// Both sides are closed immediately.
    fn at_once(outcome: Outcome) -> Self {
        Self::with(outcome, Farewell::Close)
    }

    /// No backend is connected yet.
    fn with(outcome: Outcome, client: Farewell) -> Self {
        let cause = Cause { outcome, reason: None, received_alert: None, client_certificate: None };
        Self { cause, closing: Closing { client, backend: Farewell::Close } }
    }

    /// The same for a client whose bytes are passed through: what it receives may mark no end by itself, so a FIN without the
    /// backend's would be a complete, empty answer. Nothing was sent to it.
    pub fn without_an_answer(mut self) -> Self {
        self.closing.client = Farewell::Reset;
        self
    }

    fn because(mut self, reason: impl Into<Box<str>>) -> Self {
        self.cause.reason = Some(reason.into());
        self
    }

    fn received(mut self, alert: AlertDescription) -> Self {
        self.cause.received_alert = Some(alert);
        self
    }
}

#[cfg(test)]
mod tests;
