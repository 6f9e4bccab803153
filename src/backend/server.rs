//! One server of a backend: its connections and its condition. Must not know: its backend, its weight there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::backend::condition::{Condition, Descent, Fitness, Health, Pauses, State, Trial};
use crate::backend::health::check::Check;
use crate::backend::health::error::CheckError;
use crate::backend::health::run::Passed;
use crate::backend::verdict::{Judged, Verdict};
use crate::net::address::Address;

/// One address of a backend. It outlives reloads; where it is removed for a while, it lives as long as its connections.
#[derive(Debug)]
pub struct Server {
    pub address: Address,
    active: AtomicUsize,
    condition: Mutex<Condition>,
    verdict: Mutex<Verdict>,
    /// Whether connections to it should be closed. [`Lease::down`] waits for it.
    down: watch::Sender<Descent>,
}

/// Counts one connection to a server until it is dropped.
#[derive(Debug)]
pub struct Lease {
    server: Arc<Server>,
    /// Where this is the connection that tries the server after a pause, and has no result yet.
    trial: Option<Trial>,
    /// How often the server had gone down when the connection began.
    before: u32,
}

impl Server {
    /// A server that is there from the beginning: in service, of unknown health.
    pub fn new(address: Address) -> Self {
        Self::since(address, None)
    }

    /// A server that was added to others at that time.
    pub(super) fn since(address: Address, since: Option<Instant>) -> Self {
        let condition = Mutex::new(Condition::new(since));
        let verdict = Mutex::default();
        Self { address, active: AtomicUsize::new(0), condition, verdict, down: watch::Sender::default() }
    }

    /// Connections that are being made or relayed now.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// The state that the operator has set.
    pub fn state(&self) -> State {
        self.condition().state
    }

    /// The health according to the checks so far.
    pub fn health(&self) -> Health {
        self.condition().health
    }

    /// Whether it is ready, and not down according to its health checks.
    pub fn is_up(&self) -> bool {
        let condition = self.condition();
        condition.state == State::Ready && condition.health != Health::Down
    }

    /// How much longer it is passed over because connecting failed; `None` where it is not.
    pub fn paused(&self) -> Option<Duration> {
        self.condition().paused(Instant::now())
    }

    /// Sets its state, and returns the previous one.
    pub fn set_state(&self, state: State) -> State {
        let mut condition = self.condition();
        let before = condition.state;
        condition.set_state(state, Instant::now());
        self.publish(&condition);
        before
    }

    /// The results of its health checks.
    pub fn verdict(&self) -> Verdict {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its health, and the results from which it follows: of the same moment.
    pub fn judged(&self) -> (Health, Verdict) {
        let verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        (self.health(), verdict.clone())
    }

    /// Checks of another kind begin.
    pub(super) fn check_begins(&self) {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).begin();
    }

    /// It is no longer checked: its health is unknown.
    pub(super) fn unchecked(&self) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        *verdict = Verdict::default();
        self.set_health(Health::Unknown);
    }

    /// Takes the result of a check.
    pub(super) fn checked(&self, result: &Result<Passed, CheckError>, check: &Check) -> Judged {
        let now = Instant::now();
        // The verdict stays locked while the health is set, so that results take effect in order.
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = verdict.judge(result, check, self.health(), now);
        if let Some(health) = judged.change {
            self.set_health(health);
        }
        judged
    }

    pub(super) fn set_health(&self, health: Health) {
        let mut condition = self.condition();
        condition.set_health(health, Instant::now());
        self.publish(&condition);
    }

    /// Its fitness, and the current share of its weight, in thousandths.
    pub(super) fn look(&self, slow_start: Option<Duration>, now: Instant) -> (Option<Fitness>, u32) {
        let condition = self.condition();
        (condition.fitness(now), condition.warmth(slow_start, now))
    }

    /// Reserves one connection, if there are fewer than `most`.
    pub fn lease(self: &Arc<Self>, most: usize) -> Option<Lease> {
        let more = |active| (active < most).then_some(active + 1);
        // Relaxed, since no other memory depends on the count.
        self.active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let mut condition = self.condition();
        let (trial, before) = (condition.connecting(), condition.descent().times);
        drop(condition);
        Some(Lease { server: Arc::clone(self), trial, before })
    }

    fn publish(&self, condition: &Condition) {
        let descent = condition.descent();
        // Wakes the waiting connections only where something has changed.
        self.down.send_if_modified(|published| std::mem::replace(published, descent) != descent);
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The server of the connection.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The connection was made.
    pub(super) fn connected(&mut self) {
        self.tried().connected(Instant::now());
    }

    /// The connection could not be made, and that is the server's fault. Returns how long the server is passed over; `None`
    /// where it already is.
    pub(super) fn failed(&mut self, pauses: Pauses) -> Option<Duration> {
        self.tried().failed(pauses, Instant::now())
    }

    /// The server's condition, in which this connection no longer tries it.
    fn tried(&mut self) -> MutexGuard<'_, Condition> {
        let mut condition = self.server.condition();
        self.trial.take().into_iter().for_each(|trial| condition.tried(trial));
        condition
    }

    /// Waits until the server is taken out of service, or goes down. Where it was down when the connection began, it has to
    /// come back before it can.
    pub async fn down(&self) {
        let mut down = self.server.down.subscribe();
        // It cannot fail: the lease keeps the server, which owns the sender.
        let _ = down.wait_for(|now| now.ends(self.before)).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.server.active.fetch_sub(1, Ordering::Relaxed);
        if self.trial.is_some() {
            drop(self.tried());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::verdict::tests::check;

    fn server() -> Arc<Server> {
        Arc::new(Server::new(Address::Tcp(([127, 0, 0, 1], 1).into())))
    }

    #[test]
    fn a_lease_counts_while_it_lives() {
        let server = server();
        let lease = server.lease(1);
        assert!(lease.is_some() && server.lease(1).is_none());
        assert_eq!(server.active(), 1);
        drop(lease);
        assert_eq!(server.active(), 0);
    }

    #[test]
    fn a_lease_that_tried_and_broke_off_lets_the_next_one_try() {
        let server = server();
        let pauses = Pauses { first: Duration::ZERO, longest: Duration::ZERO };
        server.lease(9).unwrap().failed(pauses);
        let trying = server.lease(9);
        assert_eq!(server.look(None, Instant::now()).0, Some(Fitness::Paused));
        drop(trying);
        assert_eq!(server.look(None, Instant::now()).0, Some(Fitness::Fit));
    }

    #[test]
    fn simultaneous_leases_never_exceed_the_limit() {
        let server = server();
        let held: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..1000).filter_map(|_| server.lease(500)).collect::<Vec<_>>()))
                .collect();
            asking.into_iter().flat_map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!((held.len(), server.active()), (500, 500));
    }

    #[test]
    fn the_health_is_that_of_the_results_beside_it() {
        let (server, check) = (server(), check(1, 1));
        std::thread::scope(|scope| {
            let judging = scope.spawn(|| {
                for round in 0..2000 {
                    let failed = || CheckError::Answer("no".into());
                    server.checked(&if round % 2 == 0 { Ok(Passed::default()) } else { Err(failed()) }, &check);
                }
            });
            while !judging.is_finished() {
                let (health, verdict) = server.judged();
                let followed = verdict.last.map_or(Health::Unknown, |last| match last.result {
                    "passed" => Health::Up,
                    _ => Health::Down,
                });
                assert_eq!(health, followed);
            }
        });
    }
}
