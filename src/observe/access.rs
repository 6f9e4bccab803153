//! The access log: one record for each connection, written by a thread of its own so that a slow or full log never
//! holds up a connection. Must not know: how connections work.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::net::address::Address;
use crate::observe::outcome::Outcome;

mod format;
mod target;

pub use format::preference_list;
pub use target::Target;

use target::Out;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, with OpenTelemetry's names where they exist.
    Json,
    /// For people.
    Text,
    /// The fields of an AWS Network Load Balancer's access log.
    Nlb,
}

/// Names a connection, and is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId {
    /// Tells one run of the process from another.
    pub run: u32,
    pub number: u64,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.run, self.number)
    }
}

/// Everything the log tells of a connection. What does not apply is left out of the JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    #[serde(rename = "connection.id", serialize_with = "display")]
    pub connection_id: ConnectionId,
    pub listener: Arc<str>,
    /// The client, as far as it is known: behind a proxy, whom the proxy has named.
    #[serde(flatten, serialize_with = "client")]
    pub client: Address,
    /// The other end of the connection.
    #[serde(rename = "network.peer.address", serialize_with = "host")]
    pub peer: Address,
    /// The server name; `-` where none was given.
    #[serde(rename = "server.address")]
    pub server_name: Box<str>,
    /// The route that took it; `default` for the listener's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// `terminate`, `passthrough` or `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// The application protocols that the client offers, the preferred one first, as the AWS load balancers write them.
    #[serde(rename = "tls.client.alpn", skip_serializing_if = "Option::is_none")]
    pub client_protocols: Option<Box<str>>,
    #[serde(flatten)]
    pub tls: Option<Tls>,
    #[serde(flatten)]
    pub certificate: Option<Box<Served>>,
    #[serde(flatten)]
    pub client_certificate: Option<Box<ClientCertificate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<Arc<str>>,
    #[serde(rename = "backend.address", skip_serializing_if = "Option::is_none", serialize_with = "whole")]
    pub backend_address: Option<Address>,
    /// Seconds to connect to the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_time: Option<f64>,
    /// Seconds from the ClientHello to the end of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_handshake_time: Option<f64>,
    /// Seconds from accept to end.
    pub connection_time: f64,
    /// Application bytes from the client.
    pub received_bytes: u64,
    /// Application bytes to the client.
    pub sent_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incoming_tls_alert: Option<Box<str>>,
    /// The same as the number that stands on the wire.
    #[serde(skip)]
    pub incoming_tls_alert_code: Option<u8>,
    pub outcome: Outcome,
    /// Why, in words, where the outcome alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Serialize)]
pub struct Tls {
    #[serde(rename = "tls.protocol.version")]
    pub version: &'static str,
    #[serde(rename = "tls.cipher")]
    pub cipher: &'static str,
    /// The same as OpenSSL calls it, for AWS's format and for PROXY headers.
    #[serde(skip)]
    pub openssl_cipher: &'static str,
    #[serde(rename = "tls.curve", skip_serializing_if = "Option::is_none")]
    pub group: Option<Cow<'static, str>>,
    #[serde(rename = "tls.resumed")]
    pub resumed: bool,
    /// The application protocol.
    #[serde(rename = "tls.next_protocol", skip_serializing_if = "Option::is_none")]
    pub next_protocol: Option<Box<str>>,
}

/// The certificate that the client showed.
#[derive(Debug, Clone, Serialize)]
pub struct ClientCertificate {
    /// As RFC 4514 writes it.
    #[serde(rename = "tls.client.subject")]
    pub subject: String,
    /// Whether it is one of those that are let in.
    #[serde(rename = "tls.client.verified")]
    pub verified: bool,
}

/// The certificate that was chosen.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    #[serde(rename = "tls.signature_scheme")]
    pub signature_scheme: Cow<'static, str>,
    /// Upper-case hex of the leaf's SHA-256.
    #[serde(rename = "tls.server.hash.sha256")]
    pub sha256: String,
    pub chosen_cert: String,
    pub chosen_cert_serial: String,
}

enum Message {
    Record(Box<Record>),
    /// The file was moved away: go on with a new one.
    Reopen,
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    queue: Option<SyncSender<Message>>,
    dropped: Arc<AtomicU64>,
}

