//! The condition of a server: the state that its operator has set, its health, and failed connections. Pure: the time is a
//! parameter. Must not know: how any of it was found out.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The state that the operator has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In service.
    #[default]
    Ready,
    /// No new connections; open ones continue.
    Drain,
    /// Out of service: no new connections, no health checks.
    Maint,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Drain, Self::Maint];

    /// Its name in the admin API and the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// The result of health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// There is no check, or none has ended yet. The server is used.
    #[default]
    Unknown,
    Up,
    Down,
}

/// How fit a server is for one more connection, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fitness {
    Fit,
    /// Connecting has failed recently: used only where no other server is left.
    Paused,
    /// Down according to its health checks.
    Down,
}

/// How long a server is passed over after connecting to it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first failure; doubled with each further one.
    pub first: Duration,
    /// The upper limit.
    pub longest: Duration,
}

impl Pauses {
    fn after(self, failures: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).and_then(|times| self.first.checked_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

/// The one connection that tries a server after a pause. Small, since every connection has room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial(NonZeroU32);

/// Whether connections to a server should be closed, and those of which time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Descent {
    /// It is out of service: all.
    is_out: bool,
    /// It is down by its health checks: those from before it went down. Where all servers are down, clients may be led to one
    /// all the same.
    is_down: bool,
    /// How often it has gone down.
    pub(super) times: u32,
}

impl Descent {
    /// Whether a connection should be closed that began when it had gone down so often.
    pub(super) fn ends(self, before: u32) -> bool {
        self.is_out || self.is_down && self.times != before
    }
}

/// The condition of one server.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) state: State,
    pub(super) health: Health,
    /// Failed connections in a row.
    failures: u32,
    paused_until: Option<Instant>,
    /// After a pause, one connection tries the server. Until its result is known, other connections pass the server over.
    trying: Option<Trial>,
    /// How many have tried it.
    trials: NonZeroU32,
    /// How often it has gone down by its health checks.
    descents: u32,
    /// When it came back or was added to a running backend: the beginning of its slow start.
    since: Option<Instant>,
}

impl Condition {
    /// For a server that was added to a running backend at that time, or is there from the beginning (`None`).
    pub(super) fn new(since: Option<Instant>) -> Self {
        Self {
            state: State::default(),
            health: Health::default(),
            failures: 0,
            paused_until: None,
            trying: None,
            trials: NonZeroU32::MIN,
            descents: 0,
            since,
        }
    }

    /// `None` where the operator's state permits no new connections.
    pub(super) fn fitness(&self, now: Instant) -> Option<Fitness> {
        if self.state != State::Ready {
            return None;
        }
        if self.health == Health::Down {
            return Some(Fitness::Down);
        }
        let paused = self.trying.is_some() || self.paused_until.is_some_and(|until| now < until);
        Some(if paused { Fitness::Paused } else { Fitness::Fit })
    }

    /// Whether connections to it should be closed.
    pub(super) fn descent(&self) -> Descent {
        let (is_out, is_down) = (self.state == State::Maint, self.health == Health::Down);
        Descent { is_out, is_down, times: self.descents }
    }

    /// A connection is about to be made. `Some` where it is the one that tries the server after a pause.
    pub(super) fn connecting(&mut self) -> Option<Trial> {
        if self.failures == 0 || self.trying.is_some() {
            return None;
        }
        self.trials = self.trials.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.trying = Some(Trial(self.trials));
        self.trying
    }

