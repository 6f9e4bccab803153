//! Notifies the service manager regularly that every worker and every accept loop makes progress, if it asks for that
//! (`WatchdogSec=`, sd_watchdog_enabled(3)). Where one no longer does, the notifications end, and the service manager starts
//! the service again. Must not know: what workers do.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::runtime::Handle;

use crate::proxy::heartbeat::{Heart, Heartbeats};
use crate::server::notify::notify;

/// What the service manager expects of this process, before it is begun.
pub(super) struct Planned {
    interval: Duration,
    heart: Heart,
}

/// The thread that notifies. Dropping this ends the notifications; it does not wait for the thread.
#[derive(Debug)]
pub(super) struct Watchdog {
    _running: Sender<()>,
}

impl Planned {
    /// `None` where the service manager expects nothing; then nobody asks those who join.
    pub(super) fn read() -> (Option<Self>, Heartbeats) {
        let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) else {
            return (None, Heartbeats::default());
        };
        let (heart, heartbeats) = Heart::new();
        (Some(Self { interval, heart }), heartbeats)
    }

    /// Begins to notify.
    pub(super) fn begin(self) -> io::Result<Watchdog> {
        let (running, ended) = mpsc::channel();
        tracing::info!(
            interval = %humantime::format_duration(self.interval),
            "notifying the service manager's watchdog as long as every worker makes progress"
        );
        thread::Builder::new().name("watchdog".into()).spawn(move || self.run(&ended))?;
        Ok(Watchdog { _running: running })
    }

    fn run(self, ended: &Receiver<()>) {
        let Self { interval, heart } = self;
        let mut rounds = Rounds::new(interval, Instant::now());
        loop {
            let wait = match rounds.next(Instant::now(), &heart.silent()) {
                Next::Ask { notify: true } => {
                    notify(&[NotifyState::Watchdog]);
                    heart.ask();
                    rounds.period
                }
                Next::Ask { notify: false } => {
                    heart.ask();
                    rounds.period
                }
                Next::Wait => rounds.period / 8,
            };
            if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// Answers the questions on every worker.
pub(super) fn answer_on(workers: &[Handle], heartbeats: &Heartbeats) {
    for (number, worker) in workers.iter().enumerate() {
        let mut heartbeat = heartbeats.join(|| format!("worker {number}"));
        worker.spawn(async move {
            loop {
                heartbeat.answer().await;
            }
        });
    }
}

/// When is asked, and when is notified. Pure.
struct Rounds {
    /// From one question to the next, if all answer.
    period: Duration,
    interval: Duration,
    notified: Instant,
    asked: Instant,
    /// Whether the log has the names of those who do not answer.
    logged: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// All have answered: the next question is due.
    Ask { notify: bool },
    /// Somebody has not answered yet: the same question goes on. It is looked at again soon, so that somebody who was only
    /// busy, or a process that was stopped, costs no more time.
    Wait,
}

impl Rounds {
    fn new(interval: Duration, now: Instant) -> Self {
        Self { period: interval / 4, interval, notified: now, asked: now, logged: false }
    }

    fn next(&mut self, now: Instant, silent: &[String]) -> Next {
        if !silent.is_empty() {
            self.log(now, silent);
            return Next::Wait;
        }
        self.logged = false;
        self.asked = now;
        // Half the interval, which sd_watchdog_enabled(3) recommends, less what a timer may be early or late.
        let notify = now.saturating_duration_since(self.notified) >= self.interval * 7 / 16;
        if notify {
            self.notified = now;
        }
        Next::Ask { notify }
    }

    fn log(&mut self, now: Instant, silent: &[String]) {
        if !self.logged && now.saturating_duration_since(self.asked) >= self.interval / 2 {
            self.logged = true;
            let silent = silent.join(", ");
            tracing::error!(%silent, "no progress: the service manager is not notified, and will start the service again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(16);

    /// What was notified, in seconds, where the thread runs at these times and somebody is silent in `stuck`.
    fn notified(times: impl IntoIterator<Item = u64>, stuck: std::ops::Range<u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut rounds = Rounds::new(INTERVAL, start);
        let silent = ["worker 0".to_owned()];
        let happens = |time: &u64| {
            let now = start + Duration::from_secs(*time);
            let silent = if stuck.contains(time) { &silent[..] } else { &[] };
            rounds.next(now, silent) == Next::Ask { notify: true }
        };
        times.into_iter().filter(happens).collect()
    }

    #[test]
    fn the_service_manager_is_notified_at_half_its_interval() {
        assert_eq!(notified((0..=32).step_by(4), 0..0), [8, 16, 24, 32]);
    }

    #[test]
    fn while_somebody_is_silent_nothing_is_notified_and_right_after_it_is() {
        assert_eq!(notified(0..=40, 9..29), [7, 29, 36]);
    }

    #[test]
    fn a_process_that_was_stopped_notifies_as_soon_as_it_goes_on() {
        assert_eq!(notified([0, 4, 8, 22, 26, 30], 0..0), [8, 22, 30]);
    }
}
