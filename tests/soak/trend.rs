//! Whether memory and open files grow: the slope of each process after its warm-up, and the levels of all processes at
//! equal age. Pure. Must not know: how samples are taken.

use serde::Serialize;

use crate::fit::{Line, batches, line};
use crate::sample::Sample;

/// One process's life, as far as it is judged.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Life {
    pub(crate) pid: u32,
    /// Seconds since the start of the soak.
    pub(crate) from: f64,
    pub(crate) until: f64,
    /// Of the resident memory, in KiB per minute.
    pub(crate) memory: Option<Line>,
    /// Of what is allocated and not freed, in KiB per minute. Resident memory also grows where free memory is in pieces.
    pub(crate) allocated: Option<Line>,
    /// In descriptors per minute.
    pub(crate) files: Option<Line>,
    /// In connections per minute.
    pub(crate) connections: f64,
    /// The mean of the resident memory at the age that all processes have reached.
    pub(crate) level_kib: Option<f64>,
}

impl Life {
    /// The slope of the memory that is below any leak: a connection that leaks anything leaks at least the smallest
    /// allocation.
    pub(crate) fn bound_kib(&self) -> f64 {
        self.connections * SMALLEST_ALLOCATION / 1024.0
    }

    pub(crate) fn grows(&self) -> Vec<String> {
        let all = [
            ("resident pages", "KiB", self.memory, self.bound_kib()),
            ("allocated bytes", "KiB", self.allocated, self.bound_kib()),
            ("open files", "descriptors", self.files, FILES),
        ];
        let growing = all.into_iter().filter_map(|(what, unit, line, bound)| {
            let Line { slope, error, .. } = line.filter(|line| self.is_judged() && !line.is_flat(bound))?;
            Some(format!("process {}: {what} grow by {slope:.1} ± {error:.1} {unit} per minute", self.pid))
        });
        growing.collect()
    }

    /// Whether it was observed for long enough after its warm-up.
    pub(crate) fn is_judged(&self) -> bool {
        self.memory.is_some_and(|line| line.points as f64 * BATCH >= JUDGED)
    }
}

/// The lives of all processes, in order.
pub(crate) fn lives(samples: &[Sample]) -> Vec<Life> {
    let processes: Vec<&[Sample]> = samples.chunk_by(|left, right| left.pid == right.pid).collect();
    // At the last third of the shortest life that is worth a comparison.
    let long = processes.iter().map(|life| length(life)).filter(|length| *length > 3.0 * BATCH);
    let age = long.fold(f64::INFINITY, f64::min);
    processes.into_iter().map(|samples| life(samples, age)).collect()
}

fn life(samples: &[Sample], age: f64) -> Life {
    let (from, until) = (samples[0].at, samples[samples.len() - 1].at);
    let warm = from + WARM_UP.min(length(samples) / 3.0);
    // A phase of pressure ends a stretch: after it, the allocator keeps more than before.
    let (mut pressed, mut calm) = (f64::NEG_INFINITY, vec![Vec::new()]);
    for sample in samples {
        if sample.is_pressed {
            pressed = sample.at;
            calm.push(Vec::new());
        } else if sample.at >= warm
            && sample.at > pressed + COOL_DOWN
            && let Some(stretch) = calm.last_mut()
        {
            stretch.push(sample);
        }
    }
    let fitted = |value: fn(&Sample) -> Option<f64>| {
        let points = |stretch: &Vec<&Sample>| -> Vec<(f64, f64)> {
            stretch.iter().filter_map(|sample| Some((sample.at / 60.0, value(sample)?))).collect()
        };
        let stretches: Vec<_> = calm.iter().map(|stretch| batches(&points(stretch), BATCH / 60.0)).collect();
        line(&stretches)
    };
    let same_age: Vec<f64> = calm
        .iter()
        .flatten()
        .filter(|sample| (age * 2.0 / 3.0..=age).contains(&(sample.at - from)))
        .map(|sample| sample.resident_kib as f64)
        .collect();
    let connections: u64 = samples.iter().map(|sample| sample.connections).sum();
    Life {
        pid: samples[0].pid,
        from,
        until,
        memory: fitted(|sample| Some(sample.resident_kib as f64)),
        allocated: fitted(|sample| sample.allocated_kib),
        files: fitted(|sample| Some(sample.open_files as f64)),
        connections: connections as f64 / (length(samples) / 60.0).max(1.0 / 60.0),
        level_kib: (!same_age.is_empty()).then(|| same_age.iter().sum::<f64>() / same_age.len() as f64),
    }
}

fn length(samples: &[Sample]) -> f64 {
    samples[samples.len() - 1].at - samples[0].at
}

/// Seconds in which caches, tables and the allocator reach their size, and a third of a shorter life.
const WARM_UP: f64 = 600.0;
/// Seconds after a phase of pressure until its memory is back: the allocator returns pages after ten, and connections end
/// at their time limits before.
const COOL_DOWN: f64 = 40.0;
/// Seconds of one point of the fit.
const BATCH: f64 = 10.0;
/// Seconds of observation below which a slope is shown and not judged.
const JUDGED: f64 = 180.0;
/// Bytes; jemalloc has a class of 8 as well, but no allocation of ours is that small.
const SMALLEST_ALLOCATION: f64 = 16.0;
/// A descriptor per minute is one in many thousands of connections.
const FILES: f64 = 1.0;
