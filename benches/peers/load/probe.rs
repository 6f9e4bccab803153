//! The probe: round trips through the proxy, and others straight to the backend beside them. Both run on a thread that
//! precedes the load's. What the second kind takes is the floor: the machine's part of the first kind's latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::latencies::Latencies;
use super::pings::Pings;
use super::target::Target;
use super::{Fault, aside};

/// Round trips in a second to find the floor.
const FLOOR_RATE: f64 = 250.0;
const FLOOR_CONNECTIONS: usize = 8;
/// The longest time until all connections are open, and the longest until the last answer.
const PATIENCE: Duration = Duration::from_secs(100);

/// What was found: through the proxy, and without it.
pub(crate) struct Probed {
    pub(crate) through: Latencies,
    pub(crate) floor: Latencies,
}

/// Prepared or running. Dropping it stops it.
pub(crate) struct Probe {
    start: Option<oneshot::Sender<()>>,
    stop: Arc<AtomicBool>,
    running: JoinHandle<Result<Probed, Fault>>,
}

impl Probe {
    /// Opens all connections. `direct` is the backend itself.
    pub(crate) async fn prepare(through: Target, direct: Target, connections: usize, rate: f64) -> Result<Self, Fault> {
        let (start, started) = oneshot::channel::<()>();
        let (ready, prepared) = oneshot::channel();
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let running = aside::runtime()?.spawn(async move {
            let through = Pings::open(&through, connections).await?;
            let floor = Pings::open(&direct, FLOOR_CONNECTIONS).await?;
            let _ = ready.send(());
            if started.await.is_err() {
                return Err(Fault::Record("the probe was not started"));
            }
            let both = async { tokio::try_join!(through.run(rate, &stopped), floor.run(FLOOR_RATE, &stopped)) };
            let (through, floor) = both.await?;
            Ok(Probed { through, floor })
        });
        let mut probe = Self { start: Some(start), stop, running };
        match timeout(PATIENCE, prepared).await {
            Ok(Ok(())) => Ok(probe),
            // It ended with a fault.
            Ok(Err(_)) => Err(probe.end().await.err().unwrap_or(Fault::Record("the probe ended"))),
            Err(_) => Err(Fault::Late("opening the probe's connections", PATIENCE)),
        }
    }

    pub(crate) fn start(&mut self) {
        if let Some(start) = self.start.take() {
            let _ = start.send(());
        }
    }

    pub(crate) async fn stop(mut self) -> Result<Probed, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        self.end().await
    }

    async fn end(&mut self) -> Result<Probed, Fault> {
        let ended = timeout(PATIENCE, &mut self.running).await;
        ended.map_err(|_| Fault::Late("the probe's last answer", PATIENCE))?.map_err(std::io::Error::other)?
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.running.abort();
    }
}
