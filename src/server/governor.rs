//! Keeps memory below its bound: measures it at intervals on a thread of its own, and lets things give way. Must not know:
//! how a level follows from what is measured, how a connection gives way.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::allocator;
use crate::net::{buffer, late, pipe};
use crate::pressure::Pressure;
use crate::pressure::bound::{Bound, Setting};
use crate::pressure::level::Level;
use crate::pressure::meter::Meter;
use crate::pressure::report::Reports;
use crate::pressure::stalled::LEAST;
use crate::snapshot::Current;

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Governor {
    orders: Option<Sender<Setting>>,
    thread: Option<JoinHandle<()>>,
}

impl Governor {
    /// Measures once, and then at intervals.
    pub(super) fn start(
        pressure: Arc<Pressure>,
        current: Arc<Current>,
        workers: Vec<Handle>,
        setting: Setting,
    ) -> io::Result<Self> {
        let (orders, coming) = mpsc::channel();
        let now = Instant::now();
        let meter = Meter::new(None);
        let reports = Reports::default();
        let mut watch =
            Watch { pressure, current, workers, meter, reports, due: now, running: now, shed: now, freed: now };
        watch.follow(setting);
        watch.look();
        let thread = thread::Builder::new().name("pressure".into()).spawn(move || watch.run(&coming))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Finds the bound of this setting again: the limits of groups may have changed as well.
    pub(super) fn follow(&self, setting: Setting) {
        if let Some(orders) = &self.orders
            && orders.send(setting).is_err()
        {
            tracing::error!("memory is no longer measured");
        }
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        // The thread ends when the channel is closed.
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("measuring memory has panicked");
        }
    }
}

struct Watch {
    pressure: Arc<Pressure>,
    current: Arc<Current>,
    workers: Vec<Handle>,
    meter: Meter,
    reports: Reports,
    /// When the next look is planned.
    due: Instant,
    /// Since when the process has run without a break.
    running: Instant,
    /// When connections were last asked to give way.
    shed: Instant,
    /// When the workers last freed what they had not used.
    freed: Instant,
}

