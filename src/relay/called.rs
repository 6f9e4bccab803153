//! Whether somebody has asked a relay to end since it looked last. Must not know: how it ends.

use std::task::Context;

use crate::live::call::{Call, Mode};
use crate::relay::By;
use crate::relay::patience::Clock;

/// What a relay does about a request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// Nobody has asked, or the relay knows it already.
    No,
    /// It is asked politely, for the first time: its timer has to be set again.
    First,
    Now,
}

impl Called {
    /// Notes a request. The next one wakes this task.
    pub(super) fn of(call: &Call, clock: &mut Clock, cx: &Context<'_>) -> Self {
        match call.listen(cx.waker()) {
            Some(Mode::Now) => Self::Now,
            Some(Mode::Polite) if clock.ask(By::Operator) => Self::First,
            _ => Self::No,
        }
    }
}
