//! The life of one connection, top to bottom: PROXY header, where one is due → ClientHello → route → terms and
//! certificate → handshake → backend → relay (or, passed through: backend → relay) → one access-log record.
//! Must not know: listeners' sockets, configuration.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::AlertDescription;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use crate::backend::connect::{Client, Connected, Failure, connect};
use crate::backend::failure::FailureKind;
use crate::backend::pool::{NoServer, OnDown, Pool};
use crate::limit::admission::Admission;
use crate::net::address::Address;
use crate::net::close::{self, Unfinished};
use crate::net::proxy_protocol::{Header, Version};
use crate::net::stream::Stream;
use crate::observe::access::{self, AccessLog, ClientCertificate, Record, Served, Tls};
use crate::observe::metrics::{Agreed, Metrics, Traffic};
use crate::observe::outcome::Outcome;
use crate::proxy::admission::Admitted;
use crate::proxy::preface::preface;
use crate::proxy::proxied::{self, NoHeader};
use crate::relay::peer::Peer;
use crate::relay::{self, End};
use crate::snapshot::Listener;
use crate::snapshot::route::{Chosen, Route, Termination, Way};
use crate::starttls;
use crate::tls::alert;
use crate::tls::client_auth::{Fault, Identity};
use crate::tls::handshake::{HandshakeError, Refusal, Terminated};
use crate::tls::hello::{Hello, HelloError, HelloReader};
use crate::tls::policy;
use crate::tls::route::{self, Mode};
use crate::tls::select::{Choice, Tier};

/// Serves an accepted connection to its end, whatever that is.
pub async fn serve(client: Stream, listener: Arc<Listener>, entry: Entry, admitted: Admitted) {
    let (mut entry, mut admitted) = (entry, admitted);
    let outcome = live(client, &listener, &mut entry, &mut admitted).await;
    if let Some(address) = entry.record.client.ip().filter(|_| outcome.is_failed_handshake()) {
        listener.admission.failed(address);
    }
    entry.record.outcome = outcome;
}

async fn live(mut client: Stream, listener: &Listener, entry: &mut Entry, admitted: &mut Admitted) -> Outcome {
    let deadline = Instant::now() + listener.handshake_timeout;

    let mut reader = HelloReader::default();
    if listener.trusted_proxies.is_some() {
        let read = tokio::select! {
            read = timeout_at(deadline, Box::pin(proxied::read(&mut client))) => read,
            () = admitted.called() => return Outcome::HelloPreempted,
        };
        let header = match read {
            Ok(Ok((header, rest))) => {
                reader.raw.extend_from_slice(&rest);
                header
            }
            Ok(Err(failure)) => return entry.no_header(failure, &listener.admission),
            Err(_) => return Outcome::ProxyHeaderTimeout,
        };
        entry.believe(header);
        if let Err(outcome) = admitted.client(listener, &entry.record.client) {
            entry.refused(outcome, &listener.admission);
            return outcome;
        }
    }

    if let Some(protocol) = listener.starttls {
        let early = std::mem::take(&mut reader.raw);
        let begun = tokio::select! {
            begun = timeout_at(deadline, Box::pin(starttls::begin(protocol, &mut client, early))) => begun,
            () = admitted.called() => return Outcome::HelloPreempted,
        };
        reader.raw = match begun {
            Ok(Ok(early)) => early,
            Ok(Err(end)) => return entry.no_starttls(&mut client, end).await,
            Err(_) => return Outcome::StarttlsTimeout,
        };
    }
    let read = tokio::select! {
        read = timeout_at(deadline, Box::pin(read_hello(&mut client, &mut reader))) => read,
        () = admitted.called() => return Outcome::HelloPreempted,
    };
    admitted.heard();
    let hello = match read {
        Ok(Ok(hello)) => hello,
        Ok(Err(failure)) => {
            return match (&failure, listener.ways.not_tls()) {
                (NoHello::Bad(HelloError::NotTls), Some(Route { name, way: Way::Passthrough(pool) })) => {
                    entry.routed(name, Mode::Passthrough);
                    pass_through(client, reader.raw, pool, listener.idle_timeout, entry).await
                }
                _ => entry.no_hello(&mut client, failure).await,
            };
        }
        Err(_) => return Outcome::HelloTimeout,
    };
    entry.greeted(&hello);

    let route = match listener.ways.choose(&hello) {
        Chosen::Route(route) => route,
        Chosen::Challenge => {
            entry.record.reason = Some("a challenge of a certificate authority (acme-tls/1)".into());
            close::with_last_words(&mut client, &alert::plaintext(AlertDescription::NoApplicationProtocol)).await;
            return Outcome::NoCommonProtocol;
        }
    };
    entry.routed(&route.name, route.way.mode());
    match &route.way {
        Way::Terminate(termination) => terminate(client, listener, termination, hello, deadline, entry).await,
        Way::Passthrough(pool) => pass_through(client, hello.raw, pool, listener.idle_timeout, entry).await,
        Way::Reject => {
            close::with_last_words(&mut client, &alert::plaintext(AlertDescription::UnrecognisedName)).await;
            match std::ptr::eq(route, listener.ways.default()) {
                true => Outcome::NoRoute,
                false => Outcome::RouteRejected,
            }
        }
    }
}

