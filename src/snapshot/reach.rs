//! Certificates that no client of a listener can get. Must not know: files, policies.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::located::Located;
use crate::config::validate::listener::Listener;
use crate::net::endpoint::Endpoint;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select;
use crate::warning::Warning;

/// How clients without a server name can get a certificate.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// Whether they are served at all.
    pub(super) nameless: bool,
    /// The addresses that they can connect to, in their canonical form; `None` where any is possible.
    pub(super) addresses: Option<Arc<HashSet<IpAddr>>>,
}

impl Reach {
    /// For the listener's own way.
    pub(super) fn of(listener: &Listener) -> Self {
        // Where sockets that are passed listen is not known here.
        let address = |listen: &Located<Endpoint>| listen.value.address()?.ip().filter(|ip| !ip.is_unspecified());
        let addresses = listener.listen.iter().map(address).collect::<Option<HashSet<_>>>();
        Self {
            nameless: !listener.require_sni,
            // Behind a proxy, the PROXY header names the address, and that can be any.
            addresses: addresses.filter(|_| listener.trusted_proxies.is_none()).map(Arc::new),
        }
    }

    /// Warnings for certificates that no client can get.
    pub(super) fn unreachable(&self, index: &select::Certificates, now: i64) -> Vec<Warning> {
        let unserved =
            |certificate: &Certificate| Warning::about(Arc::clone(&certificate.label), "is served to no client");
        let shadowed = index
            .shadowed(now)
            .into_iter()
            .map(|(one, preferred)| unserved(&one).with(format!(": {} is always preferred", preferred.label)));
        let defaults = index.defaults();
        let is_default = |one: &Arc<Certificate>| defaults.contains(&Arc::as_ptr(one));
        let only_addresses = index.all().iter().filter(|one| one.names.is_empty() && !is_default(one));
        let no_address = only_addresses.filter_map(|one| {
            let here = |own: &IpAddr| match &self.addresses {
                Some(addresses) => addresses.contains(&own.to_canonical()),
                None => true,
            };
            let why = match () {
                () if !self.nameless => "and clients without a server name are not served",
                () if !one.addresses.iter().any(here) => "and the listener has none of these addresses",
                () => return None,
            };
            Some(unserved(one).with(format!(": it has addresses and no names, {why}")))
        });
        shadowed.chain(no_address).collect()
    }
}
