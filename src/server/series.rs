//! Which series of the metrics belong to something that still exists. Must not know: what is counted in them.

use std::collections::{HashMap, HashSet};

use crate::snapshot::Snapshot;

/// The certificates and servers of a snapshot, by the values of their labels.
pub(super) struct Alive<'s> {
    certificates: HashMap<&'s str, HashSet<&'s str>>,
    servers: HashMap<&'s str, HashSet<String>>,
}

impl<'s> Alive<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        let labels = |listener: &'s crate::snapshot::Listener| {
            listener.ways.certificates().into_iter().map(|certificate| &*certificate.label).collect()
        };
        let addresses = |pool: &crate::backend::pool::Pool| {
            pool.members().list.iter().map(|member| member.server.address.to_string()).collect()
        };
        Self {
            certificates: snapshot.listeners().map(|listener| (&*listener.name, labels(listener))).collect(),
            servers: snapshot.pools().iter().map(|pool| (&**pool.name(), addresses(pool))).collect(),
        }
    }

    /// Whether the listener, certificate, backend and server that the labels name all exist.
    pub(super) fn has(&self, labels: &HashMap<&str, &str>) -> bool {
        if let Some(listener) = labels.get("listener") {
            let Some(certificates) = self.certificates.get(listener) else { return false };
            if labels.get("certificate").is_some_and(|certificate| !certificates.contains(certificate)) {
                return false;
            }
        }
        if let Some(backend) = labels.get("backend") {
            let Some(servers) = self.servers.get(backend) else { return false };
            return labels.get("server").is_none_or(|server| servers.contains(*server));
        }
        true
    }
}
