//! Counters and histograms for Prometheus. What can be read off the state when it is asked for is not counted here.
//!
//! No series is labelled by a client's address or by a name that a client sent, so that nobody outside can make them
//! grow. Must not know: who asks, how connections work.

use std::collections::HashMap;
use std::time::Duration;

use prometheus::{IntCounter, Registry, TextEncoder};

use crate::observe::metrics::family::{Counters, Histograms, counters, histograms};
use crate::observe::outcome::Outcome;

mod family;

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
}

/// The application bytes of one connection, which count for its listener as they move.
#[derive(Debug)]
pub struct Traffic {
    received: u64,
    sent: u64,
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
    /// Fails only if two metrics have the same name, which a test would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let all = &Registry::new_custom(Some("tlsgate".into()), None)?;
        Ok(Self {
            connections: counters(all, "connections_total", "Connections accepted.", ["listener"])?,
            rejected: counters(
                all,
                "connections_rejected_total",
                "Connections refused on accept.",
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

    pub fn accepted(&self, listener: &str) {
        self.connections.with([listener]).inc();
    }

    pub fn rejected(&self, listener: &str, reason: Outcome) {
        self.rejected.with([listener, &reason.to_string()]).inc();
    }

    /// A connection ended.
    pub fn closed(&self, listener: &str, outcome: Outcome, lived: Duration) {
        let label = outcome.to_string();
        self.closed.with([listener, &label]).inc();
        self.duration.with([listener]).observe(lived.as_secs_f64());
        if outcome.is_before_handshake() {
            self.handshake_failures.with([listener, &label]).inc();
        }
    }

    pub fn handshake(&self, listener: &str, agreed: Agreed<'_>, took: Duration) {
        let Agreed { version, cipher, group, resumed } = agreed;
        let resumed = if resumed { "true" } else { "false" };
        self.handshakes.with([listener, version, cipher, group, resumed]).inc();
        self.handshake_duration.with([listener]).observe(took.as_secs_f64());
    }

    pub fn selection(&self, listener: &str, certificate: &str, tier: &str) {
        self.selections.with([listener, certificate, tier]).inc();
    }

    pub fn connect_failure(&self, backend: &str, server: &str, reason: &str) {
        self.connect_failures.with([backend, server, reason]).inc();
    }

    pub fn connected(&self, backend: &str, took: Duration) {
        self.connect_duration.with([backend]).observe(took.as_secs_f64());
    }

    /// A connection's byte counts.
    pub fn traffic(&self, listener: &str) -> Traffic {
        Traffic {
            received: 0,
            sent: 0,
            all_received: self.received.with([listener]),
            all_sent: self.sent.with([listener]),
        }
    }

    /// Forgets the series that `alive` does not know, given their labels: those of listeners, certificates and servers that
    /// are gone.
    pub fn prune(&self, alive: impl Fn(&HashMap<&str, &str>) -> bool) {
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

    /// The text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Encoding into a String fails only for a family without metrics, which gather leaves out.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }
}

impl Traffic {
    pub fn receive(&mut self, count: usize) {
        self.received += count as u64;
        self.all_received.inc_by(count as u64);
    }

    pub fn send(&mut self, count: usize) {
        self.sent += count as u64;
        self.all_sent.inc_by(count as u64);
    }

    /// From the client.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// To the client.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

/// From a handshake to an idle directory connection of a working day, in seconds.
const LIVES: &[f64] = &[0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 28_800.0];

/// Handshakes and connects, in seconds.
const MOMENTS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[cfg(test)]
mod tests {
    use super::*;

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
        let (mut one, mut other) = (metrics.traffic("a"), metrics.traffic("a"));
        one.receive(3);
        other.receive(4);
        other.send(5);
        assert_eq!((one.received(), other.received(), other.sent()), (3, 4, 5));
        assert!(metrics.text().contains("tlsgate_received_bytes_total{listener=\"a\"} 7"));
    }
}