async fn terminate(
    mut client: Stream,
    listener: &Listener,
    termination: &Termination,
    hello: Hello,
    deadline: Instant,
    entry: &mut Entry,
) -> Outcome {
    let terminator = &termination.terminator;
    if let Some(error) = hello.unacceptable {
        return entry.no_hello(&mut client, NoHello::Bad(error)).await;
    }
    let began = Instant::now();
    let choice = match terminator.choose(&hello, Timestamp::now().as_second(), &mut ()) {
        Ok(choice) => choice,
        Err(refusal) => {
            close::with_last_words(&mut client, &alert::plaintext(refusal.alert())).await;
            return outcome_of(refusal);
        }
    };
    entry.record.certificate = Some(served(&choice));
    entry.metrics.selection(&listener.name, &choice.certificate.label, label_of(&choice));
    let terminated = match timeout_at(deadline, Box::pin(terminator.accept(&mut client, hello, choice))).await {
        Ok(Ok(terminated)) => terminated,
        Ok(Err(error)) => return entry.no_handshake(&mut client, error).await,
        Err(_) => return Outcome::HandshakeTimeout,
    };
    entry.record.tls = Some(agreed(&terminated));
    entry.showed(terminated.client.as_ref(), true);
    entry.record.tls_handshake_time = Some(seconds(began.elapsed()));
    entry.handshake(began.elapsed());

    let pool = &termination.backend;
    let preface = entry.preface(pool.settings.proxy_protocol, &client, Some(&terminated));
    let alpn = terminated.finished.negotiated.alpn.as_deref();
    let about = Client { address: entry.record.client.ip(), preface: &preface, alpn };
    let connected = match Box::pin(reach(pool, about, entry)).await {
        Ok(connected) => connected,
        Err(outcome) => {
            // Without close_notify: the client must not take this for an answer that is empty.
            close::with_last_words(&mut client, &[]).await;
            return outcome;
        }
    };
    let Terminated { finished, tickets, .. } = terminated;
    let relay = relay::terminated::relay(
        Peer::tls(&client, finished, tickets),
        match connected.session {
            Some(session) => Peer::tls(connected.stream.as_ref(), session, Vec::new()),
            None => Peer::plain(connected.stream.as_ref()),
        },
        listener.idle_timeout,
        &mut entry.traffic,
    );
    let end = match pool.settings.on_down {
        OnDown::Keep => relay.await,
        OnDown::Close => tokio::select! {
            end = relay => end,
            // As they are dropped the server's side is reset, and the client's ends without close_notify.
            () = connected.lease.down() => return Outcome::BackendDown,
        },
    };
    if matches!(end, End::BackendAlert(_)) && entry.traffic.sent() == 0 {
        // In TLS 1.3 a server that wants another certificate, or any, says so when the client thinks that all is done.
        let refused =
            Failure { address: connected.address.clone(), kind: FailureKind::TlsAlert, reason: String::new() };
        entry.connect_failures(pool.name(), &[refused]);
    }
    let outcome = entry.ended(&end);
    relay::close_both(&end, client, connected.stream).await;
    drop(connected.lease);
    outcome
}

/// Hands on what came so far, and then everything, as it is.
async fn pass_through(
    mut client: Stream,
    first: Vec<u8>,
    pool: &Pool,
    idle_timeout: Duration,
    entry: &mut Entry,
) -> Outcome {
    let preface = entry.preface(pool.settings.proxy_protocol, &client, None);
    let about = Client { address: entry.record.client.ip(), preface: &preface, alpn: None };
    let connected = match reach(pool, about, entry).await {
        Ok(connected) => connected,
        Err(outcome) => {
            close::with_last_words(&mut client, &[]).await;
            return outcome;
        }
    };
    let (client, backend) = (Unfinished::new(client), connected.stream);
    let relay = relay::passthrough::relay(client.as_ref(), backend.as_ref(), first, idle_timeout, &mut entry.traffic);
    let end = match pool.settings.on_down {
        OnDown::Keep => relay.await,
        OnDown::Close => tokio::select! {
            end = relay => end,
            // As they are dropped both sides are reset.
            () = connected.lease.down() => return Outcome::BackendDown,
        },
    };
    let outcome = entry.ended(&end);
    relay::passthrough::close_both(&end, client, backend).await;
    drop(connected.lease);
    outcome
}

