//! Memory, open files, processor time, latency and throughput, once a second. Must not know: what is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::faults::Fault;
use crate::run::Soak;
use crate::sample::Sample;

/// What good clients report of themselves.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    /// Those of the running second: times to the first answer, and bytes in both directions.
    second: Mutex<(Vec<Duration>, u64)>,
    /// How connections were served, and how often.
    served: Mutex<BTreeMap<String, u64>>,
}

impl Measures {
    pub(crate) fn answered(&self, latency: Duration) {
        self.second.lock().unwrap().0.push(latency);
    }

    pub(crate) fn moved(&self, bytes: u64) {
        self.second.lock().unwrap().1 += bytes;
    }

    pub(crate) fn served(&self, how: String) {
        *self.served.lock().unwrap().entry(how).or_default() += 1;
    }

    pub(crate) fn all_served(&self) -> BTreeMap<String, u64> {
        self.served.lock().unwrap().clone()
    }

    fn take(&self) -> (Vec<Duration>, u64) {
        std::mem::take(&mut self.second.lock().unwrap())
    }
}

/// A sample each second, until the soak ends.
pub(crate) fn take(soak: &Soak) -> Vec<Sample> {
    let (mut samples, mut before): (_, Option<(u32, Instant, u64)>) = (Vec::new(), None);
    let (mut judged, mut next) = (0, Instant::now());
    loop {
        next += SECOND;
        if !soak.pause(next.saturating_duration_since(Instant::now())) {
            return samples;
        }
        let pid = soak.program.pid();
        let ended = soak.ledger.tally().judged;
        let (latencies, bytes) = soak.measures.take();
        let (now, ticks) = (Instant::now(), ticks(pid));
        let processor = before.filter(|(same, ..)| *same == pid).and_then(|(_, then, earlier)| {
            Some(ticks?.saturating_sub(earlier) as f64 / TICKS / now.duration_since(then).as_secs_f64())
        });
        before = ticks.map(|ticks| (pid, now, ticks));
        // While a process is replaced, the one that is looked at may be gone.
        if let (Some(resident_kib), Some(open_files)) = (resident_kib(pid), open_files(pid)) {
            let latencies = Quantiles::of(latencies);
            samples.push(Sample {
                at: soak.seconds(now),
                pid,
                resident_kib,
                allocated_kib: soak.api.metric("tlsgate_memory_allocated_bytes").ok().map(|bytes| bytes / 1024.0),
                open_files,
                processor,
                connections: ended - judged,
                p50_ms: latencies.as_ref().map(|all| all.at(0.5)),
                p99_ms: latencies.as_ref().map(|all| all.at(0.99)),
                mib: bytes as f64 / f64::from(1 << 20),
                is_pressed: soak.faults.is_on(Fault::Pressure),
            });
        }
        judged = ended;
        soak.ledger.sweep(LATE);
        for server in soak.material.servers() {
            for (at, what) in server.corruptions() {
                soak.problems.add(at, what);
            }
        }
    }
}

struct Quantiles(Vec<f64>);

impl Quantiles {
    fn of(latencies: Vec<Duration>) -> Option<Self> {
        let mut sorted: Vec<f64> = latencies.into_iter().map(|latency| latency.as_secs_f64() * 1000.0).collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self(sorted))
    }

    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

pub(crate) fn open_files(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// User and system time (proc_pid_stat(5), fields 14 and 15).
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

const SECOND: Duration = Duration::from_secs(1);
/// Of Linux's USER_HZ.
const TICKS: f64 = 100.0;
/// After the client's end, a record is there by then: tlsgate waits for the other side for half a minute at most.
const LATE: Duration = Duration::from_secs(60);