    /// That connection has ended, or whoever made it gave it up.
    pub(super) fn tried(&mut self, trial: Trial) {
        // Another one may try by now, since what was known of failures can be forgotten meanwhile.
        if self.trying == Some(trial) {
            self.trying = None;
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        if self.failures > 0 {
            self.since = Some(now);
            self.forget_failures();
        }
    }

    /// Connecting failed. Returns how long the server is passed over from now on; `None` where it already is.
    pub(super) fn failed(&mut self, pauses: Pauses, now: Instant) -> Option<Duration> {
        // Connections that began before the first one failed do not count as further failures: otherwise many at once would
        // immediately lead to the longest pause.
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = pauses.after(self.failures);
        self.paused_until = now.checked_add(pause);
        Some(pause)
    }

    /// How much longer it is passed over; `None` where it is not.
    pub(super) fn paused(&self, now: Instant) -> Option<Duration> {
        self.paused_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }

    pub(super) fn set_state(&mut self, state: State, now: Instant) {
        if self.state == State::Maint && state != State::Maint {
            self.since = Some(now);
            // Failures before or during maintenance mean nothing afterwards.
            self.forget_failures();
        }
        self.state = state;
    }

    pub(super) fn set_health(&mut self, health: Health, now: Instant) {
        if self.health == Health::Down && health == Health::Up {
            self.since = Some(now);
            self.forget_failures();
        }
        if self.health != Health::Down && health == Health::Down {
            self.descents = self.descents.wrapping_add(1);
        }
        self.health = health;
    }

    /// The share of its weight that it has now, in thousandths. It grows linearly during `slow_start`.
    pub(super) fn warmth(&self, slow_start: Option<Duration>, now: Instant) -> u32 {
        let (Some(whole), Some(since)) = (slow_start, self.since) else { return FULL };
        let passed = now.saturating_duration_since(since).as_millis() * u128::from(FULL);
        let share = passed / whole.as_millis().max(1);
        u32::try_from(share).unwrap_or(FULL).clamp(COLD, FULL)
    }

    fn forget_failures(&mut self) {
        (self.failures, self.paused_until, self.trying) = (0, None, None);
    }
}

/// The whole weight, in thousandths.
pub(super) const FULL: u32 = 1000;
/// The share of the first moment, in thousandths. With 0, the server would have no weight and could not be chosen.
const COLD: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(5) };

    #[test]
    fn pauses_grow_to_their_limit_and_end_with_a_connection() {
        let (mut condition, mut now) = (Condition::new(None), Instant::now());
        for seconds in [1, 2, 4, 5, 5] {
            assert_eq!(condition.fitness(now), Some(Fitness::Fit));
            let tries = condition.connecting();
            assert_eq!(tries.is_some(), seconds > 1);
            tries.into_iter().for_each(|trial| condition.tried(trial));
            assert_eq!(condition.failed(PAUSES, now), Some(Duration::from_secs(seconds)));
            assert_eq!(condition.fitness(now), Some(Fitness::Paused));
            // Other connections that were being made at the same time.
            assert_eq!(condition.failed(PAUSES, now), None);
            now += Duration::from_secs(seconds);
        }
        condition.connected(now);
        assert_eq!((condition.fitness(now), condition.paused(now)), (Some(Fitness::Fit), None));
        assert_eq!(condition.failed(PAUSES, now), Some(Duration::from_secs(1)));
        assert_eq!(PAUSES.after(u32::MAX), PAUSES.longest);
    }

    #[test]
    fn after_a_pause_one_connection_tries_and_the_others_wait_for_it() {
        let (mut condition, now) = (Condition::new(None), Instant::now());
        assert_eq!(condition.connecting(), None);
        condition.failed(PAUSES, now);
        let later = now + PAUSES.first;
        assert_eq!(condition.fitness(later), Some(Fitness::Fit));
        let trial = condition.connecting().unwrap();
        assert_eq!(condition.fitness(later), Some(Fitness::Paused));
        assert_eq!(condition.connecting(), None);
        condition.tried(trial);
        assert_eq!(condition.fitness(later), Some(Fitness::Fit));
    }

    #[test]
    fn a_server_that_comes_back_while_one_tries_it_is_fit_for_all() {
        let (mut condition, now) = (Condition::new(None), Instant::now());
        let later = now + PAUSES.first;
        let back: [fn(&mut Condition, Instant); 2] = [
            |condition, now| {
                condition.set_health(Health::Down, now);
                condition.set_health(Health::Up, now);
            },
            |condition, now| {
                condition.set_state(State::Maint, now);
                condition.set_state(State::Ready, now);
            },
        ];
        for comes_back in back {
            condition.failed(PAUSES, now);
            let trial = condition.connecting().unwrap();
            comes_back(&mut condition, later);
            assert_eq!(condition.fitness(later), Some(Fitness::Fit));
            // The one that tried it fails only now. Another one tries meanwhile, and goes on.
            condition.failed(PAUSES, now);
            let other = condition.connecting().unwrap();
            condition.tried(trial);
            assert_eq!(condition.fitness(later), Some(Fitness::Paused));
            condition.connected(later);
            condition.tried(other);
            assert_eq!(condition.fitness(later), Some(Fitness::Fit));
        }
    }

    #[test]
    fn connections_end_where_their_server_goes_down_after_their_beginning_or_is_taken_out() {
        let (mut condition, now) = (Condition::new(None), Instant::now());
        let before = condition.descent().times;
        assert!(!condition.descent().ends(before));
        condition.set_health(Health::Down, now);
        assert!(condition.descent().ends(before));
        let while_down = condition.descent().times;
        assert!(!condition.descent().ends(while_down));
        condition.set_health(Health::Down, now);
        assert!(!condition.descent().ends(while_down), "it was down before");
        condition.set_health(Health::Up, now);
        assert!([before, while_down].iter().all(|then| !condition.descent().ends(*then)));
        condition.set_health(Health::Down, now);
        assert!(condition.descent().ends(while_down));
        condition.set_state(State::Maint, now);
        assert!(condition.descent().ends(condition.descent().times));
    }

    #[test]
    fn a_server_that_comes_back_warms_up() {
        let (mut condition, now) = (Condition::new(None), Instant::now());
        let slow = Some(Duration::from_secs(30));
        assert_eq!(condition.warmth(slow, now), FULL);
        condition.set_health(Health::Down, now);
        assert_eq!(condition.fitness(now), Some(Fitness::Down));
        condition.set_health(Health::Up, now);
        let warmth = |seconds| condition.warmth(slow, now + Duration::from_secs(seconds));
        assert_eq!([0, 3, 15, 27, 30, 3000].map(warmth), [COLD, 100, 500, 900, FULL, FULL]);
        assert_eq!(condition.warmth(None, now), FULL);
    }

    #[test]
    fn the_operator_has_the_last_word() {
        let (mut condition, now) = (Condition::new(None), Instant::now());
        condition.set_health(Health::Up, now);
        for (state, out) in [(State::Drain, false), (State::Maint, true)] {
            condition.set_state(state, now);
            assert_eq!((condition.fitness(now), condition.descent().is_out), (None, out));
        }
        condition.set_state(State::Ready, now);
        assert_eq!(condition.fitness(now), Some(Fitness::Fit));
    }
}