/// Counts the records that were lost.
#[derive(Debug, Clone)]
pub struct Lost(Arc<AtomicU64>);

impl Lost {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The writing end: its thread ends when the last [`AccessLog`] is gone.
#[derive(Debug)]
pub struct Writer(Option<thread::JoinHandle<()>>);

impl AccessLog {
    /// Opens the target and starts the writer.
    pub fn open(target: &Target, format: Format) -> io::Result<(Self, Writer)> {
        if *target == Target::Off {
            return Ok((Self { queue: None, dropped: Arc::default() }, Writer(None)));
        }
        let out = target.open()?;
        let (queue, messages) = sync_channel(QUEUED);
        let dropped = Arc::new(AtomicU64::new(0));
        let (lost, target) = (Arc::clone(&dropped), target.clone());
        let write = move || write_all(&messages, out, &target, format, &lost);
        let thread = thread::Builder::new().name("access-log".into()).spawn(write)?;
        Ok((Self { queue: Some(queue), dropped }, Writer(Some(thread))))
    }

    /// Whether records go anywhere.
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Hands a record over; never waits. If the writer cannot keep up the record is dropped and counted.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                queue.try_send(Message::Record(Box::new(record)))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Goes on in a new file of the same name, after what is queued is written to the old one; for those who rotate logs.
    pub fn reopen(&self) {
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Reopen).is_err()
        {
            tracing::warn!("the access log is too busy to be reopened, try again");
        }
    }

    /// How many records were lost so far, for who does not write any.
    pub fn lost(&self) -> Lost {
        Lost(Arc::clone(&self.dropped))
    }
}

impl Writer {
    /// Waits, for `patience` at most, until what was queued is written; every [`AccessLog`] must be gone.
    pub fn finish(self, patience: std::time::Duration) {
        let Some(thread) = self.0 else { return };
        let deadline = std::time::Instant::now() + patience;
        while !thread.is_finished() && std::time::Instant::now() < deadline {
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn write_all(messages: &Receiver<Message>, out: Out, target: &Target, format: Format, lost: &AtomicU64) {
    let mut out = buffered(out);
    while let Ok(first) = messages.recv() {
        // Whole batches in one write; a line is never left waiting for the next one.
        for message in std::iter::once(first).chain(messages.try_iter().take(QUEUED)) {
            match message {
                Message::Record(record) if out.write_all(format::line(&record, format).as_bytes()).is_ok() => {}
                Message::Record(_) => drop(lost.fetch_add(1, Ordering::Relaxed)),
                Message::Reopen => {
                    flush(&mut out, lost);
                    match target.open() {
                        Ok(fresh) => out = buffered(fresh),
                        Err(error) => {
                            tracing::error!(%error, "the access log cannot be reopened, it goes on as it was")
                        }
                    }
                }
            }
        }
        flush(&mut out, lost);
    }
}

fn buffered(out: Out) -> BufWriter<Box<dyn Write + Send>> {
    BufWriter::with_capacity(if out.buffered { BUFFER } else { 0 }, out.writer)
}

fn flush(out: &mut BufWriter<Box<dyn Write + Send>>, lost: &AtomicU64) {
    if out.flush().is_err() {
        // A BufWriter would try the same bytes again and again; they are given up.
        lost.fetch_add(1, Ordering::Relaxed);
        let sink: Box<dyn Write + Send> = Box::new(io::sink());
        let broken = std::mem::replace(out, BufWriter::new(sink));
        *out = BufWriter::with_capacity(broken.capacity(), broken.into_parts().0);
    }
}

fn client<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Client {
        #[serde(rename = "client.address")]
        address: String,
        #[serde(rename = "client.port", skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    }
    Client { address: address.host(), port: address.port() }.serialize(serializer)
}

fn host<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&address.host())
}

fn whole<S: Serializer>(address: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&address.as_ref().map(ToString::to_string).unwrap_or_default())
}

fn display<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

/// About 4 MB of records.
const QUEUED: usize = 8192;

/// Bytes that are written at once.
const BUFFER: usize = 8 << 10;
