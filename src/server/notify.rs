//! What the service manager is notified of (sd_notify(3)); without one, nothing happens. Must not know: how a reload or a
//! hand-over works.

use std::time::Duration;

use jiff::Timestamp;
use sd_notify::NotifyState;

use crate::observe::line;
use crate::reload::report::Report;

/// Notifies the service manager.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// What the service manager shows as the state of the service.
#[derive(Debug, Default)]
pub(super) struct Status {
    sockets: usize,
    /// What became of the last reload that changed something or failed, and the time.
    last: Option<(Outcome, String)>,
    /// Whether a reload was announced to the service manager, which waits for its end.
    reloading: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Reloaded,
    Refused(String),
}

impl Status {
    /// The process accepts on so many sockets. It may be another one than the service manager has started: MAINPID makes the
    /// service manager follow it.
    pub(super) fn ready(sockets: usize) -> Self {
        let status = Self { sockets, ..Self::default() };
        let text = status.text();
        notify(&[NotifyState::Ready, NotifyState::MainPid(std::process::id()), NotifyState::Status(&text)]);
        status
    }

    /// A reload that somebody asked for begins, or waits until another one has ended.
    pub(super) fn reloading(&mut self) {
        self.reloading = true;
        // With Type=notify-reload the service manager compares this time with that of its signal.
        let now = NotifyState::monotonic_usec_now();
        let states = [Some(NotifyState::Reloading), now.ok(), Some(NotifyState::Status("reloading"))];
        notify(&states.into_iter().flatten().collect::<Vec<_>>());
    }

    /// A reload has ended, and the process accepts on so many sockets. `others` is whether another one that somebody asked
    /// for waits: then the service manager waits as well.
    pub(super) fn reloaded(&mut self, report: &Report, sockets: usize, others: bool) {
        let before = self.text();
        self.sockets = sockets;
        self.note(report, Timestamp::now());
        let text = self.text();
        match self.reloading && !others {
            true => {
                self.reloading = false;
                // READY ends the reload also where it was refused: the service runs on as it was.
                notify(&[NotifyState::Ready, NotifyState::Status(&text)]);
            }
            false if !self.reloading && text != before => notify(&[NotifyState::Status(&text)]),
            false => {}
        }
    }

    /// Another process was started to take over; `None`: it has not.
    pub(super) fn upgrading(&self, pid: Option<u32>) {
        let text = match pid {
            Some(pid) => format!("process {pid} is about to take over"),
            None => format!("{}; no other process has taken over", self.text()),
        };
        notify(&[NotifyState::Status(&text)]);
    }

    fn note(&mut self, report: &Report, now: Timestamp) {
        let now = now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let had_failed = matches!(self.last, Some((Outcome::Refused(_), _)));
        match report {
            Report::Swapped(changes) if changes.is_empty() && !had_failed => {}
            Report::Swapped(_) => self.last = Some((Outcome::Reloaded, now)),
            Report::Failed(errors) => {
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                let more = errors.len().saturating_sub(1);
                let refused = Outcome::Refused(if more == 0 { first } else { format!("{first} (and {more} more)") });
                // The periodic read finds the same again: the time is that of the first.
                if self.last.as_ref().is_none_or(|(last, _)| *last != refused) {
                    self.last = Some((refused, now));
                }
            }
        }
    }

    fn text(&self) -> String {
        let sockets = match self.sockets {
            1 => "listening on 1 socket".to_owned(),
            count => format!("listening on {count} sockets"),
        };
        match &self.last {
            None => sockets,
            Some((Outcome::Reloaded, time)) => format!("{sockets}; reloaded at {time}"),
            Some((Outcome::Refused(why), time)) => {
                line::escaped(&format!("{sockets}; the reload at {time} was refused: {why}"))
            }
        }
    }
}

/// The process no longer accepts, and connections may take so long to end.
pub(super) fn stopping(patience: Duration) {
    let text = format!("waiting for connections to end, {} at most", humantime::format_duration(patience));
    // The service manager's own limit (TimeoutStopSec=) may be shorter.
    let longest = patience.saturating_add(AFTERWARDS).as_micros().min(u128::from(u64::MAX));
    let extend = format!("EXTEND_TIMEOUT_USEC={longest}");
    notify(&[NotifyState::Stopping, NotifyState::Custom(&extend), NotifyState::Status(&text)]);
}

/// For what follows when all connections have ended: the admin server's last answers, the last lines of the log.
const AFTERWARDS: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::located::ConfigError;

    fn failed(messages: &[&str]) -> Report {
        let error =
            |message: &&str| ConfigError { path: String::new(), position: None, message: (*message).to_owned() };
        Report::Failed(messages.iter().map(error).collect())
    }

    #[test]
    fn the_status_is_one_line_with_the_last_thing_that_matters() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut status = Status { sockets: 1, ..Status::default() };
        assert_eq!(status.text(), "listening on 1 socket");
        status.note(&Report::Swapped(Vec::new()), at(1));
        assert_eq!(status.text(), "listening on 1 socket", "nothing has changed");
        status.sockets = 2;
        status.note(&Report::Swapped(vec!["a".into()]), at(2));
        assert_eq!(status.text(), "listening on 2 sockets; reloaded at 1970-01-01 00:00:02 UTC");
        for second in [3, 4] {
            status.note(&failed(&["a\nb", "c"]), at(second));
            let text = status.text();
            assert!(text.contains("at 1970-01-01 00:00:03 UTC was refused: a"), "{text}");
            assert!(text.ends_with("b (and 1 more)") && !text.contains('\n'), "{text}");
        }
        status.note(&Report::Swapped(Vec::new()), at(5));
        assert!(status.text().ends_with("reloaded at 1970-01-01 00:00:05 UTC"));
    }
}