/// Connects to a server of the backend, and tells the log how that went.
async fn reach(pool: &Pool, client: Client<'_>, entry: &mut Entry) -> Result<Connected, Outcome> {
    entry.record.backend = Some(Arc::clone(pool.name()));
    let began = Instant::now();
    let mut failures = Vec::new();
    let connected = connect(pool, client, &mut failures).await;
    entry.connect_failures(pool.name(), &failures);
    let connected = connected.map_err(|reason| entry.no_server(reason, failures))?;
    entry.record.backend_address = Some(connected.address.clone());
    entry.record.connect_time = Some(seconds(began.elapsed()));
    entry.metrics.connected(pool.name(), began.elapsed());
    Ok(connected)
}

/// Why there is no hello.
enum NoHello {
    Closed,
    Io(std::io::Error),
    Bad(HelloError),
}

/// The reader may have something already.
async fn read_hello(client: &mut Stream, reader: &mut HelloReader) -> Result<Hello, NoHello> {
    if !reader.raw.is_empty()
        && let Some(hello) = reader.advance().map_err(NoHello::Bad)?
    {
        return Ok(hello);
    }
    loop {
        match client.read_buf(&mut reader.raw).await {
            Ok(0) => return Err(NoHello::Closed),
            Ok(_) => {}
            Err(error) => return Err(NoHello::Io(error)),
        }
        if let Some(hello) = reader.advance().map_err(NoHello::Bad)? {
            return Ok(hello);
        }
    }
}

/// The record of a connection. It is written when this is dropped, so that a connection that is cut, or that panics, is
/// logged as well.
pub struct Entry {
    record: Record,
    traffic: Traffic,
    accepted: Instant,
    log: AccessLog,
    metrics: Arc<Metrics>,
    unwritten: bool,
    /// Where the client connected to, as a proxy says, or where the connection itself does not know.
    destination: Option<Address>,
}

