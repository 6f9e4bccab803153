//! Good clients among thousands of slow ones and a flood of handshakes, and what becomes of transfers meanwhile.

use std::time::{Duration, Instant};

use super::{Figure, Values, percentiles};
use crate::load::Fault;
use crate::load::offered::Offer;
use crate::load::steady::{Pressing, Steady};
use crate::measure::Bench;
use crate::peer::running::Running;
use crate::report::Better;

pub(super) const FIGURES: [Figure; 7] = [
    Figure("served", "good clients served", "of all", Better::More),
    Figure("p50", "their median", "ms", Better::Less),
    Figure("p90", "their 90 %", "ms", Better::Less),
    Figure("alone", "transfers before", "MB/s", Better::More),
    Figure("kept", "of that meanwhile", "share", Better::More),
    Figure("flood", "handshakes of the flood", "1/s", Better::More),
    // What the others are worth: a proxy that refuses slow clients has an easy time.
    Figure("open", "slow clients connected meanwhile", "of all", Better::More),
];
/// Good clients in a second, and how long they wait.
const GOOD: f64 = 25.0;
const PATIENCE: Duration = Duration::from_secs(5);
/// Until all slow clients have come for the first time.
const ARRIVAL: Duration = Duration::from_secs(3);

impl Bench {
    /// The values for [`super::Kind::Crowd`].
    pub(super) async fn crowd(&self, proxy: &Running, slow: u64) -> Result<Values, Fault> {
        let (rsa, ecdsa) = (self.target(proxy.rsa, &self.material.rsa), self.target(proxy.ecdsa, &self.material.ecdsa));
        let transfers = Steady::Downloads { connections: 16 }.start(&ecdsa).await?;
        let alone = rate(&transfers, self.seconds).await;
        let crowd = Steady::Slow { connections: slow }.start(&ecdsa).await?;
        tokio::time::sleep(ARRIVAL).await;
        let flood = Steady::Connections { at_once: 64 }.start(&rsa).await?;
        let offer = Offer { rate: GOOD, patience: PATIENCE, warm_up: Duration::from_millis(300), lasts: self.seconds };
        let at_first = crowd.open();
        let others = async { tokio::join!(rate(&transfers, self.seconds), rate(&flood, self.seconds)) };
        let (found, (moved, done)) = tokio::join!(offer.run(&ecdsa), others);
        let found = found?;
        let open = crowd.open().min(at_first);
        for pressing in [flood, crowd, transfers] {
            pressing.stop().await?;
        }
        self.quiet(proxy).await?;
        let mut values = vec![Ok(found.in_time.len() as f64 / found.arrivals().max(1) as f64)];
        values.extend(percentiles(&found.in_time, [500, 900]));
        values.extend([Ok(alone / 1e6), Ok(moved / alone), Ok(done), Ok(open as f64 / slow as f64)]);
        Ok(values)
    }
}

/// Units in a second.
async fn rate(pressing: &Pressing, time: Duration) -> f64 {
    let (before, began) = (pressing.done(), Instant::now());
    tokio::time::sleep(time).await;
    (pressing.done() - before) as f64 / began.elapsed().as_secs_f64()
}
