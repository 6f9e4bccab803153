//! Results of health checks in a row → whether a server is up, and when to log it. Pure: the time is a parameter. Must not
//! know: what is checked, which server it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::backend::condition::Health;
use crate::backend::health::check::Check;
use crate::backend::health::error::CheckError;
use crate::backend::health::run::Passed;
use crate::tls::certificate::expiry;
use crate::tls::trust::servers::Validity;

/// The results of a server's checks.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The last check; `None` before the first.
    pub last: Option<Last>,
    /// The number of checks with each result.
    pub counts: BTreeMap<&'static str, u64>,
    /// When the server's certificate is valid; `None` without TLS.
    pub validity: Option<Validity>,
    /// Results in a row that contradict the server's health.
    streak: u32,
    /// Whether there was a result. The first one decides alone, so that a start does not wait for several.
    begun: bool,
    limit: LogLimit,
    expiry_logged: Option<Instant>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub time: Timestamp,
    /// `passed`, or the label of a [`CheckError`].
    pub result: &'static str,
    /// Why the check failed; `None` where it passed.
    pub reason: Option<String>,
}

/// What follows from a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Judged {
    /// The new health, where it changes.
    pub(super) change: Option<Health>,
    /// Where the health is to be logged: the number of changes before it that were not.
    pub(super) log: Option<u32>,
    /// Seconds until the certificate expires, where a warning is due.
    pub(super) expires: Option<i64>,
}

impl Verdict {
    /// Another check begins: its first result decides alone.
    pub(super) fn begin(&mut self) {
        (self.streak, self.begun) = (0, false);
    }

    /// Takes the result of a check of a server with that health.
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
            Ok(Passed { validity }) => {
                self.validity = *validity;
                true
            }
            // A failure of this machine shows nothing about the server.
            Err(CheckError::Local(_)) => return Judged::default(),
            Err(_) => false,
        };
        let change = self.counted(passed, check.rise, check.fall, health);
        let log = match change {
            Some(_) => self.limit.change(now),
            None => self.limit.rest(now),
        };
        Judged { change, log, expires: self.expiry(now) }
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
        let wall = Timestamp::now().as_second();
        let logged = self.expiry_logged.is_some_and(|logged| now.saturating_duration_since(logged) < DAY);
        if !self.ends_soon(wall) || logged {
            return None;
        }
        self.expiry_logged = Some(now);
        self.validity.map(|validity| validity.not_after.saturating_sub(wall))
    }

    /// Whether the server's certificate has expired, or will soon; `now` in seconds since 1970.
    pub fn ends_soon(&self, now: i64) -> bool {
        self.validity.is_some_and(|validity| expiry::is_soon(validity.not_before, validity.not_after, now))
    }
}

/// Limits log lines to [`AT_ONCE`] in each [`WINDOW`], so that a server that goes up and down does not fill the log. The
/// number of changes that were left out is logged with the next line.
#[derive(Debug, Clone, Default)]
pub(super) struct LogLimit {
    logged: Vec<Instant>,
    left_out: u32,
}

impl LogLimit {
    /// Something changed. Returns, where that is to be logged, the number of changes before it that were not.
    pub(super) fn change(&mut self, now: Instant) -> Option<u32> {
        if self.may_log(now) {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }

    /// Nothing changed, but changes that were left out may be logged by now.
    fn rest(&mut self, now: Instant) -> Option<u32> {
        // Otherwise the last line in the log could show the wrong health for as long as the server is stable.
        (self.left_out > 0 && self.may_log(now)).then(|| std::mem::take(&mut self.left_out))
    }

    fn may_log(&mut self, now: Instant) -> bool {
        self.logged.retain(|logged| now.saturating_duration_since(*logged) < WINDOW);
        let may = self.logged.len() < AT_ONCE;
        if may {
            self.logged.push(now);
        }
        may
    }
}

/// Lines in a [`WINDOW`].
const AT_ONCE: usize = 4;
const WINDOW: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::backend::health::kind::Kind;

    pub(in crate::backend) fn check(rise: u32, fall: u32) -> Check {
        Check {
            kind: Kind::Tcp,
            tls: None,
            preface: Vec::new(),
            port: None,
            source: None,
            interval: Duration::from_secs(5),
            jitter: Duration::ZERO,
            timeout: Duration::from_secs(2),
            rise,
            fall,
        }
    }

    /// Checks: `+` for passed, `-` for failed, `.` for no result. Returns the health after each: `?`, `+` or `-`.
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
    fn a_flapping_server_is_logged_a_few_times_a_minute_and_every_change_is_counted() {
        let (mut limit, start) = (LogLimit::default(), Instant::now());
        // Every 300 ms for five minutes.
        let at = |change: u64| start + Duration::from_millis(300) * u32::try_from(change).unwrap();
        let logged: Vec<u32> = (0..1000).filter_map(|change| limit.change(at(change))).collect();
        assert!(logged.len() <= 5 * AT_ONCE && logged.len() >= 4 * AT_ONCE, "{logged:?}");
        let rest = limit.rest(at(1000) + WINDOW).unwrap();
        assert_eq!(logged.iter().sum::<u32>() + rest + u32::try_from(logged.len()).unwrap(), 1000);
        assert_eq!(limit.rest(at(1000) + WINDOW), None);
    }

    #[test]
    fn a_certificate_that_expires_soon_is_logged_once_a_day() {
        let (mut verdict, check, now) = (Verdict::default(), check(1, 1), Instant::now());
        let of = |lifetime: i64, left: i64| {
            let not_after = Timestamp::now().as_second() + left * 86_400;
            Ok(Passed { validity: Some(Validity { not_before: not_after - lifetime * 86_400, not_after }) })
        };
        assert_eq!(verdict.judge(&of(90, 30), &check, Health::Up, now).expires, None);
        // For a certificate of six days, three are more than a third.
        assert_eq!(verdict.judge(&of(6, 3), &check, Health::Up, now).expires, None);
        assert!(verdict.judge(&of(90, 3), &check, Health::Up, now).expires.is_some());
        assert_eq!(verdict.judge(&of(6, 1), &check, Health::Up, now).expires, None);
        assert!(verdict.judge(&of(6, 1), &check, Health::Up, now + DAY).expires.is_some());
        let seen = of(6, 1).unwrap().validity.unwrap();
        assert!(verdict.ends_soon(seen.not_after + 1) && !verdict.ends_soon(seen.not_before));
        assert_eq!(verdict.judge(&Ok(Passed::default()), &check, Health::Up, now + DAY * 3).expires, None);
    }
}
