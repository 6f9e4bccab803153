//! Which server next: the order in which a connection tries them. Must not know: how to connect.

use std::cmp::Ordering as Comparison;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::server::Server;

/// How the next server is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest connections; among equals, one after the other.
    LeastConnections,
}

/// An algorithm and where it stands.
#[derive(Debug)]
pub struct Balancer {
    algorithm: Algorithm,
    turn: AtomicUsize,
}

impl Balancer {
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, turn: AtomicUsize::new(0) }
    }

    /// The best server among those whose index is not in `tried`, with its index.
    pub fn pick<'a>(&self, servers: &'a [Arc<Server>], tried: &[usize]) -> Option<(usize, &'a Arc<Server>)> {
        let start = match tried.is_empty() {
            true => self.turn.fetch_add(1, Ordering::Relaxed),
            // Another attempt for the same client goes on from where the first one began.
            false => self.turn.load(Ordering::Relaxed),
        };
        let count = servers.len();
        let untried = (0..count).map(|step| start.wrapping_add(step) % count).filter(|index| !tried.contains(index));
        let better = |a: &usize, b: &usize| match self.algorithm {
            Algorithm::RoundRobin => Comparison::Equal,
            Algorithm::LeastConnections => servers[*a].active().cmp(&servers[*b].active()),
        };
        // Of equals min_by keeps the first, which is the one whose turn it is.
        untried.min_by(better).map(|index| (index, &servers[index]))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::pool::Pool;

    fn pool(algorithm: Algorithm) -> Pool {
        let servers = (1..=3).map(|port| Arc::new(Server::new(([127, 0, 0, 1], port).into()))).collect();
        Pool::new("test".into(), servers, algorithm, Duration::from_secs(1), 3)
    }

    fn picks(pool: &Pool, count: usize) -> Vec<usize> {
        (0..count).filter_map(|_| pool.balancer.pick(&pool.servers, &[]).map(|(index, _)| index)).collect()
    }

    #[test]
    fn round_robin_goes_round() {
        assert_eq!(picks(&pool(Algorithm::RoundRobin), 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn least_connections_prefers_the_idle_and_takes_turns_among_equals() {
        let pool = pool(Algorithm::LeastConnections);
        assert_eq!(picks(&pool, 3), [0, 1, 2]);
        let _busy = (pool.servers[0].lease(), pool.servers[1].lease());
        assert_eq!(picks(&pool, 3), [2, 2, 2]);
        let _busier = (pool.servers[2].lease(), pool.servers[2].lease());
        assert_eq!(picks(&pool, 2), [0, 1]);
    }

    #[test]
    fn a_server_is_tried_once_and_then_there_is_none_left() {
        let pool = pool(Algorithm::RoundRobin);
        let mut tried = Vec::new();
        while let Some((index, _)) = pool.balancer.pick(&pool.servers, &tried) {
            tried.push(index);
        }
        tried.sort_unstable();
        assert_eq!(tried, [0, 1, 2]);
    }

    #[test]
    fn a_lease_counts_while_it_lives() {
        let pool = pool(Algorithm::RoundRobin);
        let lease = pool.servers[0].lease();
        assert_eq!(pool.servers[0].active(), 1);
        drop(lease);
        assert_eq!(pool.servers[0].active(), 0);
    }
}
