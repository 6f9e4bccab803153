//! What ends a connection whose bytes were relayed: neither peer may mistake truncated data for complete data.

use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Closing, Ending, Farewell, handshake};
use crate::relay::{By, End, Left};
use crate::tls::wire::alert;

impl Ending {
    /// TLS was terminated. A client that receives no close_notify knows by that alone that its data is truncated.
    pub fn terminated(end: End) -> Self {
        let ending = Self::relayed(&end);
        let (client, backend) = match end {
            End::Completed | End::ClientReset { ended: true } => (Farewell::Close, Farewell::Close),
            // The client still receives what is on its way to it.
            End::BackendReset | End::BackendTruncated | End::BackendAlert(_) | End::KeysExhausted(_) => {
                (Farewell::Shut, Farewell::Reset)
            }
            // One attempt to send the alert is enough: a backend that does not read has no use for it.
            End::BackendBadRecord { last_words, .. } => (Farewell::Shut, Farewell::Deliver(last_words)),
            End::BackendClosedEarly => (Farewell::Shut, Farewell::Close),
            // It has been told of the end of the data already, and only a reset says that this is another one.
            End::Distrusted { last_words, .. } if last_words.is_empty() => (DELIVER, DELIVER),
            End::ClientBadRecord { last_words, .. } | End::Distrusted { last_words, .. } => {
                (Farewell::Words(last_words), DELIVER)
            }
            End::ClientTruncated | End::ClientReset { ended: false } | End::ClientAlert(_) => {
                (Farewell::Close, DELIVER)
            }
            // A client that reads has everything by now. One that does not read may have stopped the relay.
            End::IdleTimeout | End::HalfClosedTimeout => (Farewell::Finish, DELIVER),
            End::BackendDown => (Farewell::Close, Farewell::Reset),
            // As at a time limit: neither side has ended its data, and neither is told that the other one has.
            End::Asked { left: Left::Politely, .. } => (Farewell::Finish, DELIVER),
            End::Asked { left: Left::AtOnce, .. } => (Farewell::Reset, Farewell::Reset),
            // What waits for either peer is memory, also in the kernel: a reset frees it.
            End::MemoryStalled => (Farewell::Reset, Farewell::Reset),
        };
        Self { closing: Closing { client, backend }, ..ending }
    }

    /// The bytes were passed through. An orderly end is passed on as an end, anything else as a reset.
    pub fn passed_through(end: End) -> Self {
        let (client, backend) = match &end {
            End::Completed => (Farewell::Close, Farewell::Close),
            // The client has its answer and the end of it. What it still sends has no receiver.
            End::BackendClosedEarly => (Farewell::Shut, Farewell::Close),
            End::Asked { left: Left::AtOnce, .. } => (Farewell::Reset, Farewell::Reset),
            End::Asked { left: Left::Politely, .. } => (DELIVER, DELIVER),
            End::BackendReset => (DELIVER, Farewell::Reset),
            End::ClientReset { .. } | End::IdleTimeout | End::HalfClosedTimeout => (Farewell::Reset, DELIVER),
            // A relay that does not read TLS returns none of these.
            End::ClientTruncated
            | End::ClientAlert(_)
            | End::ClientBadRecord { .. }
            | End::BackendTruncated
            | End::BackendAlert(_)
            | End::BackendBadRecord { .. }
            | End::Distrusted { .. }
            | End::KeysExhausted(_) => (Farewell::Reset, DELIVER),
            End::BackendDown | End::MemoryStalled => (Farewell::Reset, Farewell::Reset),
        };
        Self { closing: Closing { client, backend }, ..Self::relayed(&end) }
    }

    fn relayed(end: &End) -> Self {
        match end {
            End::Completed => Self::at_once(Outcome::Completed),
            End::BackendClosedEarly => Self::at_once(Outcome::BackendClosedEarly),
            End::ClientTruncated => Self::at_once(Outcome::ClientTruncated),
            End::ClientReset { .. } => Self::at_once(Outcome::ClientReset),
            End::ClientAlert(received) => Self::at_once(Outcome::ClientAlert).received(*received),
            End::ClientBadRecord { reason, .. } => Self::at_once(Outcome::ClientBadRecord).because(reason.as_str()),
            End::Distrusted { distrust, .. } => {
                Self::at_once(handshake::outcome(distrust.fault)).because(distrust.reason.clone())
            }
            End::MemoryStalled => Self::at_once(Outcome::MemoryStalled),
            End::BackendReset => Self::at_once(Outcome::BackendReset),
            End::BackendTruncated => Self::at_once(Outcome::BackendTruncated),
            End::BackendAlert(received) => {
                Self::at_once(Outcome::BackendAlert).because(format!("the backend sent {}", alert::name(*received)))
            }
            End::BackendBadRecord { reason, .. } => Self::at_once(Outcome::BackendBadRecord).because(reason.as_str()),
            End::KeysExhausted(reason) => Self::at_once(Outcome::KeysExhausted).because(reason.as_str()),
            End::IdleTimeout => Self::at_once(Outcome::IdleTimeout),
            End::HalfClosedTimeout => Self::at_once(Outcome::HalfClosedTimeout),
            End::BackendDown => Self::at_once(Outcome::BackendDown),
            End::Asked { by: By::Operator, .. } => Self::at_once(Outcome::ClosedByOperator),
            End::Asked { by: By::Age, .. } => Self::at_once(Outcome::MaxAge),
        }
    }
}

const DELIVER: Farewell = Farewell::Deliver(Vec::new());
