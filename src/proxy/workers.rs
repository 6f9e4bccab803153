//! Which worker serves a connection: the one that accepted it, unless another has clearly fewer. Must not know: what a
//! worker does with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

/// The workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers(Arc<[Worker]>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    connections: AtomicUsize,
}

/// Held while a worker serves a connection; dropping it takes the connection off the worker's count.
#[derive(Debug)]
pub struct Assignment {
    workers: Workers,
    index: usize,
}

impl Workers {
    /// One worker for each runtime, in this order.
    pub fn new(handles: &[Handle]) -> Self {
        let worker = |handle: &Handle| Worker { handle: handle.clone(), connections: AtomicUsize::new(0) };
        Self(handles.iter().map(worker).collect())
    }

    /// Chooses the worker for a connection that worker number `here` accepted.
    pub fn assign(&self, here: usize) -> Assignment {
        let connections = |index: usize| self.0[index].connections.load(Ordering::Relaxed);
        let least = (0..self.0.len()).min_by_key(|index| connections(*index)).unwrap_or(here);
        // Moving a connection to another thread costs about as much as accepting it; a few more here than elsewhere
        // cost nothing.
        let most_here = connections(least) + connections(least) / SLACK;
        let index = if connections(here) <= most_here { here } else { least };
        self.0[index].connections.fetch_add(1, Ordering::Relaxed);
        Assignment { workers: self.clone(), index }
    }
}

impl Assignment {
    /// The worker that serves the connection, if that is another one than `here`.
    pub fn elsewhere(&self, here: usize) -> Option<Handle> {
        (self.index != here).then(|| self.workers.0[self.index].handle.clone())
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        self.workers.0[self.index].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker may have an eighth more connections than the one that has the fewest.
const SLACK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(count: usize) -> Workers {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Workers::new(&vec![runtime.handle().clone(); count])
    }

    fn spread(workers: &Workers) -> Vec<usize> {
        workers.0.iter().map(|worker| worker.connections.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn few_long_lived_connections_are_spread_evenly_whoever_accepts_them() {
        let workers = workers(4);
        let assigned: Vec<Assignment> = (0..8).map(|_| workers.assign(2)).collect();
        assert_eq!(spread(&workers), [2, 2, 2, 2]);
        drop(assigned);
        assert_eq!(spread(&workers), [0, 0, 0, 0]);
    }

    #[test]
    fn of_many_most_stay_where_they_were_accepted() {
        let workers = workers(2);
        let assigned: Vec<Assignment> = (0..1000).map(|number| workers.assign(number % 2)).collect();
        let stayed = assigned.iter().enumerate().filter(|(number, one)| one.index == number % 2).count();
        assert_eq!(stayed, 1000);
    }

    #[test]
    fn no_worker_gets_far_more_than_another() {
        let workers = workers(3);
        let _assigned: Vec<Assignment> = (0..1000).map(|_| workers.assign(0)).collect();
        let spread = spread(&workers);
        let (least, most) = (spread.iter().min().unwrap(), spread.iter().max().unwrap());
        assert!(most - least <= least / SLACK + 1, "{spread:?}");
    }
}
