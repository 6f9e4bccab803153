//! The metrics that are computed from the state when they are requested. Must not know: how they are requested.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::acme::status::{State, Status as Acme};
use crate::admin::Keepers;
use crate::allocator;
use crate::gate::Gate;
use crate::observe::access::log::Lost;
use crate::observe::log;
use crate::pressure::{self, Pressure};
use crate::reload::control::Control;
use crate::server::bounds;
use crate::server::fleet;
use crate::server::info;
use crate::server::revocation;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::expiry;
use crate::words::Words;

/// These metrics in the text format of Prometheus, version 0.0.4, without series of what no longer exists.
pub(super) fn text(
    control: &Control,
    keepers: &Keepers,
    gates: &[Arc<Gate>],
    pressure: &Pressure,
    lost: &Lost,
) -> Result<String, prometheus::Error> {
    // A registry for each answer: series of what a reload removed cannot remain in it.
    let registry = Registry::new_custom(Some("tlsgate".into()), None)?;
    configuration(&registry, control)?;
    state(&registry, control)?;
    handshakes(&registry, gates)?;
    limits(&registry, pressure)?;
    bounds::metrics(&registry, &control.current.load())?;
    acme(&registry, &keepers.acme.status())?;
    let snapshot = control.current.load();
    revocation::metrics(&registry, &keepers.lists.status(), snapshot.list_files())?;
    revocation::points(&registry, snapshot.seen().count(), snapshot.seen().passed_over())?;
    keepers.fleet.as_ref().map_or(Ok(()), |node| fleet::metrics(&registry, &node.status()))?;
    let dropped = counter(&registry, "access_log_dropped_total", "Access-log lines that could not be written.", &[])?;
    dropped.with_label_values::<&str>(&[]).inc_by(lost.count());
    let dropped =
        counter(&registry, "log_dropped_total", "Lines of the diagnostic log that could not be written.", &[])?;
    dropped.with_label_values::<&str>(&[]).inc_by(log::dropped());
    let mut families = registry.gather();
    let config = Arc::clone(&control.status.borrow().config);
    families.extend(info::families(&config));
    let mut text = String::new();
    TextEncoder::new().encode_utf8(&families, &mut text)?;
    Ok(text)
}

fn configuration(registry: &Registry, control: &Control) -> Result<(), prometheus::Error> {
    let status = control.status.borrow().clone();
    gauge(registry, "build_info", "Always 1; the label is the version that runs.", &["version"])?
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);
    let reloads = counter(registry, "config_reloads_total", "Reloads that were tried, by result.", &["result"])?;
    reloads.with_label_values(&["success"]).inc_by(status.successes);
    reloads.with_label_values(&["failure"]).inc_by(status.failures);
    let healthy = i64::from(status.errors.is_empty());
    gauge(registry, "config_last_reload_successful", "1 where the last reload, or the start, succeeded.", &[])?
        .with_label_values::<&str>(&[])
        .set(healthy);
    let when = "config_last_reload_success_timestamp_seconds";
    gauge(registry, when, "When the current configuration was loaded, in seconds since 1970.", &[])?
        .with_label_values::<&str>(&[])
        .set(status.last_success.as_second());
    Ok(())
}

fn state(registry: &Registry, control: &Control) -> Result<(), prometheus::Error> {
    let snapshot = control.current.load();
    listeners(registry, &snapshot)?;
    backends(registry, &snapshot)
}

