//! Admits a connection, or returns how it is refused. Must not know: sockets, what a connection does.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ja4::Ja4;
use crate::limit::admission::ListenerPermit;
use crate::limit::clients::ClientPermit;
use crate::limit::portion::{Portion, PortionPermit};
use crate::limit::prefixes::Prefixes;
use crate::limit::waiting::Asked;
use crate::net::address::Address;
use crate::pressure::{Pledge, Pressure};
use crate::proxy::ending::Ending;
use crate::snapshot::{Listener, Snapshot};

/// What all listeners share.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    /// Memory, and permits for the connections of all listeners together.
    pub pressure: &'a Arc<Pressure>,
    /// All listeners: a connection of another one may have to give way.
    pub snapshot: &'a Snapshot,
}

impl House<'_> {
    fn permit(self, listener: &Listener) -> Result<(Pledge, ListenerPermit), Ending> {
        let pledge = self.pressure.admit().ok_or_else(Ending::no_memory)?;
        let elsewhere = || self.snapshot.listeners().any(|other| other.admission.give_way());
        let permit = listener.admission.permit_connection(&self.pressure.room, elsewhere)?;
        Ok((pledge, permit))
    }
}

/// Held by a connection that was admitted.
#[derive(Debug)]
pub struct Admitted {
    connection: ListenerPermit,
    pledge: Pledge,
    client: Option<ClientPermit>,
    // Boxed, since most routes have no limits of their own.
    route: Option<Box<PortionPermit>>,
}

impl Admitted {
    /// Without a proxy in front: `client` is the peer. Returns how the connection is refused, if it is.
    pub fn direct(house: House<'_>, listener: &Listener, client: &Address) -> Result<Self, Ending> {
        // The client's permit comes first: a client that is refused must not use up the listener's rate.
        let client = permit_client(listener, client)?;
        let (pledge, connection) = house.permit(listener)?;
        Ok(Self { connection, pledge, client, route: None })
    }

    /// Behind a proxy: the client is known only after the header, but the proxy must be a trusted one.
    pub fn proxied(house: House<'_>, listener: &Listener, trusted: &Prefixes, proxy: &Address) -> Result<Self, Ending> {
        // Over a Unix socket there is no address to compare: its file permissions decide who can connect.
        if proxy.ip().is_some_and(|address| !trusted.allows(address)) {
            return Err(Ending::untrusted_proxy());
        }
        let (pledge, connection) = house.permit(listener)?;
        Ok(Self { connection, pledge, client: None, route: None })
    }

    /// The client has sent its ClientHello, or something that ends the connection before it: it no longer has to give
    /// way.
    pub fn stop_waiting(&mut self) {
        self.connection.stop_waiting();
    }

    /// The connection is established, so that its memory is measured and no longer estimated. Returns what it counts for.
    pub fn settle(&mut self) -> &Pressure {
        self.pledge.settle();
        self.pledge.pressure()
    }

    /// Completes when the connection has to give way to another one, or because memory is short; perhaps never.
    pub fn must_give_way(&self) -> impl Future<Output = Asked> + use<> {
        let called = self.connection.must_give_way();
        async move {
            match called {
                Some(called) => called.asked().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Admits the client that the proxy has named, or returns how it is refused.
    pub fn client(&mut self, listener: &Listener, client: &Address) -> Result<(), Ending> {
        self.client = permit_client(listener, client)?;
        Ok(())
    }

    /// Admits the client to its route, which has limits of its own, or returns how it is refused.
    pub fn route(&mut self, own: &Arc<Portion>, client: &Address, ja4: Option<Ja4>) -> Result<(), Ending> {
        self.route = Some(Box::new(own.permit(client.ip(), ja4)?));
        Ok(())
    }

    /// The handshake of the client at that address has failed.
    pub fn failed(&self, listener: &Listener, client: IpAddr) {
        listener.admission.clients.failed(client);
        if let Some(permit) = &self.route {
            permit.portion().clients.failed(client);
        }
    }
}

/// `None` for clients over Unix sockets: they have no address by which to limit them, and the socket's permissions decide
/// who can connect.
fn permit_client(listener: &Listener, client: &Address) -> Result<Option<ClientPermit>, Ending> {
    client.ip().map(|address| listener.admission.clients.permit(address)).transpose().map_err(Ending::from)
}
