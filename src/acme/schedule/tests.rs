use fastrand::Rng;

use super::attempts::Attempts;
use super::*;

fn lifetime(days: i64) -> Lifetime {
    Lifetime { not_before: 1_000_000, not_after: 1_000_000 + days * DAY }
}

fn facts(lifetime: Option<Lifetime>) -> Facts<'static> {
    Facts { lifetime, proposal: None, chance: 0.5, at_once: None, failing: false }
}

#[test]
fn renewals_are_in_the_last_tenth_before_a_third_or_half_is_left() {
    for (days, from, to) in [(6, 2.4, 3.0), (47, 26.63, 31.34), (90, 51.0, 60.0), (200, 113.3, 133.34)] {
        let one = lifetime(days);
        let day = |at: i64| (at - one.not_before) as f64 / DAY as f64;
        let (earliest, latest) = (day(one.renewal(1.0)), day(one.renewal(0.0)));
        assert!(earliest >= from && earliest < from + 0.05, "{days}: {earliest}");
        assert!(latest <= to && latest > to - 0.05, "{days}: {latest}");
    }
}

#[test]
fn a_lifetime_that_ends_before_it_begins_is_due_at_once_and_nothing_overflows() {
    for (not_before, not_after) in [(10, 5), (i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX)] {
        let one = Lifetime { not_before, not_after };
        let next = due(&facts(Some(one)), 0);
        assert!(next.at <= one.not_after);
    }
}

#[test]
fn what_is_missing_is_due_now() {
    assert_eq!(due(&facts(None), 7), Next { at: 7, why: Why::First });
    assert_eq!(due(&Facts { failing: true, ..facts(None) }, 7), Next { at: 7, why: Why::Retry });
}

#[test]
fn a_proposal_is_followed_within_reason() {
    let one = lifetime(90);
    let day = |days: i64| one.not_before + days * DAY;
    let ask = |window: (i64, i64), now: i64| {
        let proposal = Proposal::choose(window, None, 0.25).unwrap();
        due(&Facts { proposal: Some(&proposal), ..facts(Some(one)) }, now)
    };
    assert_eq!(ask((day(40), day(44)), day(10)), Next { at: day(41), why: Why::Ari });
    // A window in the past, long before the certificate ends: it is about to be revoked.
    assert_eq!(ask((day(5), day(9)), day(10)).why, Why::Withdrawn);
    assert!(ask((day(5), day(9)), day(10)).at <= day(10));
    // A window in the past when it is time anyway.
    assert_eq!(ask((day(58), day(59)), day(70)).why, Why::Ari);
    // A window that begins when the certificate has ended.
    assert_eq!(ask((day(95), day(99)), day(10)), Next { at: day(75), why: Why::Lifetime });
    assert_eq!(Proposal::choose((5, 5), None, 0.5), None);
    assert_eq!(Proposal::choose((i64::MIN, i64::MAX), None, 0.5), None);
}

#[test]
fn the_authority_is_asked_again_as_it_says_within_a_minute_and_a_day() {
    for (retry_after, pause) in [(Some(1010), 60), (Some(4600), 3600), (Some(i64::MAX), DAY), (Some(0), 60)] {
        assert_eq!(next_question(1000, retry_after), 1000 + pause);
    }
    assert_eq!(next_question(1000, None), 1000 + 6 * 3600);
}

#[test]
fn a_fallback_is_asked_after_a_day_or_half_of_what_is_left() {
    let one = lifetime(6);
    assert_eq!(fallback_from(one.not_after - DAY, Some(one)), one.not_after - DAY / 2);
    assert_eq!(fallback_from(one.not_before, Some(one)), one.not_before + DAY);
    assert_eq!(fallback_from(one.not_after + 5, Some(one)), one.not_after + 5);
    assert_eq!(fallback_from(5, None), 5 + DAY);
}

#[test]
fn pauses_double_from_a_minute_to_a_day_by_half_more_or_less() {
    let mut attempts = Attempts::default();
    let (mut least, mut most) = (Vec::new(), Vec::new());
    for _ in 0..14 {
        attempts.begin(0, 0.0, DAY);
        least.push(attempts.next);
        attempts.fail(0, 1.0, DAY, None);
        most.push(attempts.next);
    }
    assert_eq!(least[..4], [30, 60, 120, 240]);
    assert_eq!(most[..4], [90, 180, 360, 720]);
    assert_eq!((least[13], most[13]), (DAY / 2, DAY / 2 * 3));
}

