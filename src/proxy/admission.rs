//! Lets a connection in, or says with which outcome it is refused. Must not know: sockets, what a connection does.

use std::sync::Arc;

use crate::limit::admission::{ClientPermit, ListenerPermit, Refused};
use crate::limit::prefixes::Prefixes;
use crate::limit::room::Room;
use crate::net::address::Address;
use crate::observe::outcome::Outcome;
use crate::snapshot::{Listener, Snapshot};

/// What all listeners share.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    pub room: &'a Arc<Room>,
    pub snapshot: &'a Snapshot,
}

impl House<'_> {
    fn permit(self, listener: &Listener) -> Result<ListenerPermit, Outcome> {
        let elsewhere = || self.snapshot.listeners().any(|other| other.admission.give_way());
        listener.admission.permit_connection(self.room, elsewhere).map_err(outcome)
    }
}

/// Held by a connection that was let in.
#[derive(Debug)]
pub struct Admitted {
    connection: ListenerPermit,
    client: Option<ClientPermit>,
}

impl Admitted {
    /// Asks for the client first: one that is refused must not use up what all have together.
    pub fn direct(house: House<'_>, listener: &Listener, client: &Address) -> Result<Self, Outcome> {
        let client = permit_client(listener, client)?;
        let connection = house.permit(listener)?;
        Ok(Self { connection, client })
    }

    /// Behind a proxy: who the client is will be known later, but the proxy must be one that is trusted.
    pub fn proxied(
        house: House<'_>,
        listener: &Listener,
        trusted: &Prefixes,
        proxy: &Address,
    ) -> Result<Self, Outcome> {
        // Who may write to a Unix socket is trusted.
        if proxy.ip().is_some_and(|address| !trusted.allows(address)) {
            return Err(Outcome::ProxyUntrusted);
        }
        let connection = house.permit(listener)?;
        Ok(Self { connection, client: None })
    }

    /// The client has said what it wants.
    pub fn heard(&mut self) {
        self.connection.heard();
    }

    /// Returns when the connection has to give way to another, which may be never.
    pub fn called(&self) -> impl Future<Output = ()> + use<> {
        let called = self.connection.called();
        async move {
            match called {
                Some(called) => called.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Asks for the client that the proxy has named.
    pub fn client(&mut self, listener: &Listener, client: &Address) -> Result<(), Outcome> {
        self.client = permit_client(listener, client)?;
        Ok(())
    }
}

/// Clients over Unix sockets have no address to be limited by; the permissions of the socket say who they are.
fn permit_client(listener: &Listener, client: &Address) -> Result<Option<ClientPermit>, Outcome> {
    client.ip().map(|address| listener.admission.permit_client(address)).transpose().map_err(outcome)
}

fn outcome(refused: Refused) -> Outcome {
    match refused {
        Refused::Denied => Outcome::ClientDenied,
        Refused::Blocked => Outcome::ClientBlocked,
        Refused::TooManyOfClient => Outcome::ClientConnectionLimit,
        Refused::TooOftenByClient => Outcome::ClientConnectionRate,
        Refused::TooMany => Outcome::ConnectionLimit,
        Refused::TooOften => Outcome::ConnectionRate,
        Refused::NoRoom => Outcome::DescriptorLimit,
    }
}
