//! One of the two ways of a relay between peers of which one or both use TLS: how far it has come. Must not know: what moves
//! on it.

use crate::relay::End;

/// The state of one way.
#[derive(Default)]
pub(super) struct Way {
    pub(super) state: State,
    /// The receiver has reset its connection: an end of its data that is seen later is not a real one.
    pub(super) broke: bool,
}

#[derive(Default)]
pub(super) enum State {
    #[default]
    Open,
    /// The source has ended its data; that is passed on as soon as the other peer has everything.
    Ending,
    /// The end was passed on. What the source still sends is not data; `ignored` counts its bytes.
    Ended { ignored: usize },
    /// Ended, and the source has closed, or sends more than is read for it.
    Closed,
    /// A record could not be opened, or an alert was received: what was sent before it is delivered first. Boxed, since every
    /// idle connection has two of these.
    Failing(Box<End>),
    /// The other peer accepts no more.
    Refused,
}

impl Way {
    /// The source has ended its data.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ending | State::Ended { .. } | State::Closed)
    }

    /// The receiver knows, or is about to know, that the source has ended its data: nothing may follow (RFC 8446 section 6.1).
    pub(super) fn has_told(&self) -> bool {
        self.has_ended() || self.is_over()
    }

    /// Nothing more is written on this way.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Ended { .. } | State::Closed | State::Refused)
    }
}
