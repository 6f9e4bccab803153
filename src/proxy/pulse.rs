//! A timer that stands while connections come. Must not know: what a connection does.
//!
//! Whoever sets a timer that is due before every other one on its thread makes tokio interrupt that thread, by a system
//! call, for it might be asleep until later. Each connection does so two or three times, unless there always is one that
//! is due before its own.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// At most so many interruptions as there are times this long.
#[derive(Default)]
pub(super) struct Pulse(Option<Pin<Box<Sleep>>>);

impl Pulse {
    /// A connection has come.
    pub(super) fn beat(&mut self) {
        self.0.get_or_insert_with(|| Box::pin(sleep(PULSE)));
    }

    /// Returns when it stands no more; without connections that is never.
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
