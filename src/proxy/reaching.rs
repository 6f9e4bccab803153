//! Connects a client to a server: of the backend that gets it, or of another one that shares the route's connections. Must
//! not know: what happened on the client's side before, how a backend is chosen.

use std::borrow::Cow;

use tokio::time::Instant;

use crate::backend::connect::{Client, Connected, connect};
use crate::backend::pool::{NoServer, Pool};
use crate::gate::Gate;
use crate::net::address::Address;
use crate::net::proxy_protocol::write::Version;
use crate::net::stream::Stream;
use crate::proxy::ending::Ending;
use crate::proxy::entry::Entry;
use crate::proxy::preface::preface;
use crate::route::split::{Split, Tried};
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::Terminated;

/// The connection for which a server is needed.
pub(super) struct About<'a> {
    pub(super) client: &'a Stream,
    /// `None` where it is passed through.
    pub(super) terminated: Option<&'a Terminated>,
    /// The protocol in which the client was greeted before TLS began.
    pub(super) greeted: Option<Protocol>,
    pub(super) gate: &'a Gate,
}

/// Connects to a server of the backend that gets the connection, or of another one where that has none. Counts the servers
/// that could not be reached.
pub(super) async fn reach<'l>(
    split: &'l Split,
    about: About<'_>,
    entry: &mut Entry,
) -> Result<(&'l Pool, Connected), Ending> {
    let (address, began) = (entry.client(), Instant::now());
    let (mut tried, mut failures, mut missing) = (Tried::default(), Vec::new(), NoServer::Unknown);
    while let Some(share) = split.choose(address, &mut tried, began.into_std()) {
        let (pool, before) = (&*share.pool, failures.len());
        entry.bound_for(share);
        let preface = first_bytes(pool, about.client, entry, about.terminated);
        let alpn = about.terminated.and_then(|terminated| terminated.finished.negotiated.alpn.as_deref());
        let client = Client { address, preface: &preface, alpn, greeted: about.greeted, gate: about.gate };
        let connected = connect(pool, client, &mut failures).await;
        entry.connect_failures(pool.name(), failures.get(before..).unwrap_or_default());
        match connected {
            Ok(connected) => {
                entry.connected(pool.name(), &connected.address, began.elapsed());
                return Ok((pool, connected));
            }
            // Another backend may not know of the block, and is not asked to admit the client.
            Err(NoServer::Refused) => return Err(Ending::no_server(NoServer::Refused, &failures)),
            Err(none) => missing = none,
        }
    }
    Err(Ending::no_server(missing, &failures))
}

/// The address that the client connected to; the proxy in front, if there is one, has reported it.
pub(super) fn destination<'e>(client: &Stream, entry: &'e Entry) -> Cow<'e, Address> {
    entry.destination().map_or_else(|| Cow::Owned(client.local_address()), Cow::Borrowed)
}

/// What the backend receives before the client's first byte.
fn first_bytes(pool: &Pool, client: &Stream, entry: &Entry, terminated: Option<&Terminated>) -> Vec<u8> {
    match pool.settings.proxy_protocol {
        Version::Off => Vec::new(),
        version => preface(version, &entry.facts().record, &destination(client, entry), terminated),
    }
}
