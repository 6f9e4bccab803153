//! A periodic timer that runs while connections arrive. Must not know: what a connection does.
//!
//! A timer that is due before all others of its thread makes tokio wake that thread with a system call, since the
//! thread might sleep until a later time. Each connection would cause two or three such calls. While this timer runs,
//! which is always due earlier, it causes none.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The timer, if it runs. It causes at most one wake-up in each [`PULSE`].
#[derive(Default)]
pub(super) struct Pulse(Option<Pin<Box<Sleep>>>);

impl Pulse {
    /// A connection has arrived: starts the timer if it does not run.
    pub(super) fn beat(&mut self) {
        self.0.get_or_insert_with(|| Box::pin(sleep(PULSE)));
    }

    /// Completes when the timer fires; without connections, never.
    pub(super) async fn over(&mut self) {
        match &mut self.0 {
            None => pending().await,
            Some(sleep) => sleep.await,
        }
        self.0 = None;
    }
}

/// Shorter than any time that a connection waits for something.
const PULSE: Duration = Duration::from_millis(10);
