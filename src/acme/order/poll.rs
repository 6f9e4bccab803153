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
        let wait = asked.map_or(pause, |at| seconds(at.saturating_sub(job.clock.now())));
        if wait > end.saturating_duration_since(Instant::now()) {
            let seconds = PATIENCE.as_secs();
            let message = format!("the order is still {from:?} after {seconds} s, it is taken up again later");
            return Err(Trouble { retry_after: asked, ..Trouble::new(message) });
        }
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn seconds(wait: i64) -> Duration {
    Duration::from_secs(u64::try_from(wait).unwrap_or(0)).max(FIRST_PAUSE)
}

/// For one state of an order. It can be taken up again afterwards.
const PATIENCE: Duration = Duration::from_secs(300);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
