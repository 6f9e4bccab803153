//! What the access log reports about one connection. Must not know: how a line is written, how connections work.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::ja4::Ja4;
use crate::labels::Labels;
use crate::net::address::Address;
use crate::observe::outcome::Outcome;

/// Identifies a connection. No other connection gets the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId {
    /// Identifies the run of the process.
    pub run: u32,
    /// The number of the connection in this run, from 1.
    pub number: u64,
}

impl ConnectionId {
    /// Reads an id as it is shown: the run and the number in hex, at least 8 digits each.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, number) = text.split_once('-')?;
        let hex = |text: &str| text.len() >= 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let (run, number) = Some((run, number)).filter(|_| hex(run) && hex(number))?;
        Some(Self { run: u32::from_str_radix(run, 16).ok()?, number: u64::from_str_radix(number, 16).ok()? })
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.run, self.number)
    }
}

/// Everything that the log reports about a connection. Fields that do not apply are left out of the JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// When the connection was accepted.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    #[serde(rename = "connection.id", serialize_with = "display")]
    pub connection_id: ConnectionId,
    pub listener: Arc<str>,
    /// The client; behind a proxy, the one that the proxy has named.
    #[serde(flatten, serialize_with = "client")]
    pub client: Address,
    /// The JA4 of the ClientHello, where it was computed.
    #[serde(rename = "client.ja4", skip_serializing_if = "Option::is_none")]
    // Boxed, as below: every open connection has a record, whose size matters.
    pub ja4: Option<Box<Ja4>>,
    /// The other end of the connection.
    #[serde(rename = "network.peer.address", serialize_with = "host")]
    pub peer: Address,
    /// The server name; `-` if the client sent none.
    #[serde(rename = "server.address")]
    pub server_name: Box<str>,
    /// The route that took the connection; `default` for the listener itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
    /// `terminate`, `passthrough` or `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Those of the listener; once the route is known, those of the route and of its backend over them.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The application protocols that the client offers, in its order of preference, as the AWS load balancers write
    /// them.
    #[serde(rename = "tls.client.alpn", skip_serializing_if = "Option::is_none")]
    pub client_protocols: Option<Box<str>>,
    #[serde(flatten)]
    pub tls: Option<Tls>,
    // Boxed, like the texts: every open connection has a record, and not every record has these.
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
    /// What is known when the connection has ended; `None` until then.
    // Boxed: every open connection has a record.
    #[serde(flatten)]
    pub end: Option<Box<End>>,
}

/// How a connection ended.
#[derive(Debug, Clone, Serialize)]
pub struct End {
    /// Seconds from accept to end.
    pub connection_time: f64,
    /// Application bytes from the client.
    pub received_bytes: u64,
    /// Application bytes to the client.
    pub sent_bytes: u64,
    /// The name of the alert that the client sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incoming_tls_alert: Option<Box<str>>,
    /// The same as its code (RFC 8446 section 6).
    // Not in the JSON: only AWS's format has the number.
    #[serde(skip)]
    pub incoming_tls_alert_code: Option<u8>,
    pub outcome: Outcome,
    /// The reason as a text, where the outcome alone is not the whole reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl End {
    /// Of a connection that the process drops when it stops: every other end sets an outcome of its own.
    pub const DROPPED: Self = Self {
        connection_time: 0.0,
        received_bytes: 0,
        sent_bytes: 0,
        incoming_tls_alert: None,
        incoming_tls_alert_code: None,
        outcome: Outcome::Shutdown,
        reason: None,
    };
}

impl Record {
    /// How the connection ended, to be filled in.
    pub fn end_mut(&mut self) -> &mut End {
        self.end.get_or_insert_with(|| Box::new(End::DROPPED))
    }

    /// How the connection ended.
    pub fn end(&self) -> &End {
        self.end.as_deref().unwrap_or(&End::DROPPED)
    }
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Serialize)]
pub struct Tls {
    #[serde(rename = "tls.protocol.version")]
    pub version: &'static str,
    #[serde(rename = "tls.cipher")]
    pub cipher: &'static str,
    /// OpenSSL's name of the cipher suite, for AWS's format and for PROXY headers.
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

/// The certificate that the client sent.
#[derive(Debug, Clone, Serialize)]
pub struct ClientCertificate {
    /// Its subject in the form of RFC 4514.
    #[serde(rename = "tls.client.subject")]
    pub subject: String,
    /// Whether it was accepted.
    #[serde(rename = "tls.client.verified")]
    pub verified: bool,
    /// SHA-256 of its SubjectPublicKeyInfo.
    // Not in the log: it is for whoever lists open connections.
    #[serde(skip)]
    pub key_sha256: [u8; 32],
}

/// The certificate that was chosen for the client.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    #[serde(rename = "tls.signature_scheme")]
    pub signature_scheme: Cow<'static, str>,
    /// The SHA-256 fingerprint of the server's own certificate, in upper-case hex.
    #[serde(rename = "tls.server.hash.sha256")]
    pub sha256: String,
    /// The label of the certificate, as in the configuration.
    pub chosen_cert: String,
    /// Its serial number.
    pub chosen_cert_serial: String,
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
