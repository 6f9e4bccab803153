//! Connections that arrive whether or not the proxy keeps up: its capacity first, then how much of it remains useful
//! when more is offered.

use std::time::{Duration, Instant};

use super::{Figure, Values, milliseconds, percentiles};
use crate::load::Fault;
use crate::load::offered::{Offer, Offered};
use crate::load::steady::Steady;
use crate::load::target::Target;
use crate::measure::Bench;
use crate::peer::running::Running;
use crate::report::Better;

pub(super) const BEGUN: Figure = Figure("begun", "the load’s delay, 99 %", "ms", Better::Less);
pub(super) const GOODPUT: [Figure; 7] = [
    Figure("done", "in time", "1/s", Better::More),
    Figure("share", "in time", "of capacity", Better::More),
    Figure("p50", "median", "ms", Better::Less),
    Figure("p99", "99 %", "ms", Better::Less),
    Figure("refused", "refused", "of all", Better::Less),
    Figure("late", "late", "of all", Better::Less),
    BEGUN,
];
/// How long clients wait if too many of them come.
const IMPATIENT: Duration = Duration::from_secs(1);
/// How long clients wait if the proxy can serve all of them.
const PATIENT: Duration = Duration::from_secs(5);
/// A load that begins its connections later than this does not offer what it should: nine of ten clients have at least
/// nine tenths of their patience left.
const BEGUN_LATE: Duration = Duration::from_millis(100);
/// How many clients find the capacity, their time until they are steady, and the time that counts.
const CLIENTS: u64 = 64;
const WARM_UP: Duration = Duration::from_millis(300);
const CAPACITY: Duration = Duration::from_millis(1500);
/// The longest time until the proxy has done everything that clients no longer wait for.
const AFTERMATH: Duration = Duration::from_secs(60);

impl Bench {
    /// The values for [`super::Kind::Goodput`].
    pub(super) async fn goodput(&self, proxy: &Running, times: f64) -> Result<Values, Fault> {
        let target = self.target(proxy.rsa, &self.material.rsa);
        let capacity = capacity(&target, CAPACITY.min(self.seconds)).await?;
        let warm_up = IMPATIENT.min(self.seconds);
        let offer = Offer { rate: capacity * times, patience: IMPATIENT, warm_up, lasts: self.seconds };
        let found = offer.run(&target).await?;
        self.quiet(proxy).await?;
        let begun = begun(&found)?;
        let done = found.in_time.len() as f64 / self.seconds.as_secs_f64();
        let of_all = |count: u64| Ok(count as f64 / found.arrivals().max(1) as f64);
        let mut values = vec![Ok(done), Ok(done / capacity)];
        values.extend(percentiles(&found.in_time, [500, 990]));
        values.extend([of_all(found.refused), of_all(found.late), Ok(begun)]);
        Ok(values)
    }

    /// The values for [`super::Kind::Connections`].
    pub(super) async fn connections(&self, proxy: &Running, rate: f64) -> Result<Values, Fault> {
        let target = self.target(proxy.ecdsa, &self.material.ecdsa);
        let offer = Offer { rate, patience: PATIENT, warm_up: WARM_UP, lasts: self.seconds };
        let found = offer.run(&target).await?;
        self.quiet(proxy).await?;
        if found.refused + found.late > 0 {
            return Err(Fault::Unserved { refused: found.refused, late: found.late, all: found.arrivals() });
        }
        let begun = begun(&found)?;
        let mut values = percentiles(&found.in_time, [500, 990, 999]);
        values.push(Ok(begun));
        Ok(values)
    }

    /// Waits until the proxy is idle.
    pub(super) async fn quiet(&self, proxy: &Running) -> Result<(), Fault> {
        let began = Instant::now();
        let mut before = proxy.tree.used()?;
        while began.elapsed() < AFTERMATH {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = proxy.tree.used()?;
            if proxy.backend.open() == 0 && now.since(&before).is_ok_and(|used| used < Duration::from_millis(1)) {
                return Ok(());
            }
            before = now;
        }
        Err(Fault::Late("what clients no longer waited for", AFTERMATH))
    }
}

/// Connections in a second of clients that begin again as soon as they are done.
async fn capacity(target: &Target, time: Duration) -> Result<f64, Fault> {
    let pressing = Steady::Connections { at_once: CLIENTS }.start(target).await?;
    tokio::time::sleep(WARM_UP).await;
    let (before, began) = (pressing.done(), Instant::now());
    tokio::time::sleep(time).await;
    let (done, seconds) = (pressing.done() - before, began.elapsed().as_secs_f64());
    pressing.stop().await?;
    if done == 0 {
        return Err(Fault::Late("the first connection", time));
    }
    Ok(done as f64 / seconds)
}

/// How late 99 % of the connections began at most, or all of them if they are few, in ms, if that is not too late.
fn begun(found: &Offered) -> Result<f64, Fault> {
    let late = found.begun_late.permille(990).ok().or(found.begun_late.longest()).unwrap_or_default();
    if late <= BEGUN_LATE { Ok(milliseconds(late)) } else { Err(Fault::Overtaxed(late)) }
}
