//! The record of one connection: what is known of it so far, what each end of it is called, and, when it is dropped, the
//! line in the access log and the counts. Must not know: in which order things happen.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::AlertDescription;
use tokio::time::Instant;

use crate::backend::connect::Failure;
use crate::backend::pool::NoServer;
use crate::limit::admission::Admission;
use crate::net::address::Address;
use crate::net::close;
use crate::net::proxy_protocol::header::Header;
use crate::net::proxy_protocol::write::Version;
use crate::net::stream::Stream;
use crate::observe::access::format;
use crate::observe::access::log::AccessLog;
use crate::observe::access::record::{ClientCertificate, ConnectionId, Record, Served, Tls};
use crate::observe::metrics::{Agreed, Metrics, Traffic};
use crate::observe::outcome::Outcome;
use crate::proxy::preface::preface;
use crate::proxy::proxied::NoHeader;
use crate::relay::End;
use crate::route::index;
use crate::route::index::Mode;
use crate::starttls::step;
use crate::tls::certificate::select::{Choice, Tier};
use crate::tls::handshake::{HandshakeError, Refusal, Terminated};
use crate::tls::policy;
use crate::tls::trust::clients::{Fault, Identity};
use crate::tls::wire::alert;
use crate::tls::wire::codes;
use crate::tls::wire::hello::{Hello, HelloError};

/// The record of a connection. It is written when this is dropped, so that a connection that is cut, or that panics, is
/// logged as well.
pub struct Entry {
    pub(super) record: Record,
    pub(super) traffic: Traffic,
    accepted: Instant,
    log: AccessLog,
    pub(super) metrics: Arc<Metrics>,
    unwritten: bool,
    /// Where the client connected to, as a proxy says, or where the connection itself does not know.
    destination: Option<Box<Address>>,
}

