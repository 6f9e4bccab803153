//! A metric with its labels, as many as its type has: a label without a value, or a value without a label, does not
//! compile. Must not know: what is counted.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

/// Counters with `N` labels.
#[derive(Debug, Clone)]
pub(super) struct Counters<const N: usize>(IntCounterVec);

/// Histograms with `N` labels.
#[derive(Debug, Clone)]
pub(super) struct Histograms<const N: usize>(HistogramVec);

/// Registers a family of counters.
pub(super) fn counters<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
) -> Result<Counters<N>, Error> {
    let vec = IntCounterVec::new(Opts::new(name, help), &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Counters(vec))
}

/// Registers a family of histograms; `buckets` are their upper bounds.
pub(super) fn histograms<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
    buckets: &[f64],
) -> Result<Histograms<N>, Error> {
    let vec = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(Histograms(vec))
}

impl<const N: usize> Counters<N> {
    /// The counter with these values, in the order of the labels.
    pub(super) fn with(&self, values: [&str; N]) -> IntCounter {
        self.0.with_label_values(&values)
    }

    /// Shows each series: the values of its labels, in the order of their names, and its count.
    pub(super) fn each(&self, mut see: impl FnMut([&str; N], u64)) {
        for family in self.0.collect() {
            for metric in family.get_metric() {
                let mut labels = metric.get_label().iter();
                let values = [(); N].map(|()| labels.next().map_or("", |label| label.value()));
                // A counter of whole numbers; the text format has no others.
                see(values, metric.get_counter().get_value() as u64);
            }
        }
    }

    /// Removes the series for whose labels `alive` returns false.
    pub(super) fn prune(&self, alive: impl Fn(&HashMap<&str, &str>) -> bool) {
        prune(&self.0, alive);
    }
}

impl<const N: usize> Histograms<N> {
    /// The histogram with these values, in the order of the labels.
    pub(super) fn with(&self, values: [&str; N]) -> Histogram {
        self.0.with_label_values(&values)
    }

    /// Removes the series for whose labels `alive` returns false.
    pub(super) fn prune(&self, alive: impl Fn(&HashMap<&str, &str>) -> bool) {
        prune(&self.0, alive);
    }
}

fn prune<T: MetricVecBuilder>(vec: &MetricVec<T>, alive: impl Fn(&HashMap<&str, &str>) -> bool) {
    // `collect` copies the series, so that they can be removed inside the loop.
    for family in vec.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter().map(|label| (label.name(), label.value())).collect();
            if !alive(&labels) {
                // It fails only if the series is removed already.
                let _ = vec.remove(&labels);
            }
        }
    }
}
