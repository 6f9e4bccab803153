//! The record of one connection: collects what is known of it and how it ended; when it is dropped, writes the line of
//! the access log and the counts. No I/O. Must not know: in which order things happen, how a connection is closed.

use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use crate::backend::connect::Failure;
use crate::backend::failure::FailureKind;
use crate::ja4::Ja4;
use crate::labels::Labels;
use crate::limit::admission::Admission;
use crate::live::presented::Judged;
use crate::live::registry::{Listed, Registry};
use crate::live::row::{Facts, Row};
use crate::net::address::Address;
use crate::net::proxy_protocol::header::Header;
use crate::observe::access::format;
use crate::observe::access::log::AccessLog;
use crate::observe::access::record::{ClientCertificate, ConnectionId, Record};
use crate::observe::metrics::{Agreed, Metrics};
use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Cause, Ending};
use crate::route::split::Share;
use crate::route::ways::Route;
use crate::tls::certificate::select::Choice;
use crate::tls::record::handshaking::Negotiated;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::wire::alert;
use crate::tls::wire::hello::{Hello, ja4};

mod facts;

/// The record of a connection. It is written when this is dropped, so that a connection that is cut off by a shutdown
/// or a panic is logged as well.
pub struct Entry {
    /// The record, which whoever lists connections may read.
    row: Arc<Row>,
    log: AccessLog,
    metrics: Arc<Metrics>,
    /// `None` until the connection is admitted.
    listed: Option<Listed>,
    /// The longest life of the connection, once its route is known.
    // Boxed, since most have none.
    max_age: Option<Box<Duration>>,
    /// The access log leaves this one out; the metrics count it.
    unwritten: bool,
    /// The address that the client connected to, if a proxy has reported it, or if the socket itself does not have it.
    destination: Option<Box<Address>>,
}

impl Entry {
    /// A connection that was just accepted from `peer`, with the labels of its listener. Counts it as accepted.
    pub fn new(
        id: ConnectionId,
        listener: Arc<str>,
        labels: Labels,
        peer: Address,
        log: AccessLog,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.accepted(&listener);
        let traffic = metrics.traffic(&listener);
        let record = Record {
            time: Timestamp::now(),
            connection_id: id,
            listener,
            client: peer.clone(),
            ja4: None,
            peer,
            server_name: "-".into(),
            route: None,
            mode: None,
            labels,
            client_protocols: None,
            client_certificate: None,
            tls: None,
            certificate: None,
            backend: None,
            backend_address: None,
            connect_time: None,
            tls_handshake_time: None,
            end: None,
        };
        let row = Arc::new(Row::new(record, traffic));
        Self { row, log, metrics, listed: None, max_age: None, unwritten: false, destination: None }
    }

    /// The connection is admitted, and that worker serves it: from now on it is listed.
    pub fn list(&mut self, registry: &Registry, worker: usize) {
        self.listed = Some(registry.list(worker, Arc::clone(&self.row)));
    }

