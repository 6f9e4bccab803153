//! Servers that are out of rotation on all nodes → the servers of this process. Must not know: who has taken them out.

use std::collections::BTreeMap;

use crate::backend::condition::State;
use crate::fleet::drained::Drained;
use crate::snapshot::Snapshot;

/// What was done already: a server that somebody has changed on this machine since stays as it is.
#[derive(Debug, Default)]
pub(super) struct Drains {
    /// The stamp of what was done, by backend and server.
    done: BTreeMap<(String, String), u64>,
}

impl Drains {
    /// Does what is new, and what could not be done before because there was no such server.
    pub(super) fn apply(&mut self, drained: &Drained, snapshot: &Snapshot) {
        for one in drained.all() {
            let key = (one.backend.to_owned(), one.server.to_owned());
            let members = snapshot.pool(one.backend).map(|pool| pool.members());
            let list = members.iter().flat_map(|members| &members.list);
            let Some(member) = list.into_iter().find(|member| member.server.address.to_string() == one.server) else {
                self.done.remove(&key);
                continue;
            };
            let known = self.done.insert(key, one.since);
            // Servers begin in rotation.
            if known == Some(one.since) || (known.is_none() && !one.is_drained) {
                continue;
            }
            let state = if one.is_drained { State::Drain } else { State::Ready };
            if member.server.set_state(state) != state {
                tracing::info!(
                    backend = one.backend,
                    server = one.server,
                    state = state.word(),
                    by = one.by,
                    "changed on all nodes of the fleet"
                );
            }
        }
    }
}
