//! Bytes both ways after the handshake, up to an end. Knows no certificate, no route, no configuration, and not how a
//! connection is closed.

use rustls::AlertDescription;

mod carrier;
mod intake;
mod outlet;
pub mod passthrough;
pub mod patience;
pub mod peer;
pub mod terminated;

/// Why the relaying ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Both sides ended their data in order.
    Completed,
    /// The backend ended its data in order, but did not take all that the client had sent.
    BackendClosedEarly,
    /// The client closed without close_notify.
    ClientTruncated,
    /// The client's connection broke. `ended` tells whether it had ended its data in order before.
    ClientReset { ended: bool },
    /// The client sent a fatal alert.
    ClientAlert(AlertDescription),
    /// The client sent a record that does not open. `last_words` ends with the alert that tells it so, behind what was on
    /// its way already.
    ClientBadRecord { reason: String, last_words: Vec<u8> },
    /// The backend's connection broke.
    BackendReset,
    /// The backend, over TLS, closed without close_notify.
    BackendTruncated,
    /// The backend, over TLS, sent a fatal alert.
    BackendAlert(AlertDescription),
    /// The backend, over TLS, sent a record that does not open; see `ClientBadRecord`.
    BackendBadRecord { reason: String, last_words: Vec<u8> },
    /// The keys of one side have sealed as much as they may, and TLS 1.2 cannot change them.
    KeysExhausted(String),
    /// No byte moved for too long.
    IdleTimeout,
    /// One direction was over, and no byte moved for too long.
    HalfClosedTimeout,
    /// The server went down. The relay does not find that out: its caller cuts it short.
    BackendDown,
}
