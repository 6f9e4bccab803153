//! Admits a connection, or returns how it is refused. Must not know: sockets, what a connection does.

use std::sync::Arc;

use crate::limit::admission::{ClientPermit, ListenerPermit};
use crate::limit::prefixes::Prefixes;
use crate::limit::room::Room;
use crate::net::address::Address;
use crate::proxy::ending::Ending;
use crate::snapshot::{Listener, Snapshot};

/// What all listeners share.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    pub room: &'a Arc<Room>,
    pub snapshot: &'a Snapshot,
}

impl House<'_> {
    fn permit(self, listener: &Listener) -> Result<ListenerPermit, Ending> {
        let elsewhere = || self.snapshot.listeners().any(|other| other.admission.give_way());
        listener.admission.permit_connection(self.room, elsewhere).map_err(Ending::from)
    }
}

/// Held by a connection that was admitted.
#[derive(Debug)]
pub struct Admitted {
    connection: ListenerPermit,
    client: Option<ClientPermit>,
}

impl Admitted {
    /// Asks for the client first: one that is refused must not use up what all have together.
    pub fn direct(house: House<'_>, listener: &Listener, client: &Address) -> Result<Self, Ending> {
        let client = permit_client(listener, client)?;
        let connection = house.permit(listener)?;
        Ok(Self { connection, client })
    }

    /// Behind a proxy: who the client is will be known later, but the proxy must be one that is trusted.
    pub fn proxied(house: House<'_>, listener: &Listener, trusted: &Prefixes, proxy: &Address) -> Result<Self, Ending> {
        // Who may write to a Unix socket is trusted.
        if proxy.ip().is_some_and(|address| !trusted.allows(address)) {
            return Err(Ending::untrusted_proxy());
        }
        let connection = house.permit(listener)?;
        Ok(Self { connection, client: None })
    }

    /// The client has sent its ClientHello, or what ends the connection before it.
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
    pub fn client(&mut self, listener: &Listener, client: &Address) -> Result<(), Ending> {
        self.client = permit_client(listener, client)?;
        Ok(())
    }
}

/// Clients over Unix sockets have no address to be limited by; the permissions of the socket say who they are.
fn permit_client(listener: &Listener, client: &Address) -> Result<Option<ClientPermit>, Ending> {
    client.ip().map(|address| listener.admission.permit_client(address)).transpose().map_err(Ending::from)
}
