//! Relays bytes both ways after the handshake, until that ends. Must not know: certificates, routes, the configuration,
//! how a connection is closed.

use std::sync::Arc;

use rustls::AlertDescription;

use crate::live::call::Call;
use crate::observe::metrics::Traffic;
use crate::tls::trust::clients::again::Distrust;

mod called;
mod carrier;
mod direction;
mod intake;
mod leaving;
mod outlet;
pub mod passthrough;
pub mod patience;
pub mod peer;
mod share;
mod stall;
pub mod terminated;
mod way;

/// What others see of a relay while it runs, and how they reach it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Up to date all the time.
    pub traffic: &'a Traffic,
    /// Where the relay is asked to end.
    pub call: &'a Call,
}

/// Who has asked a relay to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Operator,
    /// `max_connection_age`.
    Age,
}

/// How a relay left its peers that was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// When nothing was under way, or at its limit.
    Politely,
    /// It was to end immediately.
    AtOnce,
}

/// Why the relay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Both sides ended their data in an orderly way.
    Completed,
    /// The backend ended its data in an orderly way, but did not take everything that the client had sent.
    BackendClosedEarly,
    /// The client closed without close_notify.
    ClientTruncated,
    /// The client's connection was reset. `ended`: the client had ended its data in an orderly way before.
    ClientReset { ended: bool },
    /// The client sent a fatal alert.
    ClientAlert(AlertDescription),
    /// The client sent a record that cannot be decrypted or is not valid. `last_words` has to be written to the client:
    /// what was on its way already, then the alert.
    ClientBadRecord { reason: String, last_words: Vec<u8> },
    /// The backend's connection was reset.
    BackendReset,
    /// The backend, which uses TLS, closed without close_notify.
    BackendTruncated,
    /// The backend, which uses TLS, sent a fatal alert.
    BackendAlert(AlertDescription),
    /// The backend, which uses TLS, sent a record that cannot be decrypted or is not valid; see `ClientBadRecord`.
    BackendBadRecord { reason: String, last_words: Vec<u8> },
    /// The keys of one side have encrypted as much as they may, and TLS 1.2 cannot change them.
    KeysExhausted(String),
    /// No byte moved for `idle_timeout`.
    IdleTimeout,
    /// One direction had ended, and no byte moved for `half_close_timeout`.
    HalfClosedTimeout,
    /// Memory is short, and a peer had taken nothing for a while of what is held for it.
    MemoryStalled,
    /// It was asked to end.
    Asked { by: By, left: Left },
    /// The client's certificate, which was accepted once, would not be accepted any more; see `ClientBadRecord`.
    Distrusted { distrust: Arc<Distrust>, last_words: Vec<u8> },
    /// The server went down. The relay itself does not know that: its caller ends it.
    BackendDown,
}