#[test]
fn pauses_are_shorter_where_little_time_is_left() {
    let one = lifetime(6);
    let before = |seconds: i64| longest_pause(Some(one), one.not_after - seconds);
    assert_eq!([before(30 * DAY), before(4 * DAY), before(3600), before(0)], [DAY, DAY / 2, 3600, DAY]);
    assert_eq!(longest_pause(None, 0), DAY);
}

#[test]
fn the_authority_can_demand_a_longer_pause_but_not_for_ever() {
    let mut attempts = Attempts::default();
    attempts.begin(0, 0.5, DAY);
    attempts.fail(10, 0.5, DAY, Some(5000));
    assert_eq!(attempts.next, 5000);
    attempts.fail(10, 0.5, DAY, Some(i64::MAX));
    assert_eq!(attempts.next, 10 + 8 * DAY);
    attempts.fail(10, 0.5, DAY, Some(11));
    assert_eq!(attempts.next, 70, "nor a shorter one");
}

#[test]
fn a_clock_that_jumps_back_neither_allows_an_attempt_nor_forbids_it_for_years() {
    let mut attempts = Attempts::default();
    let year = 365 * DAY;
    attempts.begin(10 * year, 0.5, DAY);
    assert_eq!(attempts.allowed_from(year), year + 60);
    assert!(attempts.rebase(year));
    assert!(!attempts.rebase(year + 30));
    assert_eq!(attempts.allowed_from(year + 30), year + 60);
}

#[test]
fn certificates_that_are_withdrawn_again_and_again_do_not_make_it_order_without_end() {
    let (mut attempts, mut now, mut orders) = (Attempts::default(), 0, 0);
    // Each is withdrawn as soon as it is there.
    while now < DAY {
        now = now.max(attempts.allowed_from(now));
        attempts.begin(now, 0.0, DAY);
        attempts.succeed(now, 47 * DAY);
        orders += 1;
    }
    assert!(orders <= 14, "{orders} orders in a day");
    // One that lasts is not delayed afterwards.
    now += 10 * DAY;
    attempts.begin(now, 0.0, DAY);
    attempts.succeed(now, 47 * DAY);
    assert_eq!((attempts.count, attempts.allowed_from(now)), (0, now));
}

#[test]
fn a_hundred_restarts_make_no_more_attempts_than_the_back_off_allows() {
    for seed in 0..50 {
        let mut rng = Rng::with_seed(seed);
        let mut remembered = serde_json::to_string(&Attempts::default()).unwrap();
        let (mut now, mut made) = (0, 0);
        for _ in 0..100 {
            let mut attempts: Attempts = serde_json::from_str(&remembered).unwrap();
            if attempts.allowed_from(now) <= now {
                attempts.begin(now, rng.f64(), DAY);
                remembered = serde_json::to_string(&attempts).unwrap();
                made += 1;
                // The process dies here: nothing reports how the attempt ended.
            }
            now += rng.i64(1..72);
        }
        // An hour, in pauses of at least 30 s, 60 s, 120 s …: 30 × (2^7 − 1) = 3810 s.
        assert!(now <= 7200 && (2..=9).contains(&made), "seed {seed}: {made} attempts in {now} s");
    }
}

/// How long the keeper of the test sleeps.
const STEP: i64 = 10 * MINUTE;

/// A certificate through ten years, with failures, restarts and clocks that jump.
struct World {
    rng: Rng,
    days: i64,
    /// Real time, and how wrong the clock is.
    time: i64,
    wrong: i64,
    lifetime: Option<Lifetime>,
    chance: f64,
    attempts: Attempts,
    failing_since: Option<i64>,
    /// Real times of attempts, and of the end of each outage.
    tried: Vec<i64>,
    renewed: u32,
}

impl World {
    fn new(seed: u64, days: i64) -> Self {
        let time = 1_800_000_000;
        Self {
            rng: Rng::with_seed(seed),
            days,
            time,
            wrong: 0,
            lifetime: None,
            chance: 0.0,
            attempts: Attempts::default(),
            failing_since: None,
            tried: Vec::new(),
            renewed: 0,
        }
    }

    fn now(&self) -> i64 {
        self.time + self.wrong
    }

    /// What the keeper does each time it wakes up.
    fn wake(&mut self, works: bool) {
        let now = self.now();
        self.attempts.rebase(now);
        let known = Facts {
            lifetime: self.lifetime,
            proposal: None,
            chance: self.chance,
            at_once: None,
            failing: self.attempts.count > 0,
        };
        if due(&known, now).at > now || self.attempts.allowed_from(now) > now {
            return;
        }
        let longest = longest_pause(self.lifetime, now);
        self.attempts.begin(now, self.rng.f64(), longest);
        self.tried.push(self.time);
        if self.rng.u8(0..10) == 0 {
            // A crash in the middle of an order.
            return;
        }
        // With a clock that is wrong by more than a certificate's life, what is issued is not valid: it is refused.
        if !works || self.wrong.abs() > DAY / 2 {
            let retry_after = (self.rng.u8(0..4) == 0).then(|| now + self.rng.i64(0..7200));
            let chance = self.rng.f64();
            self.attempts.fail(now, chance, longest, retry_after);
            self.failing_since.get_or_insert(now);
            return;
        }
        self.issue(now);
    }

