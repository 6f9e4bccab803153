//! A machine's link to the store: its lease, its watch, what is wrong with them, and when it is tried again. Must not know:
//! what the machine does.

use std::future::pending;

use tokio::time::{Duration, Instant};

use super::renewal::{Keeper, Renewal};
use crate::etcd::{Trouble, Watch};
use crate::fleet::machine::Action;
use crate::fleet::store::{Entry, Lease};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Link {
    keeper: Option<Keeper>,
    watch: Option<Watch>,
    watching_since: Option<Instant>,
    /// What has failed and is to be tried again.
    pub(super) again: Option<Action>,
    paused_until: Option<Instant>,
    /// In a row.
    failures: u32,
    /// Writes in a row whose conditions did not hold.
    refusals: u32,
    /// Why it cannot read.
    reading: Option<String>,
    /// Why it cannot write.
    writing: Option<String>,
    /// Why it cannot renew the lease.
    renewing: Option<String>,
}

/// What happens without being asked for.
#[derive(Debug)]
pub(super) enum Event {
    Changed(Vec<Entry>),
    /// What is watched has to be read again.
    Blind(Trouble),
    Renewed,
    NotRenewed(String),
    /// The lease.
    Lost,
}

impl Link {
    /// Waits for the next event. If the future is dropped, nothing is lost.
    pub(super) async fn event(&mut self) -> Event {
        let renewal = async {
            match &mut self.keeper {
                Some(keeper) => keeper.renewals.recv().await.unwrap_or(Renewal::Lost),
                None => pending().await,
            }
        };
        let changes = async {
            match &mut self.watch {
                Some(watch) => watch.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            renewal = renewal => match renewal {
                Renewal::Done => Event::Renewed,
                Renewal::Restart(trouble) => Event::Blind(trouble),
                Renewal::Failed(why) => Event::NotRenewed(why),
                Renewal::Lost => Event::Lost,
            },
            changes = changes => changes.map_or_else(Event::Blind, Event::Changed),
        }
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        self.keeper.as_ref().map(|keeper| keeper.lease)
    }

    /// Whether it has a lease and does not see what changes.
    pub(super) fn is_blind(&self) -> bool {
        self.keeper.is_some() && self.watch.is_none()
    }

    /// Why the store cannot be used.
    pub(super) fn trouble(&self) -> Option<&str> {
        [&self.reading, &self.renewing, &self.writing].into_iter().find_map(Option::as_deref)
    }

    pub(super) fn connected(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
        self.renewing = None;
    }

    /// From now on it sees what changes.
    pub(super) fn reads(&mut self, watch: Watch) {
        (self.watch, self.watching_since) = (Some(watch), Some(Instant::now()));
        self.reading = None;
        // What cannot be written goes on to be tried less and less often.
        if self.writing.is_none() && self.refusals == 0 {
            self.failures = 0;
        }
    }

    pub(super) fn wrote(&mut self) {
        self.writing = None;
        (self.failures, self.refusals) = (0, 0);
    }

    /// What was written did not fit to what was there. Once is a coincidence; who is refused again and again must not ask etcd
    /// without pause.
    pub(super) fn was_refused(&mut self) {
        self.writing = None;
        if self.refusals > 0 {
            self.pause();
        }
        self.refusals += 1;
    }

    pub(super) fn renewed(&mut self) {
        self.renewing = None;
    }

    pub(super) fn not_renewed(&mut self, why: String) {
        self.renewing = Some(why);
    }

    /// Gives the lease up, and returns it.
    pub(super) fn lose(&mut self) -> Option<Lease> {
        (self.watch, self.again) = (None, None);
        self.keeper.take().map(|keeper| keeper.lease)
    }

    /// The watch has ended.
    pub(super) fn blinded(&mut self, trouble: &Trouble) {
        tracing::debug!(%trouble, "what the fleet has in etcd is read again");
        self.watch = None;
        if self.watching_since.is_some_and(|since| since.elapsed() < SOON) {
            self.pause();
        }
    }

    pub(super) fn failed_to_read(&mut self, trouble: &Trouble) {
        self.watch = None;
        self.reading = Some(trouble.to_string());
        self.pause();
    }

    pub(super) fn failed_to_write(&mut self, why: String) {
        self.writing = Some(why);
        self.pause();
    }

    /// Nothing is tried for a while, which is longer each time.
    pub(super) fn pause(&mut self) {
        let longest = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        // By chance, so that a fleet does not come all at once.
        self.paused_until = Some(Instant::now() + longest.mul_f64(0.5 + fastrand::f64() / 2.0));
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause_left().is_some()
    }

    pub(super) fn pause_left(&self) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// A watch that ends so soon may do so again and again.
const SOON: Duration = Duration::from_secs(1);

const FIRST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(5);
