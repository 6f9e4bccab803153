//! When the files of what is served were looked after last. Must not know: what is done.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// The last time, and what is not done yet of it.
#[derive(Debug, Default)]
pub(in crate::member) struct Looked {
    last: Option<Instant>,
    under_way: Option<JoinHandle<()>>,
    /// Whether it was said that they cannot be put right.
    pub(super) said: Arc<AtomicBool>,
}

impl Drop for Looked {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Looked {
    /// Whether it is time to do it again; then that is the last time.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_under_way = self.under_way.as_ref().is_some_and(|task| !task.is_finished());
        let is_due = self.last.is_none_or(|last| now.duration_since(last) >= LOOK) && !is_under_way;
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// What is served is another release now, or nothing is looked after any longer.
    pub(super) fn stop(&mut self) {
        if let Some(task) = self.under_way.take() {
            task.abort();
        }
    }

    pub(super) fn begins(&mut self, task: JoinHandle<()>) {
        self.under_way = Some(task);
    }
}

/// How often files are looked at. With 10,000 certificates that takes 20 ms.
const LOOK: Duration = Duration::from_secs(10);
