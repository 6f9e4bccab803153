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
    /// How long resumptions have taken since the last full handshake.
    passed: Duration,
    /// How much time handshakes and bulk transfers are charged with. Only the difference counts.
    used: [Duration; 2],
    /// How long a step of each kind takes, with everything that the thread does between two of them; a moving average.
    pace: [Duration; KINDS],
    /// How long a step of each kind takes alone; a moving average.
    cost: [Duration; KINDS],
    /// When the last step of each kind ended, if others of its kind have waited since then.
    since: [Option<Instant>; KINDS],
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
            passed: Duration::ZERO,
            used: [Duration::ZERO; 2],
            pace,
            cost: GUESS,
            since: [None; KINDS],
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
        let line = work.line();
        let gone = self.lines[line].remove(&id);
        if self.lines[line].is_empty() {
            self.since[line] = None;
        }
        let waited = gone.map_or(Duration::ZERO, |waiting| now.saturating_duration_since(waiting.since));
        if work == Work::Full && waited >= LEAST_PATIENCE {
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
        let [mine, other] = [work.share(), 1 - work.share()];
        self.used[mine] += if work == Work::Bulk { took } else { took + took / BESIDE };
        // Neither saves up what it did not use, nor owes much for what the other left.
        self.used[other] = self.used[other].max(self.used[mine].saturating_sub(CREDIT));
        self.used[mine] = self.used[mine].max(self.used[other].saturating_sub(CREDIT));
        match work {
            Work::Bulk => return,
            Work::Resume => self.passed += took,
            Work::Full => self.passed = Duration::ZERO,
            Work::Continue => {}
        }
        // While others of this kind wait, the next can begin only after whatever else the thread does.
        let line = work.line();
        let step = self.since[line].map_or(took, |since| now.saturating_duration_since(since)).min(LONGEST);
        for (average, one) in [(&mut self.pace[line], step), (&mut self.cost[line], took.min(LONGEST))] {
            *average = *average - *average / WEIGHT + one / WEIGHT;
        }
        self.since[line] = (!self.lines[line].is_empty()).then_some(now);
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
    fn choose(&self) -> Option<usize> {
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
            // By time and not by number: a ticket may turn out not to resume its session, which costs a full handshake.
            (_, true, true) if self.passed < self.cost[Work::Full.line()] * MOST_PASSED => Work::Resume.line(),
            (_, true, false) => Work::Resume.line(),
            _ => Work::Full.line(),
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
    pub(super) fn cost(&self, work: Work) -> Duration {
        self.cost[work.line()]
    }

    /// How long all handshakes that wait will take.
    pub(super) fn due(&self) -> Duration {
        [Work::Continue, Work::Resume, Work::Full].into_iter().map(|work| self.wait(work)).sum()
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
        self.wait(work) <= self.patience(now).unwrap_or(left).min(left) / 2
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

    /// How long a newcomer has to wait for its turn: an estimate from how fast the queue has moved lately.
    pub(super) fn wait(&self, work: Work) -> Duration {
        // What passes this line while it waits is contained in its pace.
        let count = self.lines[work.line()].len().try_into().unwrap_or(u32::MAX);
        self.pace[work.line()].saturating_mul(count)
    }
}

const KINDS: usize = 4;
const HANDSHAKES: usize = 0;
const BULK: usize = 1;

/// Resumptions may pass full handshakes that wait for as long as so many of these take: a flood of them cannot keep all
/// others out.
const MOST_PASSED: u32 = 2;

/// Handshakes are charged this part more than their turns take: accepting a connection, reading its hello and closing it
/// have no turn, and take at least as much. So transfers keep half of the thread, and not only half of the turns.
const BESIDE: u32 = 4;

/// The most that handshakes or bulk transfers can be behind the other.
const CREDIT: Duration = Duration::from_millis(10);

/// Whoever gives up earlier has closed for another reason, perhaps on purpose.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// What steps take before any was done; the moving average forgets it soon.
const GUESS: [Duration; KINDS] =
    [Duration::from_micros(200), Duration::from_micros(200), Duration::from_millis(1), Duration::ZERO];

/// In this time, the patience of those who gave up is taken for twice as long, and so on; after eight times, as unknown.
const FORGET: Duration = Duration::from_secs(30);

/// So many newcomers in a second are looked at though there is no time for a full handshake. It costs some 30 µs to accept
/// a connection, read its hello and refuse it, three times as much as to refuse it unread.
const LOOKS: f64 = 1000.0;

/// The weight of the past in the moving average.
const WEIGHT: u32 = 16;

/// A longer step is not the work's fault: the process was stopped, or the machine.
const LONGEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
