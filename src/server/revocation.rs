//! The metrics of lists of revoked certificates, fetched and in files. Must not know: how metrics are requested, how lists are
//! fetched.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::lists::status::Status;
use crate::snapshot::ListFile;

/// Adds them; families without a list are left out.
pub(super) fn metrics(registry: &Registry, status: &Status, files: &[ListFile]) -> Result<(), prometheus::Error> {
    contents(registry, status, files)?;
    fetches(registry, status)
}

/// Distribution points that were learnt from peers' certificates; and how often one was shown that could not be.
pub(super) fn points(registry: &Registry, learnt: usize, not_learnt: u64) -> Result<(), prometheus::Error> {
    let help = "Distribution points of lists of revoked certificates that were learnt from certificates of peers.";
    let of_now = gauge(registry, "crl_learnt_points", help, &[])?;
    of_now.with_label_values::<&str>(&[]).set(i64::try_from(learnt).unwrap_or(i64::MAX));
    let help = "How often a distribution point was not learnt, since as many as are kept were shown within a day.";
    let left_out = IntCounterVec::new(Opts::new("crl_points_not_learnt_total", help), &[])?;
    registry.register(Box::new(left_out.clone()))?;
    left_out.with_label_values::<&str>(&[]).inc_by(not_learnt);
    Ok(())
}

/// What lists say of themselves.
fn contents(registry: &Registry, status: &Status, files: &[ListFile]) -> Result<(), prometheus::Error> {
    let issued = gauge(
        registry,
        "crl_this_update_timestamp_seconds",
        "When the list of revoked certificates that is used was issued, in seconds since 1970.",
        OF_CONTENT,
    )?;
    let ends = gauge(
        registry,
        "crl_next_update_timestamp_seconds",
        "When the list of revoked certificates that is used is out of date, in seconds since 1970.",
        OF_CONTENT,
    )?;
    let entries = gauge(
        registry,
        "crl_revoked_certificates",
        "Certificates on a list of revoked certificates that is fetched.",
        OF_CONTENT,
    )?;
    for file in files {
        let labels = [&*file.path.display().to_string(), &*file.issuer];
        issued.with_label_values(&labels).set(file.this_update);
        ends.with_label_values(&labels).set(file.next_update);
    }
    for (of, list) in status.lists.iter().filter_map(|of| Some((of, of.list.as_ref()?))) {
        let labels = [&*of.url.to_string(), &*list.issuer];
        issued.with_label_values(&labels).set(list.this_update);
        ends.with_label_values(&labels).set(list.next_update);
        entries.with_label_values(&labels).set(i64::try_from(list.entries).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// How fetches have ended.
fn fetches(registry: &Registry, status: &Status) -> Result<(), prometheus::Error> {
    let fetched = gauge(
        registry,
        "crl_fetched_timestamp_seconds",
        "When the list of revoked certificates was fetched last, or its server said that it is still the same, in seconds since 1970.",
        OF_LIST,
    )?;
    let failures = gauge(
        registry,
        "crl_failures",
        "Fetches of a list of revoked certificates that have failed since the last one that succeeded.",
        OF_LIST,
    )?;
    let help = "Fetches of a list of revoked certificates, by result: fetched, unchanged or failed.";
    let fetches = IntCounterVec::new(Opts::new("crl_fetches_total", help), &["list", "result"])?;
    registry.register(Box::new(fetches.clone()))?;
    for of in &status.lists {
        let url = of.url.to_string();
        failures.with_label_values(&[&url]).set(of.failures.into());
        for (result, count) in of.counts.all() {
            fetches.with_label_values(&[&*url, result]).inc_by(count);
        }
        if let Some(time) = of.fetched {
            fetched.with_label_values(&[&url]).set(time);
        }
    }
    Ok(())
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

/// The list is a URL or a file; a file can hold several lists.
const OF_CONTENT: &[&str] = &["list", "issuer"];
const OF_LIST: &[&str] = &["list"];
