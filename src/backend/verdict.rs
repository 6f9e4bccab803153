//! Results of health checks in a row → whether a server is up, and when to say so. Pure: the time is given.
//! Must not know: what is checked, which server it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::backend::condition::Health;
use crate::backend::health::check::Check;
use crate::backend::health::error::CheckError;
use crate::backend::health::run::Passed;

/// What checks have said of a server.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The last check.
    pub last: Option<Last>,
    /// How often each result was had.
    pub counts: BTreeMap<&'static str, u64>,
    /// When the server's certificate expires, in seconds since 1970, where TLS is checked.
    pub not_after: Option<i64>,
    /// Results in a row that say the contrary.
    streak: u32,
    /// No result yet: the first one decides alone.
    begun: bool,
    teller: Teller,
    expiry_told: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub time: Timestamp,
    pub result: &'static str,
    /// Why it was not passed.
    pub reason: Option<String>,
}

/// What a result comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Judged {
    /// The server is up, or down, from now on.
    pub(super) change: Option<Health>,
    /// This is to be told, along with how many changes were not.
    pub(super) tell: Option<u32>,
    /// The certificate expires soon, and that was not told for a day.
    pub(super) expires: Option<i64>,
}

impl Verdict {
    /// From here on another check is made: its first result decides.
    pub(super) fn begin(&mut self) {
        (self.streak, self.begun) = (0, false);
    }

    pub(super) fn judge(
        &mut self,
        result: &Result<Passed, CheckError>,
        check: &Check,
        health: Health,
        now: Instant,
    ) -> Judged {
        let label = result.as_ref().err().map_or("passed", CheckError::label);
        let reason = result.as_ref().err().map(ToString::to_string);
        self.last = Some(Last { time: Timestamp::now(), result: label, reason });
        *self.counts.entry(label).or_default() += 1;
        let passed = match result {
            Ok(Passed { not_after }) => {
                self.not_after = *not_after;
                true
            }
            // It says nothing about the server.
            Err(CheckError::Local(_)) => return Judged::default(),
            Err(_) => false,
        };
        let change = self.counted(passed, check.rise, check.fall, health);
        let tell = match change {
            Some(_) => self.teller.change(now),
            None => self.teller.rest(now),
        };
        Judged { change, tell, expires: self.expiry(now) }
    }

    fn counted(&mut self, passed: bool, rise: u32, fall: u32, health: Health) -> Option<Health> {
        let first = !std::mem::replace(&mut self.begun, true);
        let (contrary, wanted) = if passed { (Health::Up, rise) } else { (Health::Down, fall) };
        if health == contrary {
            self.streak = 0;
            return None;
        }
        self.streak += 1;
        if !first && health != Health::Unknown && self.streak < wanted {
            return None;
        }
        self.streak = 0;
        Some(contrary)
    }

    fn expiry(&mut self, now: Instant) -> Option<i64> {
        let left = self.not_after?.saturating_sub(Timestamp::now().as_second());
        let told = self.expiry_told.is_some_and(|told| now.saturating_duration_since(told) < DAY);
        if left > EXPIRES_SOON || told {
            return None;
        }
        self.expiry_told = Some(now);
        Some(left)
    }
}

/// Lets a few changes be told at once and one a while after that, so that a server which comes and goes does not fill the
/// log. What was left out is told later.
#[derive(Debug, Clone, Default)]
pub(super) struct Teller {
    spoken: Vec<Instant>,
    unsaid: u32,
}

impl Teller {
    /// Something changed. How many changes were not told, where this one is to be.
    pub(super) fn change(&mut self, now: Instant) -> Option<u32> {
        if self.may_speak(now) {
            return Some(std::mem::take(&mut self.unsaid));
        }
        self.unsaid += 1;
        None
    }

    /// Nothing changed; what was left out may be told by now.
    fn rest(&mut self, now: Instant) -> Option<u32> {
        (self.unsaid > 0 && self.may_speak(now)).then(|| std::mem::take(&mut self.unsaid))
    }

