//! Whether one more connection of a client is admitted, by its address and by what is remembered of it. Must not know: how a
//! refusal is reported, how a handshake can fail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::limit::client::Client;
use crate::limit::counts::{Limits, Refused};
use crate::limit::prefixes::Prefixes;
use crate::limit::rate::{PerClient, Remembered};

/// The limits of a listener or a route on single clients, and what counts towards them now.
#[derive(Debug)]
pub struct Clients {
    /// The addresses from which clients may connect.
    allowed: Prefixes,
    limits: Limits,
    /// Connections of each client. Clients without connections are removed, so it has at most as many entries as there are
    /// connections.
    of_client: Arc<Mutex<HashMap<Client, usize>>>,
    rate: Option<Arc<PerClient>>,
    failures: Option<Arc<PerClient>>,
    blocked: Arc<Remembered<Instant>>,
}

/// Held while a connection counts for its client; dropping it gives it back.
#[derive(Debug)]
pub struct ClientPermit(Option<(Arc<Mutex<HashMap<Client, usize>>>, Client)>);

impl Clients {
    /// Limits that continue from `before`, those of the same before a reload. Active connections and blocked clients are
    /// kept in any case; rates are kept if they are unchanged.
    pub(super) fn new(allowed: Prefixes, limits: Limits, before: Option<&Self>) -> Self {
        let rate = before
            .filter(|before| before.limits.rate_per_client == limits.rate_per_client)
            .and_then(|before| before.rate.clone());
        let failures = before
            .filter(|before| before.limits.handshake_failures == limits.handshake_failures)
            .and_then(|before| before.failures.clone());
        Self {
            allowed,
            of_client: before.map(|before| Arc::clone(&before.of_client)).unwrap_or_default(),
            rate: rate.or_else(|| limits.rate_per_client.map(PerClient::new).map(Arc::new)),
            failures: failures
                .or_else(|| limits.handshake_failures.map(|failures| PerClient::new(failures.rate)).map(Arc::new)),
            blocked: before.map(|before| Arc::clone(&before.blocked)).unwrap_or_default(),
            limits,
        }
    }

    /// Whether clients may connect from that address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allowed.allows(address)
    }

    /// How many clients are blocked now.
    pub fn blocked(&self) -> usize {
        let now = Instant::now();
        self.blocked.count(|until| until > now)
    }

    /// How many clients each table remembers, by the name of the table: of rates, of failed handshakes, of blocked clients.
    pub fn remembered(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let of = |table: &Option<Arc<PerClient>>| table.as_ref().map(|table| table.len());
        let tables =
            [("rate", of(&self.rate)), ("failures", of(&self.failures)), ("blocked", Some(self.blocked.len()))];
        tables.into_iter().filter_map(|(table, count)| Some((table, count?)))
    }

    /// A permit for one more connection of the client at that address.
    pub fn permit(&self, address: IpAddr) -> Result<ClientPermit, Refused> {
        if !self.allowed.allows(address) {
            return Err(Refused::Denied);
        }
        let client = Client::from(address);
        // `blocked` survives a reload: without `handshake_failures` its entries no longer apply.
        if let Some(until) = self.limits.handshake_failures.and_then(|_| self.blocked.find(client)) {
            if Instant::now() < until {
                return Err(Refused::Blocked);
            }
            self.blocked.forget(client);
        }
        let permit = self.of_client(client)?;
        // The rate is last: it counts only connections that nothing else refuses.
        match &self.rate {
            Some(rate) if !rate.permits(client) => Err(Refused::TooOftenByClient),
            _ => Ok(permit),
        }
    }

    /// Counts a failed handshake of the client at that address. Too many of them block it.
    pub fn failed(&self, address: IpAddr) {
        let client = Client::from(address);
        if let (Some(limit), Some(failures)) = (self.limits.handshake_failures, &self.failures)
            && !failures.permits(client)
        {
            self.blocked.put(client, Instant::now() + limit.block);
        }
    }

    fn of_client(&self, client: Client) -> Result<ClientPermit, Refused> {
        let Some(most) = self.limits.max_connections_per_client else { return Ok(ClientPermit(None)) };
        let mut of_client = self.of_client.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_client.entry(client).or_default();
        if *count >= most {
            return Err(Refused::TooManyOfClient);
        }
        *count += 1;
        Ok(ClientPermit(Some((Arc::clone(&self.of_client), client))))
    }

    #[cfg(test)]
    pub(super) fn remembers_none(&self) -> bool {
        self.of_client.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let Some((of_client, client)) = &self.0 else { return };
        let mut of_client = of_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_client.get_mut(client) {
            *count -= 1;
            // Otherwise the map would keep every client that ever connected.
            if *count == 0 {
                of_client.remove(client);
            }
        }
    }
}