impl Entry {
    pub fn new(id: ConnectionId, listener: Arc<str>, peer: Address, log: AccessLog, metrics: Arc<Metrics>) -> Self {
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
            outcome: Outcome::Shutdown,
            reason: None,
        };
        Self { record, traffic, accepted: Instant::now(), log, metrics, unwritten: false, destination: None }
    }

    pub(super) fn greeted(&mut self, hello: &Hello) {
        if let Some(name) = &hello.server_name {
            self.record.server_name = name.as_str().into();
        }
        self.record.client_protocols = format::preference_list(&hello.protocols).map(Into::into);
    }

    /// The certificate that it gets.
    pub(super) fn chosen(&mut self, choice: &Choice) {
        if self.log.is_on() {
            self.record.certificate = Some(Box::new(served(choice)));
        }
        self.metrics.selection(&self.record.listener, &choice.certificate.label, label_of(choice));
    }

    pub(super) fn routed(&mut self, route: &Arc<str>, mode: Mode) {
        self.record.route = Some(Arc::clone(route));
        self.record.mode = Some(mode.word());
    }

    pub(super) fn connect_failures(&self, backend: &str, failures: &[Failure]) {
        for failure in failures {
            self.metrics.connect_failure(backend, &failure.address.to_string(), failure.kind.label());
        }
    }

    pub(super) fn no_server(&mut self, reason: NoServer, failures: Vec<Failure>) -> Outcome {
        let said = failures.iter().map(|failure| format!("{}: {}", failure.address, failure.reason));
        let said = said.collect::<Vec<_>>().join("; ");
        self.record.reason = Some(if said.is_empty() { reason.to_string() } else { said }.into());
        match reason {
            NoServer::Full => Outcome::BackendFull,
            NoServer::Unknown | NoServer::Tried | NoServer::Down => Outcome::BackendUnreachable,
        }
    }

    pub(super) fn handshake(&self, took: Duration) {
        let Some(tls) = &self.record.tls else { return };
        let agreed = Agreed {
            version: tls.version,
            cipher: tls.cipher,
            group: tls.group.as_deref().unwrap_or("-"),
            resumed: tls.resumed,
        };
        self.metrics.handshake(&self.record.listener, agreed, took);
    }

    /// Where the client connected to, where the connection itself does not know.
    pub fn came_to(&mut self, destination: Address) {
        self.destination = Some(Box::new(destination));
    }

    /// Ends it before it began.
    pub fn refuse(mut self, outcome: Outcome, admission: &Admission) {
        self.refused(outcome, admission);
    }

    /// It is counted; in a flood of refusals it is not written down.
    pub(super) fn refused(&mut self, outcome: Outcome, admission: &Admission) {
        self.metrics.rejected(&self.record.listener, outcome);
        self.record.outcome = outcome;
        self.unwritten = !admission.logs_refusal();
        if self.unwritten && admission.warns_of_unlogged() {
            let listener = &self.record.listener;
            tracing::warn!(%listener, "more connections are refused than the access log tells of; the metrics count them");
        }
    }

    pub(super) async fn no_starttls(&mut self, client: &mut Stream, end: step::End) -> Outcome {
        self.record.reason = Some(end.why.to_string().into());
        if !end.say.is_empty() {
            close::with_last_words(client, &end.say).await;
        }
        match end.why {
            step::Refusal::Closed | step::Refusal::Io(_) => Outcome::StarttlsClosed,
            step::Refusal::InTheClear(_) => Outcome::StarttlsRefused,
            step::Refusal::Pipelined => Outcome::StarttlsPipelined,
            step::Refusal::Invalid(_) => Outcome::StarttlsInvalid,
        }
    }

    /// From here on the client is whom the proxy has named, if it has named one.
    pub(super) fn believe(&mut self, header: Header) {
        if let Some((client, destination)) = header.addresses {
            self.record.client = client;
            self.destination = Some(Box::new(destination));
        }
    }

    /// The address that the client connected to, as the proxy in front says where there is one.
    pub(super) fn address(&self, client: &Stream) -> Option<IpAddr> {
        match &self.destination {
            Some(destination) => destination.ip(),
            None => client.local_address().ip(),
        }
    }

    /// What the backend is told before the client's first byte.
    pub(super) fn preface(&self, version: Version, client: &Stream, terminated: Option<&Terminated>) -> Vec<u8> {
        if version == Version::Off {
            return Vec::new();
        }
        let destination = self.destination.as_deref().cloned().unwrap_or_else(|| client.local_address());
        preface(version, &self.record, &destination, terminated)
    }

    pub(super) fn no_header(&mut self, failure: NoHeader, admission: &Admission) -> Outcome {
        match failure {
            NoHeader::Closed => Outcome::ProxyHeaderClosed,
            NoHeader::Io(error) => {
                self.record.reason = Some(error.to_string().into());
                Outcome::ProxyHeaderClosed
            }
            NoHeader::Bad(error) => {
                self.record.reason = Some(error.to_string().into());
                self.refused(Outcome::ProxyHeaderInvalid, admission);
                Outcome::ProxyHeaderInvalid
            }
        }
    }

    pub(super) async fn no_hello(&mut self, client: &mut Stream, failure: NoHello) -> Outcome {
        match failure {
            NoHello::Closed => Outcome::HelloClosed,
            NoHello::Io(error) => {
                self.record.reason = Some(error.to_string().into());
                Outcome::HelloClosed
            }
            NoHello::Bad(error) => {
                self.record.reason = Some(error.to_string().into());
                if let HelloError::Alert(received) = error {
                    self.received(received);
                }
                close::with_last_words(client, &error.alert()).await;
                match error {
                    HelloError::NotTls => Outcome::NotTls,
                    HelloError::TooOld => Outcome::NoCommonVersion,
                    HelloError::TooLarge | HelloError::Alert(_) | HelloError::Invalid { .. } => Outcome::HelloInvalid,
                }
            }
        }
    }

    pub(super) async fn no_handshake(&mut self, client: &mut Stream, error: HandshakeError) -> Outcome {
        self.record.reason = Some(error.to_string().into());
        match error {
            HandshakeError::Closed | HandshakeError::Io(_) => Outcome::HandshakeClosed,
            HandshakeError::Client { fault, shown, .. } => {
                self.showed(shown.as_ref(), false);
                // The alert is written; it must not be overtaken by a reset.
                close::with_last_words(client, &[]).await;
                outcome_of_client(fault)
            }
            HandshakeError::Protocol(error) => match error.received_alert {
                Some(received) => {
                    self.record.reason = None;
                    self.received(received);
                    Outcome::HandshakeAlert
                }
                None => {
                    // The alert is written; it must not be overtaken by a reset.
                    close::with_last_words(client, &[]).await;
                    Outcome::HandshakeFailed
                }
            },
        }
    }

    pub(super) fn showed(&mut self, client: Option<&Identity>, verified: bool) {
        let subject = client.map(|client| client.subject.clone());
        self.record.client_certificate = subject.map(|subject| Box::new(ClientCertificate { subject, verified }));
    }

    pub(super) fn received(&mut self, alert: AlertDescription) {
        self.record.incoming_tls_alert = Some(alert::name(alert).into());
        self.record.incoming_tls_alert_code = Some(alert.into());
    }

    pub(super) fn ended(&mut self, end: &End) -> Outcome {
        match end {
            End::Completed => Outcome::Completed,
            End::BackendClosedEarly => Outcome::BackendClosedEarly,
            End::ClientTruncated => Outcome::ClientTruncated,
            End::ClientReset { .. } => Outcome::ClientReset,
            End::ClientAlert(received) => {
                self.received(*received);
                Outcome::ClientAlert
            }
            End::ClientBadRecord { reason, .. } => {
                self.record.reason = Some(reason.as_str().into());
                Outcome::ClientBadRecord
            }
            End::BackendReset => Outcome::BackendReset,
            End::BackendTruncated => Outcome::BackendTruncated,
            End::BackendAlert(received) => {
                self.record.reason = Some(format!("the backend sent {}", alert::name(*received)).into());
                Outcome::BackendAlert
            }
            End::BackendBadRecord { reason, .. } => {
                self.record.reason = Some(reason.as_str().into());
                Outcome::BackendBadRecord
            }
            End::KeysExhausted(reason) => {
                self.record.reason = Some(reason.as_str().into());
                Outcome::KeysExhausted
            }
            End::IdleTimeout => Outcome::IdleTimeout,
            End::HalfClosedTimeout => Outcome::HalfClosedTimeout,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.record.outcome = Outcome::InternalError;
        }
        let lived = self.accepted.elapsed();
        self.record.connection_time = seconds(lived);
        self.record.received_bytes = self.traffic.received();
        self.record.sent_bytes = self.traffic.sent();
        self.metrics.closed(&self.record.listener, self.record.outcome, lived);
        if !self.unwritten && self.log.is_on() {
            self.log.write(self.record.clone());
        }
    }
}

