//! Round trips of a probe beside a load, and what the load got done in the meantime: a proxy that answers the probe
//! quickly because it neglects the load has won nothing.

use std::io;
use std::time::{Duration, Instant};

use super::{TERMS, Values, milliseconds, percentiles};
use crate::load::Fault;
use crate::load::probe::{Probe, Probed};
use crate::load::steady::Steady;
use crate::load::target::{Site, Target};
use crate::load::work::Work;
use crate::material::Many;
use crate::measure::Bench;
use crate::peer::running::Running;

/// The probe's round trips in a second, and its connections: so many that, up to a latency of an eighth of a second,
/// hardly any has to wait for a free one.
pub(super) const RATE: f64 = 1000.0;
pub(super) const CONNECTIONS: usize = 128;
/// The load's time until it is steady.
const WARM_UP: Duration = Duration::from_millis(300);
/// The longest time for a reload.
const RELOAD: Duration = Duration::from_secs(60);
/// Between the beginnings of two reloads.
const PAUSE: Duration = Duration::from_secs(1);
/// From the end of one to the beginning of the next. HAProxy's master serves before it takes its next signal: one that
/// came at once was lost.
const REST: Duration = Duration::from_millis(500);
/// The longest time for a client that looks which certificate is served.
const LOOK: Duration = Duration::from_secs(20);

impl Bench {
    /// The values for [`super::Kind::Beside`].
    pub(super) async fn beside(
        &self,
        proxy: &Running,
        load: Option<Steady>,
        connections: usize,
        rate: f64,
    ) -> Result<Values, Fault> {
        let mut probe = self.probe(proxy, self.material.ecdsa.site.clone(), connections, rate).await?;
        let pressing = match load {
            Some(load) => {
                // Bulk data needs no signatures, so that the certificate does not matter.
                Some(load.start(&self.target(proxy.rsa, &self.material.rsa)).await?)
            }
            None => None,
        };
        tokio::time::sleep(WARM_UP).await;
        let done = || pressing.as_ref().map_or(0, |pressing| pressing.done());
        let (used, units, began) = (proxy.tree.used()?, done(), Instant::now());
        probe.start();
        tokio::time::sleep(self.seconds).await;
        let (seconds, units) = (began.elapsed().as_secs_f64(), done() - units);
        let used = proxy.tree.used()?.since(&used)?.as_secs_f64();
        let probed = probe.stop().await?;
        if let Some(pressing) = pressing {
            pressing.stop().await?;
        }
        let mut values = percentiles(&probed.through, [500, 990, 999]);
        match load {
            None | Some(Steady::Slow { .. }) => {}
            Some(Steady::Connections { .. }) => values.push(Ok(units as f64 / seconds)),
            Some(Steady::Downloads { .. } | Steady::Uploads { .. }) => {
                let cost = if units == 0 { Err("nothing was moved".into()) } else { Ok(used * 1e9 / units as f64) };
                values.extend([Ok(units as f64 / 1e6 / seconds), cost]);
            }
        }
        values.extend(percentiles(&probed.floor, [500, 990]));
        Ok(values)
    }

    /// The values for [`super::Kind::Reloads`].
    pub(super) async fn reloads(&self, proxy: &Running, many: &Many) -> Result<Values, Fault> {
        let last = many.sites.last().cloned().ok_or_else(|| io::Error::other("there are no certificates"))?;
        let mut probe = self.probe(proxy, last, CONNECTIONS, RATE).await?;
        probe.start();
        let (began, mut took) = (Instant::now(), Vec::new());
        while took.is_empty() || began.elapsed() < self.seconds {
            let one = tokio::time::timeout(RELOAD, reload(proxy, many)).await;
            let one = one.map_err(|_| Fault::Late("the reload", RELOAD))??;
            took.push(one.as_secs_f64());
            tokio::time::sleep(PAUSE.saturating_sub(one).max(REST)).await;
        }
        let Probed { through, floor } = probe.stop().await?;
        let mut values = percentiles(&through, [500, 990, 999]);
        values.push(through.longest().map(milliseconds).ok_or_else(|| "there was no round trip".into()));
        values.push(Ok(took.iter().sum::<f64>() / took.len() as f64));
        values.extend(percentiles(&floor, [500, 990]));
        Ok(values)
    }

    async fn probe(&self, proxy: &Running, site: Site, connections: usize, rate: f64) -> Result<Probe, Fault> {
        let through = Target { address: proxy.ecdsa, terms: TERMS, sites: [site].into(), passthrough: false };
        let direct = Target { address: proxy.backend.address, passthrough: true, ..through.clone() };
        Probe::prepare(through, direct, connections, rate).await
    }
}

/// Replaces the first certificate, signals the proxy, and returns the time until the new one was served.
async fn reload(proxy: &Running, many: &Many) -> Result<Duration, Fault> {
    let signal = proxy.launch.reload.ok_or_else(|| io::Error::other("it is not set up to read certificates again"))?;
    let target = Target { address: proxy.ecdsa, terms: TERMS, sites: [many.renew(0)?].into(), passthrough: false };
    let began = Instant::now();
    proxy.signal(signal)?;
    let look = async || (Work::Connections { count: 1, at_once: 1 }).prepare(&target).await?.run().await;
    while !matches!(tokio::time::timeout(LOOK, look()).await, Ok(Ok(_))) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(began.elapsed())
}
