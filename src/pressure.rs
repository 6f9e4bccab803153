//! How much memory and how many descriptors this process may take, and what gives way before they are used up. Must not
//! know: connections, the configuration, the log.
//!
//! Memory is measured at intervals ([`meter`]) and compared with its bound ([`bound`]). That gives a [`level`], which
//! everything else only reads. Between two measurements, every newcomer counts with an estimate until it is established
//! ([`Pressure::admit`]), and buffers count themselves ([`buffer`](crate::net::buffer)), so that a flood cannot pass the
//! bound unnoticed. Peers that stall while they hold memory are in [`stalled`].

use std::fs;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limit::room::Room;

pub mod bound;
pub mod level;
pub mod meter;
pub mod report;
pub mod stalled;

use bound::Bound;
use level::Level;
use stalled::Stalled;

/// What is known of memory and descriptors, shared by the whole process.
#[derive(Debug)]
pub struct Pressure {
    /// A [`Level`].
    level: AtomicU8,
    /// Bytes in use, as they were last measured.
    used: AtomicUsize,
    /// The bytes of `bound`, or the largest number without one.
    most: AtomicUsize,
    bound: Mutex<Option<Bound>>,
    /// How many connections count with an estimate.
    young: AtomicUsize,
    /// How many of them became established since the last measurement, and count until the next one.
    settled: AtomicUsize,
    /// Peers that stall.
    pub stalled: Stalled,
    /// Permits for as many connections as there are descriptors for.
    pub room: Arc<Room>,
    /// How many files may be open.
    pub descriptors: AtomicUsize,
    /// How many of them connections leave to the admin server, to reloads and to logs.
    pub reserve: AtomicUsize,
}

/// Held while a connection counts with an estimate, and afterwards as a handle to what it counts for.
#[derive(Debug)]
pub struct Pledge {
    pressure: Arc<Pressure>,
    young: bool,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            level: AtomicU8::new(Level::Easy as u8),
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(usize::MAX),
            bound: Mutex::default(),
            young: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            stalled: Stalled::default(),
            room: Arc::default(),
            descriptors: AtomicUsize::new(0),
            reserve: AtomicUsize::new(0),
        }
    }
}

impl Pressure {
    /// The level that was last measured.
    pub fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed))
    }

    /// The bytes in use that were last measured.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The bound, where there is one.
    pub fn bound(&self) -> Option<Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the bound. Without it, memory has no level.
    pub fn set_bound(&self, bound: Option<Bound>) {
        self.most.store(bound.as_ref().map_or(usize::MAX, |bound| bound.bytes), Ordering::Relaxed);
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = bound;
    }

    /// Notes that `used` bytes are in use. Returns the level before, and the level now.
    pub fn measured(&self, used: usize) -> (Level, Level) {
        let before = self.level();
        let now = before.after(used, self.most.load(Ordering::Relaxed));
        self.used.store(used, Ordering::Relaxed);
        self.settled.store(0, Ordering::Relaxed);
        self.level.store(now as u8, Ordering::Relaxed);
        (before, now)
    }

    /// Bytes in use, with what connections are estimated to need that are not established yet.
    pub fn expected(&self) -> usize {
        let estimated = self.young.load(Ordering::Relaxed) + self.settled.load(Ordering::Relaxed);
        self.used().saturating_add(estimated.saturating_mul(ESTIMATE))
    }

    /// Whether there is so little memory at all that what the kernel keeps for a few hundred connections would be most of
    /// it.
    pub fn is_small(&self) -> bool {
        self.most.load(Ordering::Relaxed) < SMALL
    }

    /// Counts one more connection, unless there is no memory for it.
    pub fn admit(self: &Arc<Self>) -> Option<Pledge> {
        // Counted first and compared then, so that two workers cannot both take the last place.
        self.young.fetch_add(1, Ordering::Relaxed);
        let pledge = Pledge { pressure: Arc::clone(self), young: true };
        let fits = self.level() != Level::Full && self.expected() <= self.most.load(Ordering::Relaxed);
        fits.then_some(pledge)
    }
}

impl Pledge {
    /// The connection is established: what it holds is measured from the next measurement on.
    pub fn settle(&mut self) {
        if self.young {
            self.pressure.settled.fetch_add(1, Ordering::Relaxed);
            self.release();
        }
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.young) {
            self.pressure.young.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What the connection counts for.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        self.release();
    }
}

/// How many files this process has open. `None` without `/proc`, as in some containers.
pub fn open_files() -> Option<usize> {
    // Without the one that reads the folder.
    fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1))
}

/// 1 GiB.
const SMALL: usize = 1 << 30;

/// What a connection is expected to need until it is established, in bytes: its tasks, its hello, and the state of its
/// handshake.
const ESTIMATE: usize = 20 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pressure::bound::Source;

    fn pressure(bytes: usize) -> Arc<Pressure> {
        let pressure = Arc::new(Pressure::default());
        pressure.set_bound(Some(Bound { bytes, source: Source::Configured }));
        pressure
    }

    #[test]
    fn newcomers_count_until_they_are_established_and_stop_at_the_bound() {
        let pressure = pressure(10 * ESTIMATE);
        pressure.measured(7 * ESTIMATE);
        let mut pledges: Vec<Pledge> = (0..100).map_while(|_| pressure.admit()).collect();
        assert_eq!(pledges.len(), 3);
        assert!(pressure.admit().is_none(), "a refused one counts for nothing");
        pledges[0].settle();
        pledges[0].settle();
        assert!(pressure.admit().is_none(), "it counts until it is measured");
        pressure.measured(7 * ESTIMATE);
        let another = pressure.admit().unwrap();
        assert!(pressure.admit().is_none());
        drop((pledges, another));
        assert_eq!(pressure.expected(), 7 * ESTIMATE);
        assert!(pressure.admit().is_some());
    }

    #[test]
    fn a_full_level_admits_none_until_it_is_left_and_without_a_bound_all_are_admitted() {
        let pressure = pressure(100 * ESTIMATE);
        assert_eq!(pressure.measured(100 * ESTIMATE), (Level::Easy, Level::Full));
        assert_eq!(pressure.measured(95 * ESTIMATE).1, Level::Full);
        assert!(pressure.admit().is_none(), "there would be room, but the level is not left yet");
        assert_eq!(pressure.measured(10 * ESTIMATE), (Level::Full, Level::Easy));
        assert!(pressure.admit().is_some());
        pressure.set_bound(None);
        assert_eq!(pressure.measured(usize::MAX / 2).1, Level::Easy);
        assert!(pressure.admit().is_some());
    }
}
