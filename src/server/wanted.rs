//! The reload that was asked for and has not begun, and when one is asked for anyway. Must not know: how a reload works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::reload::Cause;
use crate::reload::report::Report;

/// The callers that wait for the report of a reload.
pub(super) type Waiting = Vec<oneshot::Sender<Arc<Report>>>;

/// A reload that was requested and has not begun. All requests before it begins share it. Later requests wait for the next
/// one, since the one that runs may already have read the files that they are about.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) cause: Option<Cause>,
    pub(super) waiting: Waiting,
    /// When files that have changed are read. Until then, others may change with them.
    pub(super) settles: Option<Instant>,
}

impl Wanted {
    pub(super) fn ask(&mut self, cause: Cause) {
        self.cause = self.cause.max(Some(cause));
    }

    /// Whether somebody has asked for it, and it is not only for a file that has changed.
    pub(super) fn is_asked_for(&self) -> bool {
        self.cause >= Some(Cause::Signal)
    }

    pub(super) fn file_has_changed(&mut self) {
        // Certificate and key are two files: a short wait reads both at once. It is not extended by later changes, so that
        // files that change all the time cannot delay a reload for ever.
        self.settles.get_or_insert_with(|| Instant::now() + SETTLE);
    }

    /// Waits until it is time to read the files that have changed; for ever if none has.
    pub(super) async fn settled(&self) {
        match self.settles {
            Some(then) => sleep_until(then).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn take(&mut self) -> Option<(Cause, Waiting)> {
        let cause = self.cause.take()?;
        Some((cause, std::mem::take(&mut self.waiting)))
    }
}

/// Ticks when everything is to be read again.
pub(super) fn rereading() -> Interval {
    let mut reread = interval_at(Instant::now() + REREAD, REREAD);
    // After the machine was suspended, one reload is enough, not one for each minute of that time.
    reread.set_missed_tick_behavior(MissedTickBehavior::Delay);
    reread
}

/// How often everything is read again. Network file systems do not report changes that other machines make.
const REREAD: Duration = Duration::from_secs(60);

/// How long after the first change of a file the files are read.
const SETTLE: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_before_a_reload_begins_share_it_and_later_ones_get_the_next() {
        let mut wanted = Wanted::default();
        assert!(wanted.take().is_none());
        let ask = |wanted: &mut Wanted| {
            wanted.waiting.push(oneshot::channel().0);
            wanted.ask(Cause::Command);
        };
        wanted.ask(Cause::Change);
        ask(&mut wanted);
        ask(&mut wanted);
        wanted.ask(Cause::Reread);
        let (cause, waiting) = wanted.take().unwrap();
        assert_eq!((cause, waiting.len()), (Cause::Command, 2));
        // The reload that runs now may have read everything already.
        ask(&mut wanted);
        let (cause, waiting) = wanted.take().unwrap();
        assert_eq!((cause, waiting.len()), (Cause::Command, 1));
        assert!(wanted.take().is_none());
    }

    #[test]
    fn files_that_change_together_count_from_the_first_one() {
        let mut wanted = Wanted::default();
        wanted.file_has_changed();
        let first = wanted.settles;
        wanted.file_has_changed();
        assert!(first.is_some() && wanted.settles == first);
    }
}
