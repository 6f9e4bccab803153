//! Waits until an order is in another state. Must not know: what for.

use std::time::Duration;

use instant_acme::{Order, OrderStatus};
use tokio::time::{Instant, sleep};

use super::job::Job;
use crate::acme::trouble::Trouble;

/// Asks for the state of the order until it is another than `from`, as often as the authority wants to be asked.
pub(super) async fn poll(job: &Job<'_>, order: &mut Order, from: OrderStatus) -> Result<(), Trouble> {
    let end = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    // Most authorities have looked by then; one that has not may ask for a pause of seconds.
    sleep(FIRST_PAUSE).await;
    loop {
        let status = order.refresh().await.map_err(|error| Trouble::library(&error, job.http.last()))?.status;
        if status != from {
            return Ok(());
        }
        let asked = job.http.retry_after();
        let wait = wait(pause, asked, job.clock.now());
        if wait > end.saturating_duration_since(Instant::now()) {
            let seconds = PATIENCE.as_secs();
            let message = format!("the order is still {from:?} after {seconds} s, it is taken up again later");
            return Err(Trouble { retry_after: asked, ..Trouble::new(message) });
        }
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The authority may ask for a longer pause, but not for a shorter one: it would be asked without end.
fn wait(pause: Duration, asked: Option<i64>, now: i64) -> Duration {
    let asked = asked.and_then(|at| u64::try_from(at.saturating_sub(now)).ok()).map(Duration::from_secs);
    asked.map_or(pause, |asked| asked.max(pause))
}

/// For one state of an order. It can be taken up again afterwards.
const PATIENCE: Duration = Duration::from_secs(300);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_can_ask_for_a_longer_pause_only() {
        let pause = Duration::from_secs(4);
        assert_eq!(wait(pause, None, 1000), pause);
        for at in [0, 1000, 1003] {
            assert_eq!(wait(pause, Some(at), 1000), pause, "{at}");
        }
        assert_eq!(wait(pause, Some(1030), 1000), Duration::from_secs(30));
    }
}
