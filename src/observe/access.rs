//! The access log: one record for each connection, written by a thread of its own so that a slow or full log never
//! holds up a connection. Must not know: how connections work.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::observe::outcome::Outcome;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    Stderr,
    Off,
    File(PathBuf),
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, with OpenTelemetry's names where they exist.
    Json,
    /// For people.
    Text,
}

/// Everything the log tells of a connection. What does not apply is left out of the JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    #[serde(rename = "connection.id")]
    pub connection_id: String,
    pub listener: Arc<str>,
    #[serde(rename = "client.address")]
    pub client_address: IpAddr,
    #[serde(rename = "client.port")]
    pub client_port: u16,
    #[serde(rename = "network.peer.address")]
    pub peer_address: IpAddr,
    /// The server name; `-` where none was given.
    #[serde(rename = "server.address")]
    pub server_name: String,
    #[serde(flatten)]
    pub tls: Option<Tls>,
    #[serde(flatten)]
    pub certificate: Option<Served>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<Arc<str>>,
    #[serde(rename = "backend.address", skip_serializing_if = "Option::is_none")]
    pub backend_address: Option<SocketAddr>,
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
    pub incoming_tls_alert: Option<String>,
    pub outcome: Outcome,
    /// Why, in words, where the outcome alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Serialize)]
pub struct Tls {
    #[serde(rename = "tls.protocol.version")]
    pub version: String,
    #[serde(rename = "tls.cipher")]
    pub cipher: String,
    #[serde(rename = "tls.curve", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(rename = "tls.resumed")]
    pub resumed: bool,
}

/// The certificate that was chosen.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    #[serde(rename = "tls.signature_scheme")]
    pub signature_scheme: String,
    /// Upper-case hex of the leaf's SHA-256.
    #[serde(rename = "tls.server.hash.sha256")]
    pub sha256: String,
    pub chosen_cert: String,
    pub chosen_cert_serial: String,
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    queue: Option<SyncSender<Record>>,
    dropped: Arc<AtomicU64>,
}

/// The writing end: its thread ends when the last [`AccessLog`] is gone.
#[derive(Debug)]
pub struct Writer(Option<thread::JoinHandle<()>>);

impl AccessLog {
    /// Opens the target and starts the writer.
    pub fn open(target: &Target, format: Format) -> io::Result<(Self, Writer)> {
        let out: Box<dyn Write + Send> = match target {
            Target::Off => return Ok((Self { queue: None, dropped: Arc::default() }, Writer(None))),
            Target::Stdout => Box::new(io::stdout()),
            Target::Stderr => Box::new(io::stderr()),
            Target::File(path) => Box::new(append_to(path)?),
        };
        let (queue, records) = sync_channel(QUEUED);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let thread =
            thread::Builder::new().name("access-log".into()).spawn(move || write_all(&records, out, format, &lost))?;
        Ok((Self { queue: Some(queue), dropped }, Writer(Some(thread))))
    }

    /// Hands a record over; never waits. If the writer cannot keep up the record is dropped and counted.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(record)
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records were lost so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
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

fn append_to(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_all(records: &Receiver<Record>, out: Box<dyn Write + Send>, format: Format, dropped: &AtomicU64) {
    let mut out = BufWriter::new(out);
    while let Ok(first) = records.recv() {
        // Whole batches in one write; a line is never left waiting for the next one.
        for record in std::iter::once(first).chain(records.try_iter().take(QUEUED)) {
            if out.write_all(line(&record, format).as_bytes()).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        if out.flush().is_err() {
            // A BufWriter would try the same bytes again and again; they are given up.
            dropped.fetch_add(1, Ordering::Relaxed);
            let (inner, _) = out.into_parts();
            out = BufWriter::new(inner);
        }
    }
}

fn line(record: &Record, format: Format) -> String {
    match format {
        // A record is made of strings and numbers, which JSON always has a form for.
        Format::Json => serde_json::to_string(record).unwrap_or_default() + "\n",
        Format::Text => text(record),
    }
}

fn text(record: &Record) -> String {
    let or_dash = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let tls = record.tls.as_ref();
    let served = record.certificate.as_ref();
    let mut line = format!(
        "{time:.3} {listener} {client} name={name} {version} {cipher} {group} {scheme} cert={cert} -> {backend} \
         in={received} out={sent} {seconds:.3}s {outcome}",
        time = record.time,
        listener = record.listener,
        client = SocketAddr::new(record.client_address, record.client_port),
        name = record.server_name,
        version = or_dash(tls.map(|tls| tls.version.as_str())),
        cipher = or_dash(tls.map(|tls| tls.cipher.as_str())),
        group = or_dash(tls.and_then(|tls| tls.group.as_deref())),
        scheme = or_dash(served.map(|served| served.signature_scheme.as_str())),
        cert = or_dash(served.map(|served| served.chosen_cert.as_str())),
        backend = record.backend_address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        received = record.received_bytes,
        sent = record.sent_bytes,
        seconds = record.connection_time,
        outcome = record.outcome,
    );
    if let Some(alert) = &record.incoming_tls_alert {
        line += &format!(" alert={alert}");
    }
    if let Some(reason) = &record.reason {
        line += &format!(" ({reason})");
    }
    line.push('\n');
    line
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

/// About 4 MB of records.
const QUEUED: usize = 8192;
