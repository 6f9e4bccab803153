//! The second half of a connection's life: the relay between a client and its server, and the end of both. Must not
//! know: how that server was chosen.

use std::pin::{Pin, pin};

use crate::backend::connect::Connected;
use crate::backend::pool::{OnDown, Pool};
use crate::gate::Gate;
use crate::net::close::Unfinished;
use crate::pressure::Pressure;
use crate::proxy::ending::Ending;
use crate::proxy::ending::close::close;
use crate::proxy::entry::Entry;
use crate::relay::patience::Patience;
use crate::relay::peer::{Peer, Wire};
use crate::relay::{self, End, Watched};
use crate::tls::record::handshaking::Finished;

/// What the relay needs besides the client's connection.
pub(super) enum Ready<'l> {
    Terminated(Terminating<'l>),
    PassedThrough(PassingThrough<'l>),
}

/// The whole relay, and the closing of both connections.
pub(super) type Relay<'l> = Pin<Box<dyn Future<Output = ()> + Send + 'l>>;

impl<'l> Ready<'l> {
    pub(super) fn relay(
        self,
        client: Unfinished,
        patience: Patience,
        house: House<'l>,
        entry: &'l mut Entry,
    ) -> Relay<'l> {
        match self {
            Self::Terminated(ready) => Box::pin(ready.relay(client, patience, house, entry)),
            Self::PassedThrough(ready) => Box::pin(ready.relay(client, patience, house, entry)),
        }
    }
}

/// The gate of the connection's worker, and what the connection counts for.
pub(super) type House<'l> = (&'l Gate, &'l Pressure);

pub(super) struct Terminating<'l> {
    pub(super) session: Finished,
    /// Records with session tickets that are not sent yet.
    pub(super) tickets: Vec<u8>,
    pub(super) connected: Connected,
    pub(super) pool: &'l Pool,
}

pub(super) struct PassingThrough<'l> {
    /// What the client has sent so far.
    pub(super) first: Vec<u8>,
    pub(super) connected: Connected,
    pub(super) pool: &'l Pool,
}

impl<'l> Terminating<'l> {
    // Not an `async fn`, which would keep its arguments in memory beside the parts that are moved out of them.
    pub(super) fn relay(
        self,
        client: Unfinished,
        patience: Patience,
        (gate, pressure): House<'l>,
        entry: &'l mut Entry,
    ) -> impl Future<Output = ()> + use<'l> {
        let Self { session, tickets, connected, pool } = self;
        let Connected { stream, lease, session: inner, .. } = connected;
        let mut outside = Wire::tls(session, tickets);
        let mut inside = inner.map_or_else(Wire::plain, |session| Wire::tls(session, Vec::new()));
        async move {
            // The block ends the borrows of both streams, which `close` consumes.
            let end = {
                let outside = Peer { stream: client.as_ref(), wire: &mut outside };
                let inside = Peer { stream: stream.as_ref(), wire: &mut inside };
                let row = entry.row();
                let watched = Watched { traffic: &row.traffic, call: &row.call };
                let mut relay = pin!(relay::terminated::relay(outside, inside, patience, gate, pressure, watched));
                match pool.settings.on_down {
                    OnDown::Keep => relay.as_mut().await,
                    // `down()` is boxed, so that connections of other pools do not reserve its memory.
                    OnDown::Close => tokio::select! {
                        end = relay.as_mut() => end,
                        () = Box::pin(lease.down()) => End::BackendDown,
                    },
                }
            };
            if let End::BackendAlert(_) = end {
                entry.backend_alert(pool.name());
            }
            let Ending { cause, closing } = Ending::terminated(end);
            entry.end(cause);
            Box::pin(close(closing, client, Some(stream), &entry.row().call)).await;
            // The server's count of connections includes this one until it is closed.
            drop(lease);
        }
    }
}

impl PassingThrough<'_> {
    /// Passes on what was read so far, and then everything else, unchanged.
    pub(super) async fn relay(
        self,
        mut client: Unfinished,
        patience: Patience,
        (gate, pressure): House<'_>,
        entry: &mut Entry,
    ) {
        let Self { first, connected, pool } = self;
        let (mut backend, lease) = (connected.stream, connected.lease);
        let end = {
            let (from, to) = (client.as_mut(), backend.as_mut());
            let row = entry.row();
            let watched = Watched { traffic: &row.traffic, call: &row.call };
            let mut relay = pin!(relay::passthrough::relay(from, to, first, patience, gate, pressure, watched));
            match pool.settings.on_down {
                OnDown::Keep => relay.as_mut().await,
                OnDown::Close => tokio::select! {
                    end = relay.as_mut() => end,
                    () = Box::pin(lease.down()) => End::BackendDown,
                },
            }
        };
        let Ending { cause, closing } = Ending::passed_through(end);
        entry.end(cause);
        close(closing, client, Some(backend), &entry.row().call).await;
        drop(lease);
    }
}