    fn may_speak(&mut self, now: Instant) -> bool {
        self.spoken.retain(|spoken| now.saturating_duration_since(*spoken) < WINDOW);
        let may = self.spoken.len() < AT_ONCE;
        if may {
            self.spoken.push(now);
        }
        may
    }
}

/// So many lines in this time.
const AT_ONCE: usize = 4;
const WINDOW: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Two weeks, as for tlsgate's own certificates.
const EXPIRES_SOON: i64 = 14 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::health::kind::Kind;

    fn check(rise: u32, fall: u32) -> Check {
        Check {
            kind: Kind::Tcp,
            tls: None,
            preface: Vec::new(),
            port: None,
            interval: Duration::from_secs(5),
            jitter: Duration::ZERO,
            timeout: Duration::from_secs(2),
            rise,
            fall,
        }
    }

    /// `+` for a check that was passed, `-` for one that was not, `.` for one that says nothing; what the server is after
    /// each: `?`, `+` or `-`.
    fn course(results: &str) -> String {
        let (mut verdict, mut health, check) = (Verdict::default(), Health::Unknown, check(2, 3));
        let now = Instant::now();
        let step = |result| {
            let result = match result {
                '+' => Ok(Passed::default()),
                '-' => Err(CheckError::Connect("connection refused".into())),
                _ => Err(CheckError::Local("no ports".into())),
            };
            health = verdict.judge(&result, &check, health, now).change.unwrap_or(health);
            match health {
                Health::Unknown => '?',
                Health::Up => '+',
                Health::Down => '-',
            }
        };
        results.chars().map(step).collect()
    }

    #[test]
    fn the_first_result_decides_and_then_it_takes_several_in_a_row() {
        assert_eq!(course("+--+--+---+-++--"), "+++++++++----+++");
        assert_eq!(course("-+-++"), "----+");
        assert_eq!(course(".....-"), "?????-");
        assert_eq!(course("+--....-"), "+++++++-");
    }

    #[test]
    fn another_check_decides_with_its_first_result() {
        let (mut verdict, check, now) = (Verdict::default(), check(2, 3), Instant::now());
        let failed = Err(CheckError::Answer("no".into()));
        assert_eq!(verdict.judge(&Ok(Passed::default()), &check, Health::Unknown, now).change, Some(Health::Up));
        assert_eq!(verdict.judge(&failed, &check, Health::Up, now).change, None);
        verdict.begin();
        assert_eq!(verdict.judge(&failed, &check, Health::Up, now).change, Some(Health::Down));
        assert_eq!(verdict.counts, BTreeMap::from([("answer", 2), ("passed", 1)]));
        assert_eq!(verdict.last.as_ref().unwrap().reason.as_deref(), Some("no"));
    }

    #[test]
    fn a_flapping_server_is_told_of_a_few_times_a_minute_and_nothing_is_left_unsaid() {
        let (mut teller, start) = (Teller::default(), Instant::now());
        // Every 300 ms for five minutes.
        let at = |change: u64| start + Duration::from_millis(300) * u32::try_from(change).unwrap();
        let told: Vec<u32> = (0..1000).filter_map(|change| teller.change(at(change))).collect();
        assert!(told.len() <= 5 * AT_ONCE && told.len() >= 4 * AT_ONCE, "{told:?}");
        let rest = teller.rest(at(1000) + WINDOW).unwrap();
        assert_eq!(told.iter().sum::<u32>() + rest + u32::try_from(told.len()).unwrap(), 1000);
        assert_eq!(teller.rest(at(1000) + WINDOW), None);
    }

    #[test]
    fn a_certificate_that_expires_soon_is_told_of_once_a_day() {
        let (mut verdict, check, now) = (Verdict::default(), check(1, 1), Instant::now());
        let expires = |days: i64| Ok(Passed { not_after: Some(Timestamp::now().as_second() + days * 86_400) });
        assert_eq!(verdict.judge(&expires(30), &check, Health::Up, now).expires, None);
        assert!(verdict.judge(&expires(3), &check, Health::Up, now).expires.is_some());
        assert_eq!(verdict.judge(&expires(3), &check, Health::Up, now).expires, None);
        assert!(verdict.judge(&expires(3), &check, Health::Up, now + DAY).expires.is_some());
    }
}
