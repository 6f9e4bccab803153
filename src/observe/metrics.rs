//! Counters and histograms for Prometheus. Values that are read from the state on each request are not here.
//!
//! No series has a label with a client's address or a name that a client sent, so that clients cannot increase the
//! number of series. Must not know: who reads the metrics, how connections work.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{IntCounter, Registry, TextEncoder};

use crate::observe::metrics::family::{Counters, Histograms, counters, histograms};
use crate::observe::metrics::totals::Sources;
use crate::observe::outcome::Outcome;

mod family;
mod totals;

pub use totals::{Shaken, Totals};

/// Everything that is counted in one process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    connections: Counters<1>,
    rejected: Counters<2>,
    closed: Counters<2>,
    received: Counters<1>,
    sent: Counters<1>,
    duration: Histograms<1>,
    handshakes: Counters<5>,
    handshake_failures: Counters<2>,
    handshake_duration: Histograms<1>,
    selections: Counters<3>,
    connect_failures: Counters<3>,
    connect_duration: Histograms<1>,
    shed: Counters<1>,
}

/// The application bytes of one connection. They are added to its listener's counters as they move. One task counts; any
/// thread may read.
#[derive(Debug)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    all_received: IntCounter,
    all_sent: IntCounter,
}

/// What a handshake agreed on, as labels.
#[derive(Debug, Clone, Copy)]
pub struct Agreed<'a> {
    pub version: &'a str,
    pub cipher: &'a str,
    pub group: &'a str,
    pub resumed: bool,
}

