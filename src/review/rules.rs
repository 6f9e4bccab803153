//! A snapshot → the rules by which clients of open connections are judged, by the names of listeners and routes. Must not know:
//! connections.

use std::collections::HashMap;
use std::sync::Arc;

use crate::route::ways::{Route, Way, Ways};
use crate::snapshot::Snapshot;
use crate::tls::trust::clients::ClientAuth;

/// The rule for the clients of one route.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule<'s> {
    /// They are judged by this.
    Judge(&'s Arc<ClientAuth>),
    /// They are not judged again, or need no certificate any more.
    Keep,
    /// There is no such route, or it does not terminate TLS any more. What each client was judged by first still counts.
    Gone,
}

/// The rules of all routes, of one snapshot.
#[derive(Debug)]
pub(super) struct Rules<'s> {
    generation: u64,
    of_listeners: HashMap<&'s str, HashMap<&'s str, Rule<'s>>>,
}

impl<'s> Rules<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        let of_routes = |ways: &'s Ways| ways.all().filter_map(|route| Some((&*route.name, rule(route)?))).collect();
        let of_listeners = snapshot.listeners().map(|listener| (&*listener.name, of_routes(&listener.ways))).collect();
        Self { generation: snapshot.generation(), of_listeners }
    }

    /// Whether those of this generation are newer. A larger number is.
    pub(super) fn are_older_than(&self, generation: u64) -> bool {
        self.generation < generation
    }

    /// Whether anybody is judged by one of them.
    pub(super) fn judge(&self) -> bool {
        self.of_listeners.values().flat_map(HashMap::values).any(|rule| matches!(rule, Rule::Judge(_)))
    }

    pub(super) fn find(&self, listener: &str, route: &str) -> Rule<'s> {
        self.of_listeners.get(listener).and_then(|routes| routes.get(route)).copied().unwrap_or(Rule::Gone)
    }

    #[cfg(test)]
    pub(super) fn one(listener: &'s str, route: &'s str, rule: Rule<'s>) -> Self {
        Self { generation: 1, of_listeners: HashMap::from([(listener, HashMap::from([(route, rule)]))]) }
    }
}

fn rule(route: &Route) -> Option<Rule<'_>> {
    let Way::Terminate(termination) = &route.way else { return None };
    let auth = termination.terminator.client_auth().filter(|_| termination.judged_again.is_some());
    Some(auth.map_or(Rule::Keep, Rule::Judge))
}
