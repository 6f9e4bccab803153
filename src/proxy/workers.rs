//! Which worker serves a connection: the one that accepted it, unless another has clearly less to do. Must not know: what
//! a worker does with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::gate::Gate;

/// The workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Workers(Arc<[Arc<Worker>]>);

#[derive(Debug)]
struct Worker {
    /// Its place in the list.
    number: usize,
    handle: Handle,
    gate: Arc<Gate>,
    connections: AtomicUsize,
}

/// Held while a worker serves a connection; dropping it takes the connection off the worker's count.
#[derive(Debug)]
pub struct Assignment(Arc<Worker>);

impl Workers {
    /// One worker for each runtime and its gate, in this order.
    pub fn new(workers: impl IntoIterator<Item = (Handle, Arc<Gate>)>) -> Self {
        let worker =
            |(number, (handle, gate))| Arc::new(Worker { number, handle, gate, connections: AtomicUsize::new(0) });
        Self(workers.into_iter().enumerate().map(worker).collect())
    }

    /// Chooses the worker for a connection that worker number `here` accepted.
    pub fn assign(&self, here: usize) -> Assignment {
        let index = self.less_due(here).unwrap_or_else(|| self.fewer(here));
        let worker = &self.0[index];
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Assignment(Arc::clone(worker))
    }

    /// A worker with clearly less handshakes due, if `here` has many: a newcomer would wait for all of them.
    fn less_due(&self, here: usize) -> Option<usize> {
        let due = |index: usize| self.0[index].gate.due();
        let here = due(here);
        if here < QUEUE {
            return None;
        }
        // Those that were just sent there count as connections already, and as handshakes only after their hello.
        let connections = |index: &usize| self.0[*index].connections.load(Ordering::Relaxed);
        (0..self.0.len()).filter(|index| due(*index) < here / 2).min_by_key(connections)
    }

    /// The worker with the fewest connections, if `here` has clearly more.
    fn fewer(&self, here: usize) -> usize {
        let connections = |index: usize| self.0[index].connections.load(Ordering::Relaxed);
        let least = (0..self.0.len()).min_by_key(|index| connections(*index)).unwrap_or(here);
        // Moving a connection to another thread costs about as much as accepting it; a few more here than elsewhere
        // cost nothing.
        let most_here = connections(least) + connections(least) / SLACK;
        if connections(here) <= most_here { here } else { least }
    }
}

impl Assignment {
    /// The worker that serves the connection, if that is another one than `here`.
    pub fn elsewhere(&self, here: usize) -> Option<Handle> {
        (self.0.number != here).then(|| self.0.handle.clone())
    }

    /// The number of the worker that serves the connection.
    pub fn number(&self) -> usize {
        self.0.number
    }

    /// The gate of that worker.
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.0.gate)
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker may have an eighth more connections than the one that has the fewest.
const SLACK: usize = 8;

/// Handshakes that are due for less than this are no reason to move a connection.
const QUEUE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::gate::{Place, Work};

    fn workers(count: usize) -> Workers {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Workers::new((0..count).map(|_| (runtime.handle().clone(), Arc::default())))
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
        let stayed = assigned.iter().enumerate().filter(|(number, one)| one.0.number == number % 2).count();
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

    #[test]
    fn newcomers_do_not_queue_where_many_handshakes_are_due() {
        let workers = workers(3);
        let gates: Vec<_> = workers.0.iter().map(|worker| Arc::clone(&worker.gate)).collect();
        // Of those who wait: 20 on the first, 15 on the second, none on the third.
        let mut places: Vec<_> = [(0, 21), (1, 16)]
            .into_iter()
            .flat_map(|(gate, count)| vec![gate; count])
            .map(|gate| Place::new(&gates[gate]))
            .collect();
        let mut cx = Context::from_waker(Waker::noop());
        let turns: Vec<_> = places.iter_mut().map(|place| place.poll_turn(Work::Full, &mut cx)).collect();
        assert!(gates[0].due() > QUEUE && gates[1].due() > gates[0].due() / 2);
        let assigned: Vec<_> = (0..10).map(|_| workers.assign(0)).collect();
        assert_eq!(spread(&workers), [0, 0, 10]);
        drop((turns, places, assigned));
        assert_eq!(gates[0].due(), Duration::ZERO);
        let _assigned = workers.assign(0);
        assert_eq!(spread(&workers), [1, 0, 0]);
    }
}