impl Entry {
    pub fn new(id: String, listener: Arc<str>, peer: Address, log: AccessLog, metrics: Arc<Metrics>) -> Self {
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

    fn greeted(&mut self, hello: &Hello) {
        if let Some(name) = &hello.server_name {
            self.record.server_name.clone_from(name);
        }
        self.record.client_protocols = access::preference_list(&hello.protocols);
    }

    fn routed(&mut self, route: &Arc<str>, mode: Mode) {
        self.record.route = Some(Arc::clone(route));
        self.record.mode = Some(mode.name());
    }

    fn connect_failures(&self, backend: &str, failures: &[Failure]) {
        for failure in failures {
            self.metrics.connect_failure(backend, &failure.address.to_string(), failure.kind.label());
        }
    }

    fn no_server(&mut self, reason: NoServer, failures: Vec<Failure>) -> Outcome {
        let said = failures.iter().map(|failure| format!("{}: {}", failure.address, failure.reason));
        let said = said.collect::<Vec<_>>().join("; ");
        self.record.reason = Some(if said.is_empty() { reason.to_string() } else { said });
        match reason {
            NoServer::Full => Outcome::BackendFull,
            NoServer::Unknown | NoServer::Tried | NoServer::Down => Outcome::BackendUnreachable,
        }
    }

    fn handshake(&self, took: Duration) {
        let Some(tls) = &self.record.tls else { return };
        let agreed = Agreed {
            version: &tls.version,
            cipher: &tls.cipher,
            group: tls.group.as_deref().unwrap_or("-"),
            resumed: tls.resumed,
        };
        self.metrics.handshake(&self.record.listener, agreed, took);
    }

    /// Where the client connected to, where the connection itself does not know.
    pub fn came_to(&mut self, destination: Address) {
        self.destination = Some(destination);
    }

    /// Ends it before it began.
    pub fn refuse(mut self, outcome: Outcome, admission: &Admission) {
        self.refused(outcome, admission);
    }

    /// It is counted; in a flood of refusals it is not written down.
    fn refused(&mut self, outcome: Outcome, admission: &Admission) {
        self.metrics.rejected(&self.record.listener, outcome);
        self.record.outcome = outcome;
        self.unwritten = !admission.tells();
        if self.unwritten && admission.warns() {
            let listener = &self.record.listener;
            tracing::warn!(%listener, "more connections are refused than the access log tells of; the metrics count them");
        }
    }

    async fn no_starttls(&mut self, client: &mut Stream, end: starttls::End) -> Outcome {
        self.record.reason = Some(end.why.to_string());
        if !end.say.is_empty() {
            close::with_last_words(client, &end.say).await;
        }
        match end.why {
            starttls::Refusal::Closed | starttls::Refusal::Io(_) => Outcome::StarttlsClosed,
            starttls::Refusal::InTheClear(_) => Outcome::StarttlsRefused,
            starttls::Refusal::Pipelined => Outcome::StarttlsPipelined,
            starttls::Refusal::Invalid(_) => Outcome::StarttlsInvalid,
        }
    }

    /// From here on the client is whom the proxy has named, if it has named one.
    fn believe(&mut self, header: Header) {
        if let Some((client, destination)) = header.addresses {
            self.record.client = client;
            self.destination = Some(destination);
        }
    }

    /// What the backend is told before the client's first byte.
    fn preface(&self, version: Version, client: &Stream, terminated: Option<&Terminated>) -> Vec<u8> {
        let destination = self.destination.clone().unwrap_or_else(|| client.local_address());
        preface(version, &self.record, &destination, terminated)
    }

    fn no_header(&mut self, failure: NoHeader, admission: &Admission) -> Outcome {
        match failure {
            NoHeader::Closed => Outcome::ProxyHeaderClosed,
            NoHeader::Io(error) => {
                self.record.reason = Some(error.to_string());
                Outcome::ProxyHeaderClosed
            }
            NoHeader::Bad(error) => {
                self.record.reason = Some(error.to_string());
                self.refused(Outcome::ProxyHeaderInvalid, admission);
                Outcome::ProxyHeaderInvalid
            }
        }
    }

    async fn no_hello(&mut self, client: &mut Stream, failure: NoHello) -> Outcome {
        match failure {
            NoHello::Closed => Outcome::HelloClosed,
            NoHello::Io(error) => {
                self.record.reason = Some(error.to_string());
                Outcome::HelloClosed
            }
            NoHello::Bad(error) => {
                self.record.reason = Some(error.to_string());
                close::with_last_words(client, &error.alert()).await;
                match error {
                    HelloError::NotTls => Outcome::NotTls,
                    HelloError::TooOld => Outcome::NoCommonVersion,
                    HelloError::TooLarge | HelloError::Invalid { .. } => Outcome::HelloInvalid,
                }
            }
        }
    }

    async fn no_handshake(&mut self, client: &mut Stream, error: HandshakeError) -> Outcome {
        self.record.reason = Some(error.to_string());
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

    fn showed(&mut self, client: Option<&Identity>, verified: bool) {
        let subject = client.map(|client| client.subject.clone());
        self.record.client_certificate = subject.map(|subject| ClientCertificate { subject, verified });
    }

    fn received(&mut self, alert: AlertDescription) {
        self.record.incoming_tls_alert = Some(alert::name(alert));
        self.record.incoming_tls_alert_code = Some(alert.into());
    }

    fn ended(&mut self, end: &End) -> Outcome {
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
                self.record.reason = Some(reason.clone());
                Outcome::ClientBadRecord
            }
            End::BackendReset => Outcome::BackendReset,
            End::BackendTruncated => Outcome::BackendTruncated,
            End::BackendAlert(received) => {
                self.record.reason = Some(format!("the backend sent {}", alert::name(*received)));
                Outcome::BackendAlert
            }
            End::BackendBadRecord { reason, .. } => {
                self.record.reason = Some(reason.clone());
                Outcome::BackendBadRecord
            }
            End::KeysExhausted(reason) => {
                self.record.reason = Some(reason.clone());
                Outcome::KeysExhausted
            }
            End::IdleTimeout => Outcome::IdleTimeout,
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
        if !self.unwritten {
            self.log.write(self.record.clone());
        }
    }
}

fn outcome_of(refusal: Refusal) -> Outcome {
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

fn agreed(terminated: &Terminated) -> Tls {
    let negotiated = &terminated.finished.negotiated;
    Tls {
        version: policy::version_name(negotiated.version),
        cipher: policy::suite_name(negotiated.suite),
        group: negotiated.group.map(policy::group_name),
        resumed: negotiated.resumed,
        next_protocol: negotiated.alpn.as_deref().map(route::shown),
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
        (Tier::Default, true) => "default",
        (Tier::Exact, false) => "exact_invalid",
        (Tier::Wildcard, false) => "wildcard_invalid",
        (Tier::Default, false) => "default_invalid",
    }
}

/// Whole microseconds: more digits would be noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
