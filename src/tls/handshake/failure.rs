//! How a handshake of either side fails. Must not know: how it is run, how failures are counted.

use thiserror::Error;

use crate::tls::record::interface::RecordError;
use crate::tls::trust::clients::Session;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::rejection::Rejection;

/// How a handshake failed.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The client broke the protocol or sent an alert.
    #[error("{0}")]
    Protocol(RecordError),
    /// What the client showed of itself is not good enough.
    #[error("{reason}{}", .shown.as_ref().map(|shown| format!(": {:?}", shown.subject)).unwrap_or_default())]
    Client { fault: Rejection, error: RecordError, shown: Option<Identity>, reason: String },
    #[error("the client closed the connection during the handshake")]
    Closed,
    #[error("{0}")]
    Io(std::io::Error),
}

impl HandshakeError {
    /// What it is about the client, where it is judged by `session` and that is what ended the handshake.
    pub(super) fn of_client(self, session: Option<&Session>) -> Self {
        match self {
            Self::Protocol(error) => match session.and_then(|_| Rejection::of(&error.error)) {
                Some(fault) => {
                    let reason = session.and_then(Session::reason).map_or_else(|| fault.to_string(), str::to_owned);
                    Self::Client { fault, error, shown: session.and_then(Session::shown).cloned(), reason }
                }
                None => Self::Protocol(error),
            },
            other => other,
        }
    }
}