fn listeners(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let active = gauge(registry, "connections_active", "Connections now.", &["listener"])?;
    let blocked = gauge(
        registry,
        "clients_blocked",
        "Clients refused because their handshakes failed too often.",
        &["listener"],
    )?;
    let failures = gauge(
        registry,
        "certificate_load_failures",
        "Certificates of folders that could not be loaded: left out, or kept at their last good version.",
        &["listener"],
    )?;
    let expiry = Expiry::registered(registry)?;
    let of_route: &[&str] = &["listener", "route"];
    let route_active = gauge(
        registry,
        "route_connections_active",
        "Connections now of a route that has limits of its own.",
        of_route,
    )?;
    let route_blocked = gauge(
        registry,
        "route_clients_blocked",
        "Clients that a route refuses because their handshakes with it failed too often.",
        of_route,
    )?;
    for listener in snapshot.listeners() {
        for route in listener.ways.all() {
            let Some(portion) = &route.portion else { continue };
            let labels = [&*listener.name, &*route.name];
            route_active.with_label_values(&labels).set(number(portion.active()));
            route_blocked.with_label_values(&labels).set(number(portion.clients.blocked()));
        }
        active.with_label_values(&[&*listener.name]).set(number(listener.admission.active()));
        blocked.with_label_values(&[&*listener.name]).set(number(listener.admission.clients.blocked()));
        failures.with_label_values(&[&*listener.name]).set(number(listener.load_failures));
        expiry.set(&listener.name, listener.ways.certificates());
    }
    // No listener has an empty name. So whoever watches all certificates watches those of the admin server too.
    expiry.set("", snapshot.admin().into_iter().flat_map(|admin| admin.certificates.all()));
    Ok(())
}

fn backends(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let connections =
        gauge(registry, "backend_connections_active", "Connections to a server now.", &["backend", "server"])?;
    let up = gauge(
        registry,
        "backend_up",
        "1 where a server is ready and not down according to its health checks.",
        &["backend", "server"],
    )?;
    let checks = counter(
        registry,
        "backend_health_checks_total",
        "Health checks, by result.",
        &["backend", "server", "result"],
    )?;
    let server_expiry = gauge(
        registry,
        "backend_certificate_not_after_timestamp_seconds",
        "When the certificate that a health check saw expires, in seconds since 1970.",
        &["backend", "server"],
    )?;
    let server_soon = gauge(
        registry,
        "backend_certificate_ends_soon",
        "1 where the certificate that a health check saw has expired, or less than a third of its lifetime or less than two weeks are left, whichever is shorter.",
        &["backend", "server"],
    )?;
    let now = jiff::Timestamp::now().as_second();
    for pool in snapshot.pools() {
        for member in &pool.members().list {
            let labels = [&**pool.name(), &*member.server.address.to_string()];
            connections.with_label_values(&labels).set(number(member.server.active()));
            up.with_label_values(&labels).set(i64::from(member.server.is_up()));
            let verdict = member.server.verdict();
            if let Some(validity) = verdict.validity {
                server_expiry.with_label_values(&labels).set(validity.not_after);
                server_soon.with_label_values(&labels).set(i64::from(verdict.ends_soon(now)));
            }
            for (result, count) in verdict.counts {
                checks.with_label_values(&[labels[0], labels[1], result]).inc_by(count);
            }
        }
    }
    Ok(())
}

/// What waits at the gates of the workers.
fn handshakes(registry: &Registry, gates: &[Arc<Gate>]) -> Result<(), prometheus::Error> {
    let waiting = gauge(registry, "handshakes_waiting", "Handshakes that wait for their turn.", &["worker"])?;
    let due = GaugeVec::new(
        Opts::new(
            "handshakes_due_seconds",
            "How long the handshakes that wait will take; a newcomer that would have to wait too long is refused (overloaded).",
        ),
        &["worker"],
    )?;
    registry.register(Box::new(due.clone()))?;
    for (worker, gate) in gates.iter().enumerate() {
        let label = [worker.to_string()];
        waiting.with_label_values(&label).set(number(gate.waiting()));
        due.with_label_values(&label).set(gate.due().as_secs_f64());
    }
    Ok(())
}

/// What the process may have, and what it has.
fn limits(registry: &Registry, pressure: &Pressure) -> Result<(), prometheus::Error> {
    let one = |name: &str, help: &str, value: usize| -> Result<(), prometheus::Error> {
        gauge(registry, name, help, &[])?.with_label_values::<&str>(&[]).set(number(value));
        Ok(())
    };
    if let Some(bound) = pressure.bound() {
        one("limits_memory_bytes", "How much memory the process may have in use.", bound.bytes)?;
    }
    one("limits_memory_used_bytes", "How much memory is in use, as it counts against the limit.", pressure.used())?;
    if let Some(allocated) = allocator::allocated() {
        one("memory_allocated_bytes", "How much memory the program has allocated and not freed.", allocated)?;
    }
    let descriptors = pressure.descriptors.load(Ordering::Relaxed);
    one("limits_descriptors", "How many files the process may have open.", descriptors)?;
    match pressure::open_files() {
        Some(open) => one("limits_descriptors_used", "How many files the process has open.", open),
        None => Ok(()),
    }
}

