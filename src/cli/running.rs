//! Reaches a running tlsgate over its admin API, for the verbs that show or change it. Must not know: what is asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::request::token;
use crate::causes;
use crate::cli::load::{load, reading};
use crate::config::located::{ConfigError, Located, Position, Text};
use crate::config::validate::admin::Admin;
use crate::gate::{Gate, Pace};
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::net::stream::Stream;
use crate::tls::certificate::inspect::Facts;
use crate::tls::handshake::connect::{ConnectError, Connector};
use crate::tls::record::handshaking::Finished;
use crate::tls::stream::TlsStream;

mod place;
mod trust;

use place::Place;
use trust::{Connectors, Named};

/// How to reach the running tlsgate.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The address of its admin server: unix:/path, or a URL of http or https with a host and a port.
    #[arg(long, value_name = "ADDRESS", value_parser = Place::parse, required_unless_present = "config")]
    admin: Option<Place>,
    /// Its configuration file, which contains that address.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file with the token; by default the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// With https, a file with the certificates, in PEM, that are trusted: of CAs, or the server's own. By default those
    /// that the configuration names for the admin server, or without one those that this system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// With https, the certificate that is presented to the server.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The file with its key; by default the key is in the same file.
    // Not "key": "acme renew" has that for the kind of key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Sent as JSON.
    pub(super) body: Option<Value>,
}

/// An answer of the admin server.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// What the admin server is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Manage,
    /// A health check, which needs neither the token nor the admin server's own address.
    Probe,
}

/// The admin server's address, how TLS to it is made, and the token that it requires.
struct Door {
    place: Place,
    tls: Option<Connectors>,
    token: Option<token::Token>,
}

/// Sends the request and waits for the answer. An error is the reason why there is none.
pub(super) fn ask(target: Target, asked: &Asked<'_>) -> Result<Answered, String> {
    wait_for(door(target, Purpose::Manage)?, asked, ANSWER)
}

/// Asks for the path of a health check, at the door for probes if the configuration has one.
pub(super) fn health(target: Target, path: &str) -> Result<Answered, String> {
    wait_for(door(target, Purpose::Probe)?, &Asked { method: Method::GET, path, body: None }, HEALTH)
}

/// `patience` is for the answer, once there is a connection.
fn wait_for(door: Door, asked: &Asked<'_>, patience: Duration) -> Result<Answered, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(reach(door, asked, patience))
}

impl Answered {
    /// The message of an error.
    pub(super) fn error(&self) -> String {
        self.body["error"].as_str().map_or_else(|| self.status.to_string(), str::to_owned)
    }
}

/// The address that a configuration names.
fn bound(listen: &Located<Endpoint>, tls: bool) -> Result<Place, String> {
    let address = listen.value.address().ok_or_else(|| {
        format!("{}: {} has no address, which only systemd knows; name it with --admin", listen.path, listen.value)
    });
    address.map(|address| Place::of(address, tls))
}

/// Where to send the request. Arguments take precedence over the configuration.
fn door(target: Target, purpose: Purpose) -> Result<Door, String> {
    let admin = target.config.as_deref().map(configured).transpose()?;
    let listen = admin.as_ref().and_then(|admin| admin.listen.as_ref());
    let with_tls = admin.as_ref().is_some_and(|admin| admin.tls.is_some());
    let probes = admin.as_ref().and_then(|admin| admin.probes.as_ref()).filter(|_| purpose == Purpose::Probe);
    let named = match (target.admin, probes) {
        // That door is always plain.
        (None, Some(probes)) => Some(bound(probes, false)?),
        (None, None) => listen.map(|listen| bound(listen, with_tls)).transpose()?,
        (named, _) => named,
    };
    let Some(place) = named else {
        return Err("the configuration has no admin server (expected listen in [admin])".into());
    };
    // Only for the type: an argument has no position in a file, and just the message of an error is shown.
    let nowhere = Position { text: Text::Configuration, line: 1, column: 1 };
    let named = target.token_file.map(|path| Located { value: path, at: nowhere, path: "--token-file".into() });
    // With a certificate the token is not needed, and the caller may not be permitted to read the configured file.
    let configured = admin.as_ref().and_then(|admin| admin.token_file.clone()).filter(|_| target.cert.is_none());
    // The same on a Unix socket.
    let token_file = named.or(configured).filter(|_| purpose == Purpose::Manage && matches!(place, Place::Tcp { .. }));
    let token = token_file.as_ref().map(token::read).transpose().map_err(|error| error.message)?;
    let tls = match place {
        Place::Tcp { tls: true, .. } => {
            let named = Named { ca: target.ca, client: target.cert.map(|cert| (cert, target.cert_key)) };
            Some(connectors(place.clone(), named, admin)?)
        }
        _ if target.ca.is_some() || target.cert.is_some() => {
            return Err(format!("{place} has no TLS, for which --ca and --cert are (expected https://)"));
        }
        _ => None,
    };
    Ok(Door { place, tls, token })
}

