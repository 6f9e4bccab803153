//! The order of turns. Pure: the caller tells the time. Must not know: tasks' wakers beyond keeping them, sockets.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

/// The kinds of costly work. Handshakes are in the order in which they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A later step of a handshake, of either side: what was spent on it must not be lost.
    Continue,
    /// The first step of a handshake that resumes a session: a fifth of a full one.
    Resume,
    /// The first step of a full handshake.
    Full,
    /// A part of a bulk transfer.
    Bulk,
}

/// Identifies a place in the queue.
pub(super) type Id = u64;

/// Who waits, and whose turn it is.
#[derive(Debug)]
pub(super) struct Queue {
    /// One line for each kind of work; the lowest number came first.
    lines: [BTreeMap<Id, Waiting>; KINDS],
    last: Id,
    turn: Option<Id>,
    /// How many resumptions have passed full handshakes that wait.
    passed: u32,
    /// How much time handshakes and bulk transfers have had. Only the difference counts.
    used: [Duration; 2],
    /// How long a step of each kind takes, with everything that the thread does between two of them; a moving average.
    pace: [Duration; KINDS],
    /// When the last step of a handshake ended, if others waited then.
    since: Option<Instant>,
    /// How long a client waited that gave up, and when that was.
    gave_up: Option<(Duration, Instant)>,
    /// How many newcomers may be looked at though there is no time for them, and since when these have been counted.
    looks: f64,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    since: Instant,
}

impl Default for Queue {
    fn default() -> Self {
        let (lines, pace) = (Default::default(), GUESS);
        Self {
            lines,
            last: 0,
            turn: None,
            passed: 0,
            used: [Duration::ZERO; 2],
            pace,
            since: None,
            gave_up: None,
            looks: 0.0,
            looked: None,
        }
    }
}

impl Work {
    fn line(self) -> usize {
        self as usize
    }

    fn share(self) -> usize {
        usize::from(self == Self::Bulk)
    }
}

impl Queue {
    /// Joins the queue. If nobody else is there, it is this one's turn at once.
    pub(super) fn enter(&mut self, work: Work, waker: &Waker, now: Instant) -> Id {
        self.last += 1;
        let id = self.last;
        if self.turn.is_none() {
            // Whenever a turn ends, the next begins: nobody waits.
            self.turn = Some(id);
            return id;
        }
        let [mine, other] = [work.share(), 1 - work.share()];
        // Whoever was idle has saved nothing up: only what is used while both wait is shared.
        if !self.has(mine) && self.has(other) {
            self.used[mine] = self.used[mine].max(self.used[other]);
        }
        self.lines[work.line()].insert(id, Waiting { waker: waker.clone(), since: now });
        id
    }

    pub(super) fn is_turn_of(&self, id: Id) -> bool {
        self.turn == Some(id)
    }

    /// Whom to wake when the turn has come.
    pub(super) fn wait_with(&mut self, work: Work, id: Id, waker: &Waker) {
        if let Some(kept) = self.lines[work.line()].get_mut(&id) {
            kept.waker.clone_from(waker);
        }
    }

    /// Gives up a place, or a turn that has not begun.
    pub(super) fn leave(&mut self, work: Work, id: Id, now: Instant) {
        if let Some(gone) = self.lines[work.line()].remove(&id).filter(|_| work == Work::Full) {
            let waited = now.saturating_duration_since(gone.since);
            self.gave_up = Some((self.patience(now).map_or(waited, |patience| patience.min(waited)), now));
        }
        if self.turn == Some(id) {
            self.turn = None;
        }
    }

    /// The turn has ended.
    pub(super) fn end(&mut self, work: Work, began: Instant, now: Instant) {
        self.turn = None;
        let took = now.saturating_duration_since(began);
        self.used[work.share()] += took;
        if work == Work::Bulk {
            return;
        }
        // While others wait, the next step can begin only after whatever else the thread does.
        let step = self.since.map_or(took, |since| now.saturating_duration_since(since)).min(LONGEST);
        let pace = &mut self.pace[work.line()];
        *pace = *pace - *pace / WEIGHT + step / WEIGHT;
        self.since = (self.handshakes() > 0).then_some(now);
    }

    /// Begins the next turn, if there is none and somebody waits. Returns whom to wake.
    pub(super) fn next(&mut self) -> Option<Waker> {
        if self.turn.is_some() {
            return None;
        }
        let (id, next) = self.lines[self.choose()?].pop_first()?;
        self.turn = Some(id);
        Some(next.waker)
    }

