//! How many files this process may have open, and what of that is for connections. Must not know: what is opened, when.
//!
//! Whoever takes the last descriptor takes away the admin server, the reload and the health checks. So connections get no
//! more than leaves a reserve for those: newcomers beyond that are refused, and those that are in go on.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::admin;
use crate::net::pipe;

/// What descriptors are used for apart from connections.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Before any socket listens.
    own: usize,
    workers: usize,
    /// The warning that was given last: what the listeners ask for, and what there is.
    warned: Option<(usize, usize)>,
}

/// What listeners ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Addresses on which they listen.
    pub(super) sockets: usize,
    /// Servers whose health is checked.
    pub(super) checks: usize,
    /// The sum of their `max_connections`.
    pub(super) connections: usize,
}

impl Descriptors {
    /// To be called when everything is open that stays open, but for the sockets of listeners.
    pub(super) fn new(workers: usize) -> Self {
        // Where /proc is not there, it is about as many.
        let own = fs::read_dir("/proc/self/fd").map_or(USUAL, Iterator::count);
        let descriptors = Self { own, workers, warned: None };
        pipe::limit(pipes(limit(), workers) / (2 * workers.max(1)));
        descriptors
    }

    /// How many connections there may be. That it is fewer than the listeners ask for is warned of, once.
    pub(super) fn connections(&mut self, demand: Demand) -> usize {
        let limit = limit();
        // One more of each is for the process that takes over.
        let others = self.own + demand.sockets * (2 + self.workers) + demand.checks.min(limit / 8);
        let most = connections(limit, others, pipes(limit, self.workers));
        let news = (demand.connections, most);
        if demand.connections > most && self.warned.replace(news) != Some(news) {
            tracing::warn!(
                max_connections = demand.connections,
                open_file_limit = limit,
                connections = most,
                "the listeners' max_connections add up to more than the open file limit allows, each connection takes two: \
                 so many are served at a time, others are refused (descriptor_limit); raise the limit (LimitNOFILE, ulimit \
                 -n) or lower max_connections"
            );
        }
        most
    }
}

/// Raises the soft limit of open files to the hard one.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        tracing::info!(limit = limit.current, "open file limit is as high as it may be");
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!(from = limit.current, to = limit.maximum, "open file limit raised"),
        Err(error) => tracing::warn!(limit = limit.current, %error, "the open file limit cannot be raised"),
    }
}

fn limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX)
}

/// The descriptors that pipes of all workers together may take.
fn pipes(limit: usize, workers: usize) -> usize {
    (2 * workers * pipe::USUAL).min(limit / 8)
}

/// Two descriptors for each connection, one for each side, of what is left by others, by pipes and by the reserve.
fn connections(limit: usize, others: usize, pipes: usize) -> usize {
    (limit.saturating_sub(reserve(limit) + others + pipes) / 2).max(1)
}

/// How many connections the admin server may have, each of one descriptor.
pub(super) fn of_admin() -> usize {
    admins(limit())
}

fn admins(limit: usize) -> usize {
    (limit / 16).clamp(FEWEST_ADMINS, admin::MOST_CONNECTIONS)
}

/// For the connections of the admin server, and for others.
fn reserve(limit: usize) -> usize {
    admins(limit) + (limit / 4).min(OTHERS)
}

/// For the files that a reload reads, logs, name servers, and another process that takes over. Of a small limit it is a
/// quarter.
const OTHERS: usize = 64;
const FEWEST_ADMINS: usize = 4;
const USUAL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_reserve_and_are_never_none() {
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
}
