//! How a handshake of either side fails. Must not know: how the handshake runs, how failures are counted.

use thiserror::Error;

use crate::tls::record::interface::RecordError;
use crate::tls::token::error::TokenError;
use crate::tls::trust::clients::Session;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::rejection::Rejection;

/// How a handshake failed.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The peer broke the protocol or sent an alert.
    #[error("{0}")]
    Protocol(RecordError),
    /// The client's certificate is missing or refused; `shown` is the identity in it.
    #[error("{reason}{}", .shown.as_ref().map(|shown| format!(": {:?}", shown.subject)).unwrap_or_default())]
    Client { fault: Rejection, error: RecordError, shown: Option<Identity>, reason: String },
    /// The private key is in a token, which did not sign.
    #[error("{0}")]
    Token(TokenError),
    #[error("the client closed the connection during the handshake")]
    Closed,
    #[error("{0}")]
    Io(std::io::Error),
}

impl HandshakeError {
    /// The same for an error of the record layer, in which a token's can be.
    pub(super) fn of(error: RecordError) -> Self {
        match TokenError::within(&error.error) {
            Some(of_token) => Self::Token(of_token.clone()),
            None => Self::Protocol(error),
        }
    }

    /// Turns a rejection of the client's certificate by `session` into [`HandshakeError::Client`]. Other errors stay as
    /// they are.
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
