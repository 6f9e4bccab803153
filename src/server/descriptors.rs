//! How many files this process may have open, and how many of them are for connections. Must not know: what is opened,
//! when.
//!
//! Without a free descriptor, the admin server, reloads and health checks would fail. So connections leave a reserve for
//! them: new connections beyond that are refused, established ones are not affected.

use std::sync::atomic::Ordering;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::acme::responder;
use crate::admin;
use crate::admin::Most;
use crate::net::pipe;
use crate::pressure::{self, Pressure};

/// What descriptors are used for apart from connections.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Open before any socket listens.
    own: usize,
    workers: usize,
    /// The last warning: how many connections the listeners ask for, and how many there may be.
    warned: Option<(usize, usize)>,
}

/// What a configuration needs descriptors for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Addresses on which they listen.
    pub(super) sockets: usize,
    /// Connections of the server for http-01.
    pub(super) answers: usize,
    /// Connections of the admin server for probes.
    pub(super) probes: usize,
    /// Servers whose health is checked.
    pub(super) checks: usize,
    /// Names that may be looked up at one time.
    pub(super) lookups: usize,
    /// The sum of their `max_connections`.
    pub(super) connections: usize,
}

impl Descriptors {
    /// To be called when everything that stays open is open, except the sockets of listeners.
    pub(super) fn new(workers: usize) -> Self {
        // Without /proc, as in some containers, an estimate has to do.
        let own = pressure::open_files().unwrap_or(USUAL);
        let descriptors = Self { own, workers, warned: None };
        pipe::limit(pipes(limit(), workers) / (2 * workers.max(1)));
        descriptors
    }

    /// Sets how many connections there may be.
    pub(super) fn share_out(&mut self, demand: Demand, pressure: &Pressure) {
        pressure.room.set(self.connections(demand));
        pressure.descriptors.store(limit(), Ordering::Relaxed);
        pressure.reserve.store(reserve(limit()), Ordering::Relaxed);
    }

    /// How many connections there may be. Warns, once, if that is fewer than the listeners ask for.
    fn connections(&mut self, demand: Demand) -> usize {
        let limit = limit();
        let others = self.own + of_others(demand, limit, self.workers);
        let most = connections(limit, others, pipes(limit, self.workers));
        let warning = (demand.connections, most);
        if demand.connections > most && self.warned.replace(warning) != Some(warning) {
            tracing::warn!(
                max_connections = demand.connections,
                open_file_limit = limit,
                connections = most,
                "the listeners' max_connections add up to more than the open file limit allows (each connection needs two \
                 files): only this many are served at a time, others are refused (descriptor_limit); raise the limit \
                 (LimitNOFILE, ulimit -n) or lower max_connections"
            );
        }
        most
    }
}

/// What sockets that listen and sockets that are open for a moment may take. The latter are limited to a part of all: they
/// are rarely open at the same time.
fn of_others(demand: Demand, limit: usize, workers: usize) -> usize {
    // For each socket: the socket itself, a duplicate for each worker, and one that is sent to a process that takes over.
    let listening = demand.sockets * (2 + workers);
    let asking = (demand.lookups * QUESTIONS).min(limit / 8);
    listening + demand.answers + demand.probes + demand.checks.min(limit / 8) + asking
}

/// Raises the soft limit of open files to the hard one.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        tracing::info!(limit = limit.current, "the open file limit is at its maximum");
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!(from = limit.current, to = limit.maximum, "raised the open file limit"),
        Err(error) => tracing::warn!(limit = limit.current, %error, "cannot raise the open file limit"),
    }
}

fn limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX)
}

/// The descriptors that the pipes of all workers together may take.
fn pipes(limit: usize, workers: usize) -> usize {
    (2 * workers * pipe::USUAL).min(limit / 8)
}

/// How many connections fit into what others, pipes and the reserve leave. Each takes two descriptors, one for each side.
fn connections(limit: usize, others: usize, pipes: usize) -> usize {
    (limit.saturating_sub(reserve(limit) + others + pipes) / 2).max(1)
}

/// How many connections the doors of the admin server may have. Each takes one descriptor.
pub(super) fn of_admin() -> Most {
    let probes = (limit() / 64).clamp(FEWEST_ADMINS, admin::MOST_CONNECTIONS.probes);
    Most { api: admins(limit()), probes }
}

/// How many connections the server for http-01 may have.
pub(super) fn of_responder() -> usize {
    (limit() / 16).clamp(FEWEST_ANSWERS, responder::MOST_CONNECTIONS)
}

fn admins(limit: usize) -> usize {
    (limit / 16).clamp(FEWEST_ADMINS, admin::MOST_CONNECTIONS.api)
}

/// What is kept for the connections of the admin server, and for [`OTHERS`].
fn reserve(limit: usize) -> usize {
    admins(limit) + (limit / 4).min(OTHERS)
}

/// For the files that a reload reads, logs, name servers, and the channel to a process that takes over. A small limit gives
/// a quarter of itself instead.
const OTHERS: usize = 64;
/// Enough for a health check, a scrape and an operator at the same time.
const FEWEST_ADMINS: usize = 4;
/// Enough for an authority that asks from several places at the same time.
const FEWEST_ANSWERS: usize = 16;
/// For one name, two questions (addresses of both families), each to two name servers at the same time.
const QUESTIONS: usize = 4;
/// An estimate of what a process has open before it listens.
const USUAL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_reserve_and_there_is_at_least_one() {
        for limit in (0..5000).chain([65_536, 1 << 20, usize::MAX]) {
            for workers in [1, 2, 64] {
                let (others, pipes) = (30 + 2 * workers, pipes(limit, workers));
                let most = connections(limit, others, pipes);
                assert!(most >= 1);
                if most > 1 {
                    let left = limit - 2 * most - others - pipes;
                    assert!(left >= reserve(limit), "{limit} {workers}: {most} leave {left}");
                }
            }
        }
        assert_eq!(connections(1024, 40, 128), 364);
        assert_eq!(connections(1 << 20, 40, 128), 524_044);
        assert_eq!([200, 1024, 1 << 20].map(reserve), [62, 128, 320]);
    }

    #[test]
    fn names_that_are_looked_up_take_descriptors_and_many_of_them_take_a_part_of_all() {
        let demand = |lookups| Demand { sockets: 1, answers: 0, probes: 0, checks: 3, lookups, connections: 1000 };
        let of = |lookups| of_others(demand(lookups), 1024, 2);
        assert_eq!(of(0), 4 + 3);
        assert_eq!(of(5), of(0) + 5 * QUESTIONS);
        assert_eq!(of(10_000), of(0) + 128);
        let mut descriptors = Descriptors { own: 40, workers: 2, warned: None };
        assert!(descriptors.connections(demand(20)) < descriptors.connections(demand(0)));
    }
}
