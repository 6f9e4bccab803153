//! Connections whose bytes wait for a peer that does not read: which of them are asked to give memory back, and which are
//! asked to leave. Must not know: what a connection is, how it ends.
//!
//! A connection takes a seat when its bytes have to wait for the first time, so that one that never waits costs nothing.
//! From then on it only writes to its own seat; whoever looks for stalled ones goes through all of them. The seats are
//! spread over several locks, which are taken when a seat is taken or left.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// All seats.
#[derive(Debug)]
pub struct Stalled {
    began: Instant,
    next: AtomicUsize,
    parts: [Arc<Part>; PARTS],
}

type Part = Mutex<HashMap<usize, Arc<Seat>>>;

#[derive(Debug, Default)]
struct Seat {
    /// A [`Waiting`], or 0 while nothing waits.
    waiting: AtomicU64,
    /// An [`Asked`].
    asked: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// What waits for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// When the peer last took something.
    pub since: Instant,
    /// The bytes of memory that are held for it.
    pub held: usize,
    /// How many of them could be given back without losing anything.
    pub spare: usize,
}

/// What a connection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    /// To give back the memory that it does not need.
    Shrink,
    /// To end, if nothing has moved meanwhile.
    Leave,
}

/// A connection's seat; dropping it leaves it.
#[derive(Debug)]
pub struct Seated {
    seat: Arc<Seat>,
    part: Arc<Part>,
    number: usize,
    began: Instant,
}

impl Default for Stalled {
    fn default() -> Self {
        Self { began: Instant::now(), next: AtomicUsize::new(0), parts: std::array::from_fn(|_| Arc::default()) }
    }
}

impl Stalled {
    /// Takes a seat.
    pub fn join(&self) -> Seated {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (seat, part) = (Arc::<Seat>::default(), Arc::clone(&self.parts[number % PARTS]));
        lock(&part).insert(number, Arc::clone(&seat));
        Seated { seat, part, number, began: self.began }
    }

    /// How many connections have bytes that wait.
    pub fn count(&self) -> usize {
        let waits = |seat: &&Arc<Seat>| seat.waiting.load(Ordering::Relaxed) != 0;
        self.parts.iter().map(|part| lock(part).values().filter(waits).count()).sum()
    }

    /// Asks those that hold much more memory than they need to give it back: at most `most` of them.
    pub fn shrink(&self, most: usize) {
        let mut asked = 0;
        for part in &self.parts {
            let seats = lock(part);
            let wasteful = seats.values().filter(|seat| seat.read().is_some_and(|waiting| waiting.spare >= MUCH));
            for seat in wasteful.take(most - asked) {
                asked += 1;
                seat.ask(Asked::Shrink);
            }
        }
    }

    /// Asks connections to leave whose peer has taken nothing since `before`: those that have waited longest, until they
    /// hold `bytes` together, and at most `most` of them. Returns how many.
    pub fn dismiss(&self, before: Instant, bytes: usize, most: usize) -> usize {
        let before = self.time(before);
        let mut longest = Longest::new(most);
        for (index, part) in self.parts.iter().enumerate() {
            for (number, seat) in &*lock(part) {
                if let Some(waiting) = seat.read().filter(|waiting| waiting.since < before) {
                    longest.offer((waiting.since, index, *number), waiting.held + OVERHEAD);
                }
            }
        }
        let chosen = longest.until(bytes);
        for (_, index, number) in &chosen {
            if let Some(seat) = lock(&self.parts[*index]).get(number) {
                seat.ask(Asked::Leave);
            }
        }
        chosen.len()
    }

    fn time(&self, at: Instant) -> u64 {
        ticks(self.began, at)
    }
}

impl Seated {
    /// Notes what waits now, and whom to wake when the connection is asked for something. Returns what it is asked for.
    pub fn waits(&self, waiting: Waiting, waker: &Waker) -> Asked {
        {
            let mut known = self.seat.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *known = Some(waker.clone());
            }
        }
        self.seat.waiting.store(packed(self.began, waiting), Ordering::Relaxed);
        self.asked()
    }

    /// Notes that nothing waits.
    pub fn rests(&self) {
        self.seat.waiting.store(0, Ordering::Relaxed);
        self.asked();
    }

    fn asked(&self) -> Asked {
        // Read first: that costs nothing while nobody writes.
        match self.seat.asked.load(Ordering::Acquire) {
            0 => Asked::Nothing,
            _ if self.seat.asked.swap(0, Ordering::AcqRel) == Asked::Leave as u8 => Asked::Leave,
            _ => Asked::Shrink,
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        lock(&self.part).remove(&self.number);
    }
}

/// What a seat contains.
struct Seen {
    /// See [`ticks`].
    since: u64,
    held: usize,
    spare: usize,
}

impl Seat {
    fn read(&self) -> Option<Seen> {
        let packed = self.waiting.load(Ordering::Relaxed);
        let kib = |shift: u32| ((packed >> shift) & 0xffff) as usize * 1024;
        (packed != 0).then(|| Seen { since: packed >> 32, held: kib(16), spare: kib(0) })
    }

    fn ask(&self, what: Asked) {
        self.asked.store(what as u8, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// In one number, so that it is always read as it was written: 32 bits of time, and 16 bits each of KiB.
fn packed(began: Instant, waiting: Waiting) -> u64 {
    let kib = |bytes: usize| (bytes.div_ceil(1024) as u64).min(0xffff);
    ticks(began, waiting.since).min(u64::from(u32::MAX)) << 32 | kib(waiting.held) << 16 | kib(waiting.spare)
}

/// A time in steps of 16 ms, from 1: in 32 bits that is two years, after which everything counts as new.
fn ticks(began: Instant, at: Instant) -> u64 {
    1 + u64::try_from(at.saturating_duration_since(began).as_millis() / 16).unwrap_or(u64::MAX - 1)
}

fn lock(part: &Part) -> MutexGuard<'_, HashMap<usize, Arc<Seat>>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those of many that have waited longest. Pure.
struct Longest<K> {
    most: usize,
    /// The one that has waited least is on top.
    chosen: BinaryHeap<(K, Reverse<usize>)>,
}

impl<K: Ord + Copy> Longest<K> {
    fn new(most: usize) -> Self {
        Self { most, chosen: BinaryHeap::with_capacity(most + 1) }
    }

    /// One more. The smaller its `key`, the longer it has waited.
    fn offer(&mut self, key: K, bytes: usize) {
        self.chosen.push((key, Reverse(bytes)));
        if self.chosen.len() > self.most {
            self.chosen.pop();
        }
    }

    /// The first of them, until they hold that many bytes together.
    fn until(self, bytes: usize) -> Vec<K> {
        let mut sum = 0;
        let enough = |(_, Reverse(held)): &(K, Reverse<usize>)| {
            let missing = sum < bytes;
            sum += held;
            missing
        };
        self.chosen.into_sorted_vec().into_iter().take_while(enough).map(|(key, _)| key).collect()
    }
}

/// How long a peer must have taken nothing, in any case, before its connection may be asked to leave.
pub const LEAST: Duration = Duration::from_secs(1);

/// So much spare memory is worth asking for.
const MUCH: usize = 16 * 1024;

/// What else a connection gives back when it ends: its tasks and the state of its sessions.
const OVERHEAD: usize = 8 * 1024;

const PARTS: usize = 16;

#[cfg(test)]
mod tests;
