//! Signals that ask a verb to end. Must not know: what a verb does then.

use std::fs;
use std::future::pending;
use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// A signal that comes while nobody waits counts for whoever waits next.
static CALLED: Notify = Notify::const_new();

/// The signals are listened to from the first call on.
static LISTENING: Once = Once::new();

/// Ready as soon as somebody wants this process to end; once for each time.
pub(super) async fn interrupted() {
    // The process has one runtime, which ends with it.
    LISTENING.call_once(|| drop(tokio::spawn(listen())));
    CALLED.notified().await;
}

/// For whoever has been interrupted, and for whom it was too late: it counts for whoever waits next.
pub(super) fn pass_on() {
    CALLED.notify_one();
}

async fn listen() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = kinds else { return };
    // The terminal is gone, and what nodes serve must not depend on that.
    let mut hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup()).ok()).flatten();
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
        CALLED.notify_one();
    }
}

/// Whether it was started by `nohup`, or by others who want it to go on without a terminal.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first signal.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_too_late_for_one_counts_for_the_next_once() {
        pass_on();
        interrupted().await;
        let again = tokio::time::timeout(std::time::Duration::ZERO, interrupted()).await;
        assert!(again.is_err());
    }
}