    /// The line whose turn it is.
    fn choose(&mut self) -> Option<usize> {
        match (self.has(HANDSHAKES), self.has(BULK)) {
            (false, false) => return None,
            (false, true) => return Some(Work::Bulk.line()),
            (true, true) if self.used[BULK] < self.used[HANDSHAKES] => return Some(Work::Bulk.line()),
            (true, _) => {}
        }
        let [continuing, resuming, full] =
            [Work::Continue, Work::Resume, Work::Full].map(|work| !self.lines[work.line()].is_empty());
        Some(match (continuing, resuming, full) {
            (true, _, _) => Work::Continue.line(),
            (_, true, true) if self.passed < MOST_PASSED => {
                self.passed += 1;
                Work::Resume.line()
            }
            (_, true, false) => Work::Resume.line(),
            _ => {
                self.passed = 0;
                Work::Full.line()
            }
        })
    }

    fn has(&self, share: usize) -> bool {
        match share {
            BULK => !self.lines[Work::Bulk.line()].is_empty(),
            _ => self.handshakes() > 0,
        }
    }

    /// How many handshakes wait.
    pub(super) fn handshakes(&self) -> usize {
        self.lines[..Work::Bulk.line()].iter().map(BTreeMap::len).sum()
    }

    /// How long a step of this kind takes.
    pub(super) fn pace(&self, work: Work) -> Duration {
        self.pace[work.line()]
    }

    /// How long all handshakes that wait will take.
    pub(super) fn due(&self) -> Duration {
        self.ahead(Work::Full)
    }

    /// How long clients wait before they give up, as far as is known. What was seen is believed less as time passes.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let (waited, when) = self.gave_up?;
        let ago = now.saturating_duration_since(when).as_secs_f64() / FORGET.as_secs_f64();
        (ago < 8.0).then(|| waited.mul_f64(1.0 + ago))
    }

    /// Whether a newcomer can begin within half of the time that is `left`, or half of what clients have waited lately
    /// before they gave up.
    pub(super) fn has_time_for(&self, work: Work, left: Duration, now: Instant) -> bool {
        // Whoever leaves early on purpose must not close the gate to others.
        let patience = self.patience(now).unwrap_or(left).clamp(left / 10, left);
        self.wait(work) <= patience / 2
    }

    /// Takes one of the looks at newcomers for which there is no time, unless they resume a session.
    pub(super) fn looks_at_one(&mut self, now: Instant) -> bool {
        let passed = self.looked.map_or(LOOKS, |looked| now.saturating_duration_since(looked).as_secs_f64() * LOOKS);
        self.looks = (self.looks + passed).min(LOOKS / 10.0);
        self.looked = Some(now);
        let looks = self.looks >= 1.0;
        if looks {
            self.looks -= 1.0;
        }
        looks
    }

    /// How long a newcomer has to wait for its turn.
    pub(super) fn wait(&self, work: Work) -> Duration {
        self.ahead(work)
    }

    fn ahead(&self, work: Work) -> Duration {
        let lines = self.lines.iter().zip(self.pace).take(work.line() + 1);
        lines.map(|(line, pace)| pace.saturating_mul(line.len().try_into().unwrap_or(u32::MAX))).sum()
    }
}

const KINDS: usize = 4;
const HANDSHAKES: usize = 0;
const BULK: usize = 1;

/// So many resumptions may pass a full handshake that waits. Together they cost about as much as two full ones, so a flood
/// of them cannot keep all others out.
const MOST_PASSED: u32 = 8;

/// What steps take before any was done; the moving average forgets it soon.
const GUESS: [Duration; KINDS] =
    [Duration::from_micros(200), Duration::from_micros(200), Duration::from_millis(1), Duration::ZERO];

/// In this time, the patience of those who gave up is taken for twice as long, and so on; after eight times, as unknown.
const FORGET: Duration = Duration::from_secs(30);

/// So many newcomers in a second are looked at though there is no time for a full handshake. It costs some 30 µs to accept
/// a connection, read its hello and refuse it, three times as much as to refuse it unread.
const LOOKS: f64 = 500.0;

/// The weight of the past in the moving average.
const WEIGHT: u32 = 16;

/// A longer step is not the work's fault: the process was stopped, or the machine.
const LONGEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