impl Watch {
    fn run(mut self, orders: &Receiver<Setting>) {
        loop {
            let pause = self.pause();
            self.due = Instant::now() + pause;
            match orders.recv_timeout(pause) {
                Ok(setting) => self.follow(setting),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    /// Far from the first level, a look now and then is enough: newcomers and buffers count themselves.
    fn pause(&self) -> Duration {
        let first = self.pressure.bound().map_or(usize::MAX, |bound| Level::Tight.entered(bound.bytes));
        if self.pressure.expected() < first / 2 { SELDOM } else { OFTEN }
    }

    fn follow(&mut self, setting: Setting) {
        let bound = Bound::find(setting);
        if bound == self.pressure.bound() {
            return;
        }
        match &bound {
            Some(Bound { bytes, source }) => {
                tracing::info!(bytes, %source, "the bound of memory");
            }
            None => tracing::info!("memory has no bound"),
        }
        if let Some((limit, source)) = bound.as_ref().and_then(Bound::undercut) {
            tracing::warn!(%source, limit, "there is less memory than [limits] memory allows: the kernel may end this process first");
        }
        self.meter = Meter::new(bound.as_ref());
        self.pressure.set_bound(bound);
    }

    fn look(&mut self) {
        let now = Instant::now();
        // No peer could be served.
        if late::was_stopped(now.saturating_duration_since(self.due)) {
            self.running = now;
        }
        if now.saturating_duration_since(self.freed) >= UNUSED {
            self.freed = now;
            self.on_each_worker(|| {
                buffer::free_unused();
                pipe::free_unused();
            });
        }
        let Some(bound) = self.pressure.bound() else {
            self.pressure.measured(self.meter.read().bytes);
            buffer::permit(usize::MAX, usize::MAX);
            return pipe::pause(false);
        };
        let [tight, short] = [Level::Tight, Level::Short].map(|level| level.left(bound.bytes));
        let mut used = self.meter.read();
        // Free pages are the first to go. Giving them back takes time, so only where that makes a difference.
        if used.bytes >= tight && used.idle >= bound.bytes / IDLE {
            allocator::give_back();
            used = self.meter.read();
        }
        let (before, level) = self.pressure.measured(used.bytes);
        let expected = self.pressure.expected();
        let left = |level: Level| level.entered(bound.bytes).saturating_sub(expected);
        match level {
            Level::Easy => buffer::permit(left(Level::Tight), left(Level::Short)),
            Level::Tight => buffer::permit(0, left(Level::Short)),
            Level::Short | Level::Full => buffer::permit(0, 0),
        }
        pipe::pause(level >= Level::Tight);
        if level > before {
            self.on_each_worker(|| {
                buffer::free_idle();
                pipe::free_idle();
            });
        }
        if level >= Level::Tight {
            self.pressure.stalled.shrink(MOST_SHRUNK);
        }
        if level >= Level::Short && now.saturating_duration_since(self.shed) >= BETWEEN {
            self.shed = now;
            self.shed(level, used.bytes.saturating_sub(short), now);
        }
        self.report(level, &bound, used.bytes, now);
    }

    /// Frees, on every worker, something of what it keeps for later.
    fn on_each_worker(&self, free: fn()) {
        for worker in &self.workers {
            worker.spawn(async move { free() });
        }
    }

    /// Lets peers that stall go, as many as hold `bytes` together.
    fn shed(&self, level: Level, bytes: usize, now: Instant) {
        let patience = if level == Level::Full { LEAST } else { PATIENCE };
        // Before the process ran, no connection waited for its peer.
        let before = now.checked_sub(patience).filter(|before| *before >= self.running);
        let Some(before) = before else { return };
        let left = self.pressure.stalled.dismiss(before, bytes, MOST_SHED);
        let silent = self.current.load().listeners().fold(0, |count, listener| {
            count + listener.admission.give_way_for_memory(before, MOST_SHED.saturating_sub(left + count))
        });
        if left + silent > 0 {
            tracing::debug!(left, silent, "memory is short: peers that stall are asked to leave");
        }
    }

    fn report(&mut self, level: Level, bound: &Bound, used: usize, now: Instant) {
        if !self.reports.are_due(level, now) {
            return;
        }
        let (level, bound, source) = (level.word(), bound.bytes, &bound.source);
        match self.pressure.level() {
            Level::Easy => tracing::info!(level, used, bound, %source, "there is enough memory again"),
            Level::Tight => tracing::info!(level, used, bound, %source, "memory: connections get small buffers"),
            Level::Short => tracing::warn!(
                level, used, bound, %source,
                "memory is short: connections whose peers stall are closed (memory_stalled)"
            ),
            Level::Full => tracing::warn!(
                level, used, bound, %source,
                "memory is used up: new connections are refused (memory_limit), until peers that stall have left or others have ended"
            ),
        }
    }
}

/// The pause between two looks where memory may become short. Buffers and newcomers are counted in between.
const OFTEN: Duration = Duration::from_millis(50);
/// And where it is far from that.
const SELDOM: Duration = Duration::from_millis(200);

/// What a worker has kept for so long without using it is freed: a peak does not cost memory and descriptors for ever.
const UNUSED: Duration = Duration::from_secs(10);

/// Free pages are given back if they are at least this part of the bound.
const IDLE: usize = 32;

/// How long a peer has taken nothing, at [`Level::Short`], before its connection is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time between two rounds in which connections are closed: those of the last one have ended then, and are measured.
const BETWEEN: Duration = Duration::from_millis(100);
/// How many connections are asked to leave in one round.
const MOST_SHED: usize = 64;
/// How many are asked to give back memory in one look.
const MOST_SHRUNK: usize = 256;
