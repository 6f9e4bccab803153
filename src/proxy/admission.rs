//! Lets a connection in, or says with which outcome it is refused. Must not know: sockets, what a connection does.

use std::net::IpAddr;

use crate::limit::admission::{Place, Refused, Share};
use crate::observe::outcome::Outcome;
use crate::snapshot::Listener;

/// Held by a connection that was let in.
#[derive(Debug)]
pub struct Admitted {
    _place: Place,
    _share: Option<Share>,
}

impl Admitted {
    /// Asks for the client first: one that is refused must not use up what all have together.
    pub fn direct(listener: &Listener, client: IpAddr) -> Result<Self, Outcome> {
        let share = listener.admission.client(client).map_err(outcome)?;
        let place = listener.admission.place().map_err(outcome)?;
        Ok(Self { _place: place, _share: Some(share) })
    }
}

fn outcome(refused: Refused) -> Outcome {
    match refused {
        Refused::Denied => Outcome::ClientDenied,
        Refused::Blocked => Outcome::ClientBlocked,
        Refused::TooManyOfClient => Outcome::ClientConnectionLimit,
        Refused::TooOftenByClient => Outcome::ClientConnectionRate,
        Refused::TooMany => Outcome::ConnectionLimit,
        Refused::TooOften => Outcome::ConnectionRate,
    }
}