/// `[admin]` of a configuration file.
fn configured(path: &Path) -> Result<Admin, String> {
    let joined = |errors: Vec<ConfigError>| {
        errors.iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>().join("\n")
    };
    Ok(load(path).map_err(joined)?.admin)
}

/// How TLS is made, with the files that are needed for it.
fn connectors(place: Place, named: Named, admin: Option<Admin>) -> Result<Connectors, String> {
    let error = |message| vec![ConfigError { path: String::new(), position: None, message }];
    let read = reading(move || trust::connectors(&place, &named, admin.as_ref()).map_err(error));
    read.map_err(|errors| errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("\n"))
}

async fn reach(door: Door, asked: &Asked<'_>, patience: Duration) -> Result<Answered, String> {
    let place = &door.place;
    let unreachable = |error: io::Error| format!("{place}: cannot be reached: {error}");
    let late = |_| format!("{place}: no answer in time");
    let host = place.host();
    match (place, &door.tls) {
        (Place::Unix(path), _) => {
            let address = Address::Unix(path.clone());
            let stream = timeout(CONNECT, Stream::connect(&address)).await.map_err(late)?.map_err(unreachable)?;
            timeout(patience, send(stream, &host, None, asked)).await.map_err(late)?
        }
        (Place::Tcp { .. }, None) => {
            let stream = timeout(CONNECT, connect(place)).await.map_err(late)?.map_err(unreachable)?;
            timeout(patience, send(stream, &host, door.token.as_ref(), asked)).await.map_err(late)?
        }
        (Place::Tcp { .. }, Some(tls)) => {
            let stream = timeout(CONNECT, secured(place, tls)).await.map_err(late)??;
            timeout(patience, send(stream, &host, door.token.as_ref(), asked)).await.map_err(late)?
        }
    }
}

async fn connect(place: &Place) -> io::Result<TcpStream> {
    match place {
        Place::Tcp { host, port, .. } => TcpStream::connect((host.as_str(), *port)).await,
        Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A connection with TLS, to a server that is trusted.
async fn secured(place: &Place, tls: &Connectors) -> Result<TlsStream<TcpStream>, String> {
    let (stream, made) = handshake(place, &tls.strict).await?;
    match made {
        Ok(session) => Ok(TlsStream::new(stream, session)),
        Err(error) => {
            let found = match handshake(place, &tls.curious).await {
                Ok((_, Ok(session))) => found(&session),
                // Not the certificate was the reason.
                _ => return Err(format!("{place}: {error}")),
            };
            Err(format!(
                "{place}: {error} (found {found}; expected {}; if its files were replaced, it may not have loaded them yet)",
                tls.expected
            ))
        }
    }
}

async fn handshake(
    place: &Place,
    connector: &Connector,
) -> Result<(TcpStream, Result<Finished, ConnectError>), String> {
    let mut stream = connect(place).await.map_err(|error| format!("{place}: cannot be reached: {error}"))?;
    let gate = Gate::default();
    let made = connector.connect(&mut stream, place.ip(), None, Pace::alone(&gate)).await;
    Ok((stream, made))
}

/// The certificate of a server, in words.
fn found(session: &Finished) -> String {
    let facts = session.negotiated.peer_certificates.first().and_then(|der| Facts::of(der).ok());
    facts.map_or_else(
        || "a certificate that cannot be read".into(),
        |facts| format!("{}, serial number {}, for {}", facts.subject, facts.serial, facts.names.join(", ")),
    )
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    token: Option<&token::Token>,
    asked: &Asked<'_>,
) -> Result<Answered, String> {
    let broken = |error: hyper::Error| format!("no answer from the admin server: {}", causes::of(&error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // hyper sends and receives in this future; it ends with the connection.
    tokio::spawn(connection);
    let mut request = Request::builder().method(asked.method.clone()).uri(asked.path).header(HOST, host);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let body = match &asked.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    let body = serde_json::from_slice(&body).map_err(|_| format!("the answer, {status}, is not from tlsgate"))?;
    Ok(Answered { status, body })
}

/// For the connection to the admin server.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole answer: a reload of a hundred thousand certificates takes a while.
const ANSWER: Duration = Duration::from_secs(300);
/// For the answer to a health check.
const HEALTH: Duration = Duration::from_secs(5);
