//! The record of one connection: collects what is known of it and how it ended; when it is dropped, writes the line of
//! the access log and the counts. No I/O. Must not know: in which order things happen, how a connection is closed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backend::connect::Failure;
use crate::backend::failure::FailureKind;
use crate::labels::Labels;
use crate::limit::admission::Admission;
use crate::net::address::Address;
use crate::net::proxy_protocol::header::Header;
use crate::observe::access::format;
use crate::observe::access::log::AccessLog;
use crate::observe::access::record::{ClientCertificate, ConnectionId, Record};
use crate::observe::metrics::{Agreed, Metrics, Traffic};
use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Cause, Ending};
use crate::route::index::Mode;
use crate::tls::certificate::select::Choice;
use crate::tls::record::handshaking::Negotiated;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::wire::alert;
use crate::tls::wire::hello::Hello;

mod facts;

/// The record of a connection. It is written when this is dropped, so that a connection that is cut off by a shutdown
/// or a panic is logged as well.
pub struct Entry {
    pub(super) record: Record,
    pub(super) traffic: Traffic,
    accepted: Instant,
    /// `None` where the access log leaves this one out; the metrics count it.
    // Not a flag beside it: with one, all of a connection would no longer fit into 640 bytes, a size of the allocator.
    log: Option<AccessLog>,
    metrics: Arc<Metrics>,
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
            connection_time: 0.0,
            received_bytes: 0,
            sent_bytes: 0,
            incoming_tls_alert: None,
            incoming_tls_alert_code: None,
            // Every other end sets its own outcome. What remains are the connections that the process drops at its end.
            outcome: Outcome::Shutdown,
            reason: None,
        };
        Self { record, traffic, accepted: Instant::now(), log: Some(log), metrics, destination: None }
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
            self.record.client = client;
            self.destination = Some(Box::new(destination));
        }
    }

    pub(super) fn greeted(&mut self, hello: &Hello) {
        if let Some(name) = &hello.server_name {
            self.record.server_name = name.as_str().into();
        }
        self.record.client_protocols = format::preference_list(&hello.protocols).map(Into::into);
    }

    /// The route that takes it, with the labels of listener, route and backend.
    pub(super) fn routed(&mut self, route: &Arc<str>, mode: Mode, labels: &Labels) {
        self.record.route = Some(Arc::clone(route));
        self.record.mode = Some(mode.word());
        self.record.labels = labels.clone();
    }

    /// The certificate that is served to the client.
    pub(super) fn chosen(&mut self, choice: &Choice) {
        // Its fields are formatted only for a log, since that costs several allocations.
        if self.log.as_ref().is_some_and(AccessLog::is_on) {
            self.record.certificate = Some(Box::new(facts::served(choice)));
        }
        self.metrics.selection(&self.record.listener, &choice.certificate.label, facts::match_label(choice));
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
        self.metrics.handshake(&self.record.listener, labels, took);
        self.record.tls = Some(tls);
        self.record.tls_handshake_time = Some(seconds(took));
        self.record.client_certificate =
            client.map(|client| Box::new(ClientCertificate { subject: client.subject.clone(), verified: true }));
    }

    /// The backend that the connection is for, before one of its servers is reached.
    pub(super) fn bound_for(&mut self, backend: &Arc<str>) {
        self.record.backend = Some(Arc::clone(backend));
    }

    /// Servers that could not be reached, whether another one was reached after them or not.
    pub(super) fn connect_failures(&self, backend: &str, failures: &[Failure]) {
        for failure in failures {
            self.connect_failure(backend, &failure.address, failure.kind);
        }
    }

    pub(super) fn connected(&mut self, backend: &str, server: &Address, took: Duration) {
        self.record.backend_address = Some(server.clone());
        self.record.connect_time = Some(seconds(took));
        self.metrics.connected(backend, took);
    }

    /// The server ended the relay with an alert. If that was all that it sent, it has refused the handshake: in TLS 1.3
    /// a server that requires another certificate, or any, reports it when the client takes the handshake for complete.
    pub(super) fn backend_alert(&self, backend: &str) {
        if let (0, Some(address)) = (self.traffic.sent(), &self.record.backend_address) {
            self.connect_failure(backend, address, FailureKind::TlsAlert);
        }
    }

    fn connect_failure(&self, backend: &str, server: &Address, kind: FailureKind) {
        self.metrics.connect_failure(backend, &server.to_string(), kind.label());
    }

    /// The connection has ended for this cause.
    pub(super) fn end(&mut self, cause: Cause) {
        let Cause { outcome, reason, received_alert, client_certificate } = cause;
        if outcome.is_refusal() {
            self.metrics.rejected(&self.record.listener, outcome);
        }
        self.record.outcome = outcome;
        self.record.reason = reason;
        if let Some(received) = received_alert {
            self.record.incoming_tls_alert = Some(alert::name(received).into());
            self.record.incoming_tls_alert_code = Some(received.into());
        }
        // A relay that ends reports none, and must not remove the one that was accepted.
        if client_certificate.is_some() {
            self.record.client_certificate = client_certificate;
        }
    }

    /// The connection is refused before it begins. The caller closes it.
    pub fn refuse(mut self, ending: Ending, admission: &Admission) {
        self.end(ending.cause);
        self.spare_log(admission);
    }

    /// In a flood of refusals, most are only counted and not logged: logging one costs more than refusing it.
    pub(super) fn spare_log(&mut self, admission: &Admission) {
        if !self.record.outcome.is_refusal() {
            return;
        }
        if admission.logs_refusal() {
            return;
        }
        self.log = None;
        if admission.warns_of_unlogged() {
            let listener = &self.record.listener;
            tracing::warn!(%listener, "more connections are refused than the access log shows; the metrics count all of them");
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // No caller can set the outcome while a panic unwinds the stack.
        if std::thread::panicking() {
            self.record.outcome = Outcome::InternalError;
        }
        let lived = self.accepted.elapsed();
        self.record.connection_time = seconds(lived);
        self.record.received_bytes = self.traffic.received();
        self.record.sent_bytes = self.traffic.sent();
        self.metrics.closed(&self.record.listener, self.record.outcome, lived);
        // Cloned, since `drop` cannot move the record out.
        if let Some(log) = self.log.as_ref().filter(|log| log.is_on()) {
            log.write(self.record.clone());
        }
    }
}

/// Whole microseconds: more digits would be noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
