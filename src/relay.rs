//! Bytes both ways after the handshake, and how a connection is taken down when they end. Knows no certificate, no
//! route, no configuration.

use rustls::AlertDescription;

use crate::net::close::{self, Unfinished};
use crate::net::stream::Stream;

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
}

/// Closes both connections so that neither peer takes a truncation for an end.
pub async fn close_both(end: &End, mut client: Stream, backend: Unfinished) {
    match end {
        End::Completed | End::ClientReset { ended: true } => backend.finish(),
        // The client gets what is under way; the missing close_notify tells it that the rest is not.
        End::BackendReset | End::BackendTruncated | End::BackendAlert(_) | End::KeysExhausted(_) => {
            drop(backend);
            close::with_last_words(&mut client, &[]).await;
        }
        End::BackendBadRecord { last_words, .. } => {
            // One try: a backend that does not read has no use for it.
            let _ = backend.as_ref().try_write(last_words);
            tokio::join!(close::with_last_words(&mut client, &[]), backend.reset_after_delivery());
        }
        End::BackendClosedEarly => {
            backend.finish();
            close::with_last_words(&mut client, &[]).await;
        }
        // Closing gently lets the alert arrive.
        End::ClientBadRecord { last_words, .. } => {
            tokio::join!(close::with_last_words(&mut client, last_words), backend.reset_after_delivery());
        }
        End::ClientTruncated
        | End::ClientReset { ended: false }
        | End::ClientAlert(_)
        | End::IdleTimeout
        | End::HalfClosedTimeout => {
            drop(client);
            backend.reset_after_delivery().await;
        }
    }
}
