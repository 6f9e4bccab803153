//! Servers that are out of rotation on all nodes → the servers of this process. Must not know: who has taken them out.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::backend::condition::State;
use crate::backend::server::Server;
use crate::fleet::drained::{Drained, One};
use crate::snapshot::Snapshot;

/// What was done already: a server that somebody has changed on this machine since stays as it is.
#[derive(Debug, Default)]
pub(super) struct Drains {
    /// By backend and server, as they were said.
    done: BTreeMap<(String, String), Done>,
}

#[derive(Debug)]
struct Done {
    /// The stamp of what was done.
    since: u64,
    /// To which servers. One that leaves and comes back is another one, and in rotation.
    servers: Vec<Weak<Server>>,
}

impl Drains {
    /// Does what is new, and what could not be done before because there was no such server.
    pub(super) fn apply(&mut self, drained: &Drained, snapshot: &Snapshot) {
        self.apply_to(drained, |one| snapshot.pool(one.backend).map_or_else(Vec::new, |pool| pool.named(one.server)));
    }

    fn apply_to(&mut self, drained: &Drained, servers: impl Fn(One<'_>) -> Vec<Arc<Server>>) {
        let out: Vec<Arc<Server>> = drained.all().filter(|one| one.is_drained).flat_map(&servers).collect();
        for one in drained.all() {
            let there = servers(one);
            let known = self.done.remove(&(one.backend.to_owned(), one.server.to_owned()));
            let same = known.as_ref().filter(|known| known.since == one.since);
            for server in &there {
                let is_done = same.is_some_and(|same| same.servers.iter().any(|done| is(done, server)));
                // Servers begin in rotation. One may be out by its address, and back by the name that leads to it.
                let is_so = !one.is_drained && (known.is_none() || same.is_some() || is_among(&out, server));
                if !is_done && !is_so {
                    set(one, server);
                }
            }
            let done = Done { since: one.since, servers: there.iter().map(Arc::downgrade).collect() };
            self.done.insert((one.backend.to_owned(), one.server.to_owned()), done);
        }
    }
}

fn is(done: &Weak<Server>, server: &Arc<Server>) -> bool {
    std::ptr::eq(done.as_ptr(), Arc::as_ptr(server))
}

fn is_among(all: &[Arc<Server>], server: &Arc<Server>) -> bool {
    all.iter().any(|one| Arc::ptr_eq(one, server))
}

fn set(one: One<'_>, server: &Server) {
    let state = if one.is_drained { State::Drain } else { State::Ready };
    if server.set_state(state) != state {
        tracing::info!(
            backend = one.backend,
            server = one.server,
            address = %server.address,
            state = state.word(),
            by = one.by,
            "changed on all nodes of the fleet"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Arc<Server> {
        Arc::new(Server::new(std::net::SocketAddr::from(([127, 0, 0, 1], 389)).into()))
    }

    fn drained(said: &[(&str, bool)]) -> Drained {
        let mut drained = Drained::default();
        for (at, (server, is_drained)) in (1..).zip(said) {
            drained.set(("b", server), *is_drained, at, "ann");
        }
        drained
    }

    #[test]
    fn a_server_that_leaves_and_comes_back_is_drained_again() {
        let (mut drains, drained) = (Drains::default(), drained(&[("dns:x:389", true)]));
        for _ in 0..3 {
            let server = server();
            drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
            assert_eq!(server.state(), State::Drain);
        }
        drains.apply_to(&drained, |_| Vec::new());
        let server = server();
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        assert_eq!(server.state(), State::Drain);
    }

    #[test]
    fn what_somebody_has_changed_on_this_machine_stays() {
        let (mut drains, server) = (Drains::default(), server());
        let mut drained = drained(&[("a", true)]);
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        server.set_state(State::Ready);
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        assert_eq!(server.state(), State::Ready);
        server.set_state(State::Drain);
        drained.set(("b", "a"), false, 9, "ann");
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        assert_eq!(server.state(), State::Ready);
        server.set_state(State::Drain);
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        assert_eq!(server.state(), State::Drain);
    }

    #[test]
    fn a_server_that_is_out_by_its_address_stays_out_when_its_name_is_put_back() {
        let (mut drains, server) = (Drains::default(), server());
        let mut drained = drained(&[("127.0.0.1:389", true), ("dns:x:389", true)]);
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        drained.set(("b", "dns:x:389"), false, 9, "ann");
        drains.apply_to(&drained, |_| vec![Arc::clone(&server)]);
        assert_eq!(server.state(), State::Drain);
    }
}
