//! The metrics of a node of a fleet, and those that it judges itself by. Must not know: how metrics are requested, how it takes
//! part.

use std::sync::Arc;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::member::canary::{Counting, Handshakes};
use crate::member::status::Status;
use crate::observe::metrics::{Metrics, Shaken};

/// How handshakes have ended here, for a node that is a canary.
pub(super) fn counting(metrics: &Arc<Metrics>) -> Counting {
    let metrics = Arc::clone(metrics);
    let of = |(listener, Shaken { done, failed })| (listener, Handshakes { done, failed });
    Arc::new(move || metrics.shaken().into_iter().map(of).collect())
}

/// Adds them.
pub(super) fn metrics(registry: &Registry, status: &Status) -> Result<(), prometheus::Error> {
    let connected =
        "1 where this node is registered in etcd and sees what is published. What is served goes on without it.";
    gauge(registry, "fleet_connected", connected, &["node"])?
        .with_label_values(&[&*status.node])
        .set(i64::from(status.connected));
    let trouble = "1 where this node cannot take the lead, or cannot share keys of session tickets.";
    gauge(registry, "fleet_leader_trouble", trouble, &["node"])?
        .with_label_values(&[&*status.node])
        .set(i64::from(status.leader_trouble.is_some()));
    gauge(registry, "fleet_release", "The number of the release that this node serves.", &["node"])?
        .with_label_values(&[&*status.node])
        .set(i64::try_from(status.release.number).unwrap_or(i64::MAX));
    let since = "Since when this node has served its release, in seconds since 1970.";
    gauge(registry, "fleet_release_since_timestamp_seconds", since, &["node"])?
        .with_label_values(&[&*status.node])
        .set(status.since.as_second());
    let prepared = "Releases that this node has prepared, by result: ready or refused.";
    let served = "Releases that this node was to serve after it had prepared them, by result: served or failed.";
    let counts = &status.counts;
    for (name, help, results) in [
        ("fleet_prepare_total", prepared, [("ready", counts.prepared), ("refused", counts.refused)]),
        ("fleet_commit_total", served, [("served", counts.served), ("failed", counts.failed)]),
    ] {
        let counter = IntCounterVec::new(Opts::new(name, help), &["result"])?;
        registry.register(Box::new(counter.clone()))?;
        for (result, count) in results {
            counter.with_label_values(&[result]).inc_by(count);
        }
    }
    Ok(())
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}
