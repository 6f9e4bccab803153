//! The metrics of lists of revoked certificates, fetched and in files. Must not know: how metrics are requested, how lists are
//! fetched.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::lists::status::Status;
use crate::snapshot::ListFile;

/// Adds them; families without a list are left out.
pub(super) fn metrics(registry: &Registry, status: &Status, files: &[ListFile]) -> Result<(), prometheus::Error> {
    let gauge = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
        let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
        registry.register(Box::new(vec.clone()))?;
        Ok(vec)
    };
    let issued = gauge(
        "crl_this_update_timestamp_seconds",
        "When the list of revoked certificates that is used was issued, in seconds since 1970.",
        OF_CONTENT,
    )?;
    let ends = gauge(
        "crl_next_update_timestamp_seconds",
        "When the list of revoked certificates that is used is out of date, in seconds since 1970.",
        OF_CONTENT,
    )?;
    let entries = gauge(
        "crl_revoked_certificates",
        "Certificates on a list of revoked certificates that is fetched.",
        OF_CONTENT,
    )?;
    let fetched = gauge(
        "crl_fetched_timestamp_seconds",
        "When the list of revoked certificates was fetched last, or its server said that it is still the same, in seconds since 1970.",
        OF_LIST,
    )?;
    let failures = gauge(
        "crl_failures",
        "Fetches of a list of revoked certificates that have failed since the last one that succeeded.",
        OF_LIST,
    )?;
    let fetches = IntCounterVec::new(
        Opts::new(
            "crl_fetches_total",
            "Fetches of a list of revoked certificates, by result: fetched, unchanged or failed.",
        ),
        &["list", "result"],
    )?;
    registry.register(Box::new(fetches.clone()))?;
    for file in files {
        let labels = [&*file.path.display().to_string(), &*file.issuer];
        issued.with_label_values(&labels).set(file.this_update);
        ends.with_label_values(&labels).set(file.next_update);
    }
    for of in &status.lists {
        let url = of.url.to_string();
        failures.with_label_values(&[&url]).set(of.failures.into());
        for (result, count) in of.counts.all() {
            fetches.with_label_values(&[&*url, result]).inc_by(count);
        }
        if let Some(time) = of.fetched {
            fetched.with_label_values(&[&url]).set(time);
        }
        if let Some(list) = &of.list {
            let labels = [&*url, &*list.issuer];
            issued.with_label_values(&labels).set(list.this_update);
            ends.with_label_values(&labels).set(list.next_update);
            entries.with_label_values(&labels).set(i64::try_from(list.entries).unwrap_or(i64::MAX));
        }
    }
    Ok(())
}

/// The list is a URL or a file; a file can hold several lists.
const OF_CONTENT: &[&str] = &["list", "issuer"];
const OF_LIST: &[&str] = &["list"];