impl Metrics {
    /// All metrics, at zero. Fails only if two metrics have the same name, which a test would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let all = &Registry::new_custom(Some("tlsgate".into()), None)?;
        Ok(Self {
            shed: shed(all)?,
            connections: counters(all, "connections_total", "Connections accepted.", ["listener"])?,
            rejected: counters(
                all,
                "connections_rejected_total",
                "Refused on accept, or by the limits of a route.",
                ["listener", "reason"],
            )?,
            closed: counters(
                all,
                "connections_closed_total",
                "Connections that ended, by how.",
                ["listener", "outcome"],
            )?,
            received: counters(all, "received_bytes_total", "Application bytes from clients.", ["listener"])?,
            sent: counters(all, "sent_bytes_total", "Application bytes to clients.", ["listener"])?,
            duration: histograms(all, "connection_duration_seconds", "From accept to end.", ["listener"], LIVES)?,
            handshakes: counters(
                all,
                "tls_handshakes_total",
                "TLS handshakes completed.",
                ["listener", "version", "cipher", "group", "resumed"],
            )?,
            handshake_failures: counters(
                all,
                "tls_handshake_failures_total",
                "Connections that ended before their handshake was complete.",
                ["listener", "reason"],
            )?,
            handshake_duration: histograms(
                all,
                "tls_handshake_duration_seconds",
                "From the ClientHello to the end of the handshake.",
                ["listener"],
                MOMENTS,
            )?,
            selections: counters(
                all,
                "certificate_selections_total",
                "Certificates chosen, by how their names matched.",
                ["listener", "certificate", "match"],
            )?,
            connect_failures: counters(
                all,
                "backend_connect_failures_total",
                "Attempts to connect to a server that failed.",
                ["backend", "server", "reason"],
            )?,
            connect_duration: histograms(
                all,
                "backend_connect_duration_seconds",
                "Until a server had accepted.",
                ["backend"],
                MOMENTS,
            )?,
            registry: all.clone(),
        })
    }

    /// Counts an accepted connection.
    pub fn accepted(&self, listener: &str) {
        self.connections.with([listener]).inc();
    }

    /// Counts a connection that was refused when it was accepted.
    pub fn rejected(&self, listener: &str, reason: Outcome) {
        self.rejected.with([listener, &reason.to_string()]).inc();
    }

    /// Counts a connection that has ended.
    pub fn closed(&self, listener: &str, outcome: Outcome, lived: Duration) {
        let label = outcome.to_string();
        self.closed.with([listener, &label]).inc();
        self.duration.with([listener]).observe(lived.as_secs_f64());
        // A metric of its own besides `closed`, as below, so that an alert needs no list of outcomes.
        if Outcome::SHED.contains(&outcome) {
            self.shed.with([&label]).inc();
        }
    }

    /// Counts a connection that has ended before there was a TLS session, for this reason.
    pub fn handshake_failed(&self, listener: &str, outcome: Outcome) {
        self.handshake_failures.with([listener, &outcome.to_string()]).inc();
    }

    /// Counts a completed handshake. `took` is the time from the ClientHello on.
    pub fn handshake(&self, listener: &str, agreed: Agreed<'_>, took: Duration) {
        let Agreed { version, cipher, group, resumed } = agreed;
        let resumed = if resumed { "true" } else { "false" };
        self.handshakes.with([listener, version, cipher, group, resumed]).inc();
        self.handshake_duration.with([listener]).observe(took.as_secs_f64());
    }

    /// Counts a certificate that was chosen. `tier` is how it matched the name.
    pub fn selection(&self, listener: &str, certificate: &str, tier: &str) {
        self.selections.with([listener, certificate, tier]).inc();
    }

    /// Counts a failed attempt to connect to a server.
    pub fn connect_failure(&self, backend: &str, server: &str, reason: &str) {
        self.connect_failures.with([backend, server, reason]).inc();
    }

    /// Records how long it took to connect to a server, failed attempts included.
    pub fn connected(&self, backend: &str, took: Duration) {
        self.connect_duration.with([backend]).observe(took.as_secs_f64());
    }

    /// The byte counts of a new connection.
    pub fn traffic(&self, listener: &str) -> Traffic {
        // The counters are looked up once: for each read that would cost a lock and a hash of the labels.
        Traffic {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            all_received: self.received.with([listener]),
            all_sent: self.sent.with([listener]),
        }
    }

    /// Removes the series for whose labels `alive` returns false: those of listeners, certificates and servers that the
    /// configuration no longer contains.
    pub fn prune(&self, alive: impl Fn(&HashMap<&str, &str>) -> bool) {
        // Taken apart without `..`, so that a new metric cannot be forgotten here.
        let Self {
            registry: _,
            connections,
            rejected,
            closed,
            received,
            sent,
            duration,
            handshakes,
            handshake_failures,
            handshake_duration,
            selections,
            connect_failures,
            connect_duration,
            shed: _,
        } = self;
        connections.prune(&alive);
        rejected.prune(&alive);
        closed.prune(&alive);
        received.prune(&alive);
        sent.prune(&alive);
        duration.prune(&alive);
        handshakes.prune(&alive);
        handshake_failures.prune(&alive);
        handshake_duration.prune(&alive);
        selections.prune(&alive);
        connect_failures.prune(&alive);
        connect_duration.prune(&alive);
    }

    /// What was counted of connections, by listener.
    pub fn totals(&self) -> HashMap<String, Totals> {
        totals::totals(&Sources {
            accepted: &self.connections,
            rejected: &self.rejected,
            closed: &self.closed,
            received: &self.received,
            sent: &self.sent,
        })
    }

    /// How handshakes have ended, by listener.
    pub fn shaken(&self) -> HashMap<String, Shaken> {
        totals::shaken(&self.handshakes, &self.handshake_failures)
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Encoding into a String fails only for a family without metrics, which gather leaves out.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

impl Traffic {
    /// Adds `count` bytes from the client.
    pub fn receive(&self, count: usize) {
        add(&self.received, count);
        self.all_received.inc_by(count as u64);
    }

    /// Adds `count` bytes to the client.
    pub fn send(&self, count: usize) {
        add(&self.sent, count);
        self.all_sent.inc_by(count as u64);
    }

    /// Bytes from the client so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes to the client so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Not `fetch_add`, which costs more: only one task adds.
fn add(sum: &AtomicU64, count: usize) {
    sum.store(sum.load(Ordering::Relaxed) + count as u64, Ordering::Relaxed);
}

/// Bounds for the lifetime of a connection in seconds: from a single handshake to a directory connection that is open
/// for a working day.
const LIVES: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 28_800.0];

/// Bounds for handshakes and connects, in seconds.
const MOMENTS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What was refused or closed for want of something, with a series for each reason: one that is absent cannot be compared
/// with 0.
fn shed(all: &Registry) -> Result<Counters<1>, prometheus::Error> {
    let text = "Connections refused or closed because memory, descriptors or places were short.";
    let shed = counters(all, "limits_shed_total", text, ["reason"])?;
    Outcome::SHED.iter().for_each(|reason| drop(shed.with([&reason.to_string()])));
    Ok(shed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_those_of_each_listener() {
        let metrics = Metrics::new().unwrap();
        metrics.accepted("a");
        metrics.accepted("a");
        metrics.rejected("a", Outcome::SHED[0]);
        metrics.closed("b", Outcome::SHED[1], Duration::ZERO);
        metrics.traffic("b").send(7);
        let totals = metrics.totals();
        assert_eq!((totals["a"].accepted, totals["b"].sent), (2, 7));
        assert_eq!(totals["a"].rejected[&Outcome::SHED[0].to_string()], 1);
        assert_eq!(totals["b"].closed[&Outcome::SHED[1].to_string()], 1);
    }

    #[test]
    fn handshakes_count_as_failed_only_if_what_is_served_can_be_the_reason() {
        let metrics = Metrics::new().unwrap();
        for (version, cipher, resumed) in [("TLSv1.3", "x", true), ("TLSv1.2", "y", false), ("TLSv1.2", "y", false)] {
            metrics.handshake("a", Agreed { version, cipher, group: "-", resumed }, Duration::ZERO);
        }
        for reason in [Outcome::HandshakeAlert, Outcome::NoCommonScheme, Outcome::NotTls, Outcome::HelloClosed] {
            metrics.handshake_failed("a", reason);
        }
        metrics.handshake_failed("b", Outcome::UnknownName);
        metrics.handshake_failed("c", Outcome::Ja4Denied);
        let shaken = metrics.shaken();
        assert_eq!(shaken["a"], Shaken { done: 3, failed: 2 });
        assert_eq!(shaken["b"], Shaken { done: 0, failed: 1 });
        assert!(!shaken.contains_key("c"), "{shaken:?}");
        assert!(Outcome::OF_WHAT_IS_SERVED.iter().all(|outcome| outcome.is_before_handshake()));
    }

    #[test]
    fn what_is_gone_is_forgotten_and_the_rest_stays() {
        let metrics = Metrics::new().unwrap();
        for listener in ["a", "b"] {
            metrics.accepted(listener);
            metrics.closed(listener, Outcome::Completed, Duration::from_secs(1));
            metrics.selection(listener, "x.crt", "exact");
        }
        metrics.prune(|labels| labels.get("listener") == Some(&"a"));
        let text = metrics.text();
        assert!(text.contains("tlsgate_connections_total{listener=\"a\"} 1"), "{text}");
        assert!(text.contains("tlsgate_connection_duration_seconds_count{listener=\"a\"} 1"), "{text}");
        assert!(!text.contains("\"b\""), "{text}");
    }

    #[test]
    fn bytes_count_for_the_connection_and_for_its_listener() {
        let metrics = Metrics::new().unwrap();
        let (one, other) = (metrics.traffic("a"), metrics.traffic("a"));
        one.receive(3);
        other.receive(4);
        other.send(5);
        assert_eq!((one.received(), other.received(), other.sent()), (3, 4, 5));
        assert!(metrics.text().contains("tlsgate_received_bytes_total{listener=\"a\"} 7"));
    }
}