/// What becomes of the certificates that authorities issue.
fn acme(registry: &Registry, status: &Acme) -> Result<(), prometheus::Error> {
    let renewals =
        counter(registry, "acme_renewals_total", "Orders of certificates, by result.", &["authority", "result"])?;
    let requests = counter(registry, "acme_requests_total", "Requests to an authority.", &["authority"])?;
    let certificates = gauge(
        registry,
        "acme_certificates",
        "Certificates that are kept, by state: pending, valid, renewing or failed.",
        &["authority", "state"],
    )?;
    for of in &status.authorities {
        let name = &*of.authority.name;
        requests.with_label_values(&[name]).inc_by(of.requests);
        for (result, count) in &of.renewals {
            renewals.with_label_values(&[name, result]).inc_by(*count);
        }
        for state in State::ALL {
            // A series that is absent cannot be compared with 0.
            certificates.with_label_values(&[name, state.word()]).set(0);
        }
    }
    let next = gauge(
        registry,
        "acme_next_attempt_timestamp_seconds",
        "When a certificate is ordered next, in seconds since 1970.",
        OF_WANTED,
    )?;
    let failures = gauge(
        registry,
        "acme_failures",
        "Orders of a certificate that have failed since the last one that succeeded.",
        OF_WANTED,
    )?;
    for of in &status.certificates {
        let (authority, folder) = (&*of.wanted.authority, of.wanted.folder());
        certificates.with_label_values(&[authority, of.state.word()]).inc();
        let certificate = folder.parent().and_then(Path::file_name).map(OsStr::to_string_lossy).unwrap_or_default();
        let labels = [authority, &*certificate, of.wanted.key.word()];
        failures.with_label_values(&labels).set(of.failures.into());
        if let Some(planned) = of.next {
            next.with_label_values(&labels).set(planned.at);
        }
    }
    let locked = "1 where another process has the folder of the state, so that this one orders nothing.";
    gauge(registry, "acme_locked", locked, &[])?
        .with_label_values::<&str>(&[])
        .set(i64::from(status.locked_by.is_some()));
    Ok(())
}

/// The gauges of when certificates expire.
struct Expiry {
    leaf: GaugeVec,
    chain: GaugeVec,
    soon: IntGaugeVec,
}

impl Expiry {
    fn registered(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
            let vec = GaugeVec::new(Opts::new(name, help), OF_CERTIFICATE)?;
            registry.register(Box::new(vec.clone()))?;
            Ok(vec)
        };
        Ok(Self {
            leaf: seconds(
                "certificate_not_after_timestamp_seconds",
                "When the certificate expires, in seconds since 1970.",
            )?,
            chain: seconds(
                "certificate_chain_not_after_timestamp_seconds",
                "When the first of the certificate and those sent with it expires, in seconds since 1970.",
            )?,
            soon: gauge(
                registry,
                "certificate_ends_soon",
                "1 where the certificate or one sent with it has expired, or less than a third of its lifetime or less than two weeks are left, whichever is shorter.",
                OF_CERTIFICATE,
            )?,
        })
    }

    fn set<'c>(&self, listener: &str, certificates: impl IntoIterator<Item = &'c Arc<Certificate>>) {
        let now = jiff::Timestamp::now().as_second();
        for certificate in certificates {
            let key_type = certificate.key_type.to_string();
            let labels = [listener, &*certificate.label, &*key_type, &*certificate.serial];
            // An f64 holds integers up to 2^53 exactly, far more than these seconds.
            self.leaf.with_label_values(&labels).set(certificate.not_after as f64);
            self.chain.with_label_values(&labels).set(certificate.chain_not_after as f64);
            self.soon.with_label_values(&labels).set(i64::from(expiry::ends_soon(certificate, now)));
        }
    }
}

const OF_CERTIFICATE: &[&str] = &["listener", "certificate", "key_type", "serial_number"];
/// A certificate that is kept, by the name of its folder.
const OF_WANTED: &[&str] = &["authority", "certificate", "key"];

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