    fn issue(&mut self, now: i64) {
        if let Some(before) = self.lifetime
            && self.failing_since.is_none()
            && self.wrong == 0
        {
            let earliest = before.renewal(1.0);
            assert!(self.time >= earliest, "renewed {} s before its window", earliest - self.time);
        }
        let fresh = Lifetime { not_before: self.time - 60, not_after: self.time + self.days * DAY };
        self.attempts.succeed(now, fresh.latest() - now);
        (self.lifetime, self.failing_since) = (Some(fresh), None);
        self.chance = self.rng.f64();
        self.renewed += 1;
    }

    /// Stops and starts: only what is in the files is left.
    fn restart(&mut self) {
        let remembered = serde_json::to_vec(&self.attempts).unwrap();
        self.attempts = serde_json::from_slice(&remembered).unwrap();
    }

    fn assert_valid(&self) {
        let valid = self.lifetime.is_none_or(|lifetime| self.time <= lifetime.not_after);
        assert!(valid, "it expired, after {} renewals", self.renewed);
    }

    /// No day has more attempts than the pauses allow: from half a minute to half an hour, and then one each half an hour.
    fn assert_bounded(&self) {
        for (at, begin) in self.tried.iter().enumerate() {
            let in_a_day = self.tried[at..].iter().take_while(|time| **time < begin + DAY).count();
            assert!(in_a_day <= 6 + 48 + 6, "{in_a_day} attempts in a day");
        }
    }
}

#[test]
fn ten_years_without_trouble_are_renewals_in_their_windows_and_nothing_else() {
    for days in [6, 47, 90, 200] {
        let mut world = World::new(7, days);
        let end = world.time + 3650 * DAY;
        while world.time < end {
            let before = world.lifetime;
            let renewed = world.renewed;
            world.rng = Rng::with_seed(world.rng.u64(..));
            wake_without_crashes(&mut world);
            if let Some(before) = before
                && world.renewed > renewed
            {
                let window = before.renewal(1.0)..=before.latest() + STEP;
                assert!(window.contains(&world.time), "{days} days: {} is not in {window:?}", world.time);
            }
            world.time += STEP;
            world.assert_valid();
        }
        let least = 3650 / days;
        let renewed = i64::from(world.renewed);
        assert!(renewed >= least && renewed <= least * 3, "{days} days: {renewed} renewals");
        assert_eq!(world.tried.len() as i64, renewed);
    }
}

fn wake_without_crashes(world: &mut World) {
    let now = world.now();
    let known = Facts { chance: world.chance, ..facts(world.lifetime) };
    if due(&known, now).at <= now && world.attempts.allowed_from(now) <= now {
        world.attempts.begin(now, world.rng.f64(), DAY);
        world.tried.push(world.time);
        world.issue(now);
    }
}

#[test]
fn ten_years_of_failures_restarts_and_jumping_clocks_let_no_certificate_expire() {
    for (days, seed) in [6, 47, 90, 200].into_iter().flat_map(|days| (0..4).map(move |seed| (days, seed))) {
        let mut world = World::new(seed, days);
        let end = world.time + 3650 * DAY;
        // Outages and wrong clocks last a day at most, and half of the days are without one.
        let (mut outage, mut wrong_until) = (0, 0);
        let mut day = 0;
        while world.time < end {
            if world.time / DAY != day {
                day = world.time / DAY;
                let bad = day % 2 == 0;
                outage = if bad && world.rng.u8(0..4) == 0 { world.time + world.rng.i64(0..DAY) } else { 0 };
                if bad && world.rng.u8(0..8) == 0 {
                    wrong_until = world.time + world.rng.i64(0..DAY);
                    world.wrong = world.rng.i64(-3650 * DAY..3650 * DAY);
                }
            }
            if world.time >= wrong_until {
                world.wrong = 0;
            }
            let works = world.time >= outage && world.rng.u8(0..3) > 0;
            world.wake(works);
            if world.rng.u16(0..200) == 0 {
                world.restart();
            }
            world.time += world.rng.i64(30..900);
            world.assert_valid();
        }
        assert!(i64::from(world.renewed) >= 3650 / days, "{days} days: {} renewals", world.renewed);
        world.assert_bounded();
    }
}
