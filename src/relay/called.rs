//! Whether somebody has asked a relay to end since it looked last. Must not know: how it ends.

use std::sync::Arc;
use std::task::Context;

use crate::live::call::{Asked, Call, Mode};
use crate::relay::By;
use crate::relay::patience::Clock;
use crate::tls::trust::clients::again::Distrust;

/// What a relay does about a request to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    /// Nobody has asked, or the relay knows it already.
    No,
    /// It is asked politely, for the first time: its timer has to be set again.
    First,
    Now,
    /// Immediately, and the client gets an alert.
    Distrusted(Arc<Distrust>),
}

impl Called {
    /// Notes a request. The next one wakes this task.
    pub(super) fn of(call: &Call, clock: &mut Clock, cx: &Context<'_>) -> Self {
        match call.listen(cx.waker()) {
            Some(Asked::To(Mode::Now)) => Self::Now,
            Some(Asked::Distrusted(why)) => Self::Distrusted(why),
            Some(Asked::To(Mode::Polite)) if clock.ask(By::Operator) => Self::First,
            Some(Asked::To(Mode::Polite)) | None => Self::No,
        }
    }
}