/// Why there is no hello.
pub(super) enum NoHello {
    Closed,
    Io(std::io::Error),
    Bad(HelloError),
}

pub(super) fn outcome_of(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::NoCommonVersion => Outcome::NoCommonVersion,
        Refusal::InappropriateFallback => Outcome::InappropriateFallback,
        Refusal::NoCommonSuite => Outcome::NoCommonSuite,
        Refusal::NoCommonGroup => Outcome::NoCommonGroup,
        Refusal::NoCommonProtocol => Outcome::NoCommonProtocol,
        Refusal::NoServerName { .. } => Outcome::NoServerName,
        Refusal::UnknownName => Outcome::UnknownName,
        Refusal::NoCommonScheme => Outcome::NoCommonScheme,
    }
}

fn outcome_of_client(fault: Fault) -> Outcome {
    match fault {
        Fault::Missing => Outcome::ClientCertificateMissing,
        Fault::Expired => Outcome::ClientCertificateExpired,
        Fault::Revoked => Outcome::ClientCertificateRevoked,
        Fault::UnknownCa => Outcome::ClientCertificateUnknownCa,
        Fault::RevocationUnknown => Outcome::ClientCertificateRevocationUnknown,
        Fault::Denied => Outcome::ClientCertificateDenied,
        Fault::Invalid => Outcome::ClientCertificateInvalid,
    }
}

fn served(choice: &Choice) -> Served {
    let certificate = &choice.certificate;
    Served {
        signature_scheme: policy::scheme_name(choice.scheme),
        sha256: hex(&certificate.fingerprint),
        chosen_cert: certificate.label.to_string(),
        chosen_cert_serial: certificate.serial.to_string(),
    }
}

pub(super) fn agreed(terminated: &Terminated) -> Tls {
    let negotiated = &terminated.finished.negotiated;
    Tls {
        version: always(policy::version_name(negotiated.version)),
        cipher: always(policy::suite_name(negotiated.suite)),
        openssl_cipher: always(codes::openssl_suite_name(negotiated.suite)),
        group: negotiated.group.map(policy::group_name),
        resumed: negotiated.resumed,
        next_protocol: negotiated.alpn.as_deref().map(|protocol| index::shown(protocol).into()),
    }
}

/// A name out of a table, which every version and suite that is agreed on has.
fn always(name: Cow<'static, str>) -> &'static str {
    match name {
        Cow::Borrowed(name) => name,
        Cow::Owned(_) => "-",
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

/// How the name matched; an expired certificate that had to serve is told apart, since each such use should be known.
fn label_of(choice: &Choice) -> &'static str {
    match (choice.tier, choice.valid) {
        (Tier::Exact, true) => "exact",
        (Tier::Wildcard, true) => "wildcard",
        (Tier::Address, true) => "address",
        (Tier::Default, true) => "default",
        (Tier::Exact, false) => "exact_invalid",
        (Tier::Wildcard, false) => "wildcard_invalid",
        (Tier::Address, false) => "address_invalid",
        (Tier::Default, false) => "default_invalid",
    }
}

/// Whole microseconds: more digits would be noise.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