    /// What is known so far.
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.row.facts()
    }

    /// Where the connection is asked to end, and where its bytes are counted.
    pub(super) fn row(&self) -> &Arc<Row> {
        &self.row
    }

    /// The address of the client.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.facts().record.client.ip()
    }

    /// The address to which the limits for clients apply: if a proxy has named no IP address, the proxy itself.
    pub(super) fn limited(&self) -> Address {
        let record = &self.facts().record;
        if record.client.ip().is_some() { record.client.clone() } else { record.peer.clone() }
    }

    /// The address of the client, if its handshake has failed. What ends one can end a connection after it, too.
    pub(super) fn failed_client(&self) -> Option<IpAddr> {
        let record = &self.facts().record;
        record.client.ip().filter(|_| record.tls.is_none() && record.end().outcome.is_failed_handshake())
    }

    /// When the connection has reached its longest life, if there is one.
    pub(super) fn aged(&self) -> Option<Instant> {
        Some(Instant::from_std(self.row.accepted) + spread(**self.max_age.as_ref()?, fastrand::f64()))
    }

    /// The address that the client connected to, for sockets that do not have it themselves.
    pub fn came_to(&mut self, destination: Address) {
        self.destination = Some(Box::new(destination));
    }

    /// See [`Entry::came_to`]; a proxy in front can have reported it as well.
    pub(super) fn destination(&self) -> Option<&Address> {
        self.destination.as_deref()
    }

    /// From now on the client is the one that the proxy has named, if it has named one.
    pub(super) fn believe(&mut self, header: Header) {
        // Without addresses (LOCAL, UNKNOWN) the peer remains the client, as the PROXY protocol requires.
        if let Some((client, destination)) = header.addresses {
            self.facts().record.client = client;
            self.destination = Some(Box::new(destination));
        }
    }

    pub(super) fn greeted(&mut self, hello: &Hello) {
        let record = &mut self.facts().record;
        if let Some(name) = &hello.server_name {
            record.server_name = name.as_str().into();
        }
        record.client_protocols = format::preference_list(&hello.protocols).map(Into::into);
    }

    /// Computes the JA4 of what the client has sent, if it is a ClientHello, whether it is accepted or not. It is
    /// computed only for a log, or if the caller needs it, since it costs two hashes.
    pub(super) fn fingerprint(&mut self, raw: &[u8], needed: bool) -> Option<Ja4> {
        if !needed && !self.log.is_on() {
            return None;
        }
        let ja4 = ja4::ja4(raw);
        self.facts().record.ja4 = ja4.map(Box::new);
        ja4
    }

    /// The route takes the connection; `max_age` is the listener's.
    pub(super) fn routed(&mut self, route: &Route, max_age: Option<Duration>) {
        self.max_age = route.max_age.or(max_age).map(Box::new);
        let record = &mut self.facts().record;
        record.route = Some(Arc::clone(&route.name));
        record.mode = Some(route.way.mode().word());
        record.labels = route.labels.clone();
    }

    /// The certificate that is served to the client.
    pub(super) fn chosen(&mut self, choice: &Choice) {
        let mut facts = self.facts();
        // Its fields are formatted only for a log, since that costs several allocations.
        if self.log.is_on() {
            facts.record.certificate = Some(Box::new(facts::served(choice)));
        }
        facts.certificate = Some(Arc::clone(&choice.certificate));
        self.metrics.selection(&facts.record.listener, &choice.certificate.label, facts::match_label(choice));
    }

    /// The handshake is complete.
    pub(super) fn agreed(&mut self, negotiated: &Negotiated, client: Option<&Identity>, took: Duration) {
        let tls = facts::agreed(negotiated);
        let labels = Agreed {
            version: tls.version,
            cipher: tls.cipher,
            group: tls.group.as_deref().unwrap_or("-"),
            resumed: tls.resumed,
        };
        let mut facts = self.facts();
        let record = &mut facts.record;
        self.metrics.handshake(&record.listener, labels, took);
        record.tls = Some(tls);
        record.tls_handshake_time = Some(seconds(took));
        record.client_certificate = client.map(|client| {
            let Identity { subject, key_sha256, .. } = client;
            Box::new(ClientCertificate { subject: subject.clone(), verified: true, key_sha256: *key_sha256 })
        });
    }

    /// The client has presented these certificates, which were judged so: from now on they can be judged again.
    pub(super) fn presented(&self, certificates: Vec<CertificateDer<'static>>, judged: Judged) {
        if let Some(listed) = &self.listed {
            listed.presented(Arc::clone(&self.row), certificates, judged);
        }
    }

    /// The backend that the connection is for, before one of its servers is reached.
    pub(super) fn bound_for(&mut self, share: &Share) {
        let record = &mut self.facts().record;
        record.backend = Some(Arc::clone(share.pool.name()));
        record.labels = share.labels.clone();
    }

    /// Servers that could not be reached, whether another one was reached after them or not.
    pub(super) fn connect_failures(&self, backend: &str, failures: &[Failure]) {
        for failure in failures {
            self.connect_failure(backend, &failure.address, failure.kind);
        }
    }

    pub(super) fn connected(&mut self, backend: &str, server: &Address, took: Duration) {
        let record = &mut self.facts().record;
        record.backend_address = Some(server.clone());
        record.connect_time = Some(seconds(took));
        self.metrics.connected(backend, took);
    }

    /// The server ended the relay with an alert. If that was all that it sent, it has refused the handshake: in TLS 1.3
    /// a server that requires another certificate, or any, reports it when the client takes the handshake for complete.
    pub(super) fn backend_alert(&self, backend: &str) {
        if let (0, Some(address)) = (self.row.traffic.sent(), &self.facts().record.backend_address) {
            self.connect_failure(backend, address, FailureKind::TlsAlert);
        }
    }

    fn connect_failure(&self, backend: &str, server: &Address, kind: FailureKind) {
        self.metrics.connect_failure(backend, &server.to_string(), kind.label());
    }

    /// The connection has ended for this cause.
    pub(super) fn end(&mut self, cause: Cause) {
        let Cause { outcome, reason, received_alert, client_certificate } = cause;
        let record = &mut self.facts().record;
        if outcome.is_refusal() {
            self.metrics.rejected(&record.listener, outcome);
        }
        let end = record.end_mut();
        end.outcome = outcome;
        end.reason = reason;
        if let Some(received) = received_alert {
            end.incoming_tls_alert = Some(alert::name(received).into());
            end.incoming_tls_alert_code = Some(received.into());
        }
        // A relay that ends reports none, and must not remove the one that was accepted.
        if client_certificate.is_some() {
            record.client_certificate = client_certificate;
        } else if let Some(accepted) = record.client_certificate.as_mut().filter(|_| outcome.is_about_certificate()) {
            accepted.verified = false;
        }
    }

    /// The connection is refused before it begins. The caller closes it.
    pub fn refuse(mut self, ending: Ending, admission: &Admission) {
        self.end(ending.cause);
        self.spare_log(admission);
    }

    /// In a flood of refusals, most are only counted and not logged: logging one costs more than refusing it.
    pub(super) fn spare_log(&mut self, admission: &Admission) {
        if !self.facts().record.end().outcome.is_refusal() {
            return;
        }
        self.unwritten = !admission.logs_refusal();
        if self.unwritten && admission.warns_of_unlogged() {
            let listener = &self.facts().record.listener;
            tracing::warn!(%listener, "more connections are refused than the access log shows; the metrics count all of them");
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // First, so that a connection whose record is written is listed no more.
        self.listed = None;
        let record = &mut self.row.facts().record;
        let end = record.end_mut();
        // No caller can set the outcome while a panic unwinds the stack.
        if std::thread::panicking() {
            end.outcome = Outcome::InternalError;
        }
        let (lived, outcome) = (self.row.accepted.elapsed(), end.outcome);
        end.connection_time = seconds(lived);
        end.received_bytes = self.row.traffic.received();
        end.sent_bytes = self.row.traffic.sent();
        self.metrics.closed(&record.listener, outcome, lived);
        if record.tls.is_none() && outcome.is_before_handshake() {
            self.metrics.handshake_failed(&record.listener, outcome);
        }
        // Cloned, since whoever lists connections may still have the row.
        if !self.unwritten && self.log.is_on() {
            self.log.write(record.clone());
        }
    }
}

/// Whole microseconds: more digits would be noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// A time within the last tenth of the longest life, so that connections that have begun together do not end together.
/// `random` is from 0 to 1.
fn spread(max_age: Duration, random: f64) -> Duration {
    max_age.mul_f64(1.0 - SPREAD * random)
}

/// The part of the longest life within which a connection ends.
const SPREAD: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_life_is_spread_by_a_tenth_and_never_longer() {
        let (hours, minute) = (Duration::from_secs(24 * 3600), Duration::from_secs(60));
        assert_eq!(spread(hours, 0.0), hours);
        assert!(spread(hours, 1.0).abs_diff(hours * 9 / 10) < minute);
        for random in [0.1, 0.5, 0.999] {
            let age = spread(hours, random);
            assert!(hours * 9 / 10 < age && age < hours, "{age:?}");
        }
    }
}
