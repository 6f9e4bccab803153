//! Reaches a running tlsgate over its admin API, for the verbs that show or change it. Must not know: what is asked for.

use std::io;
use std::path::PathBuf;
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
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::admin::request::token;
use crate::cli::load::load;
use crate::config::located::{ConfigError, Located, Position};
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;

/// How to reach the running tlsgate.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The address of its admin server: unix:/path or http://127.0.0.1:9900.
    #[arg(long, value_name = "ADDRESS", value_parser = address, required_unless_present = "config")]
    admin: Option<Address>,
    /// Its configuration file, which contains that address.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file with the token; by default the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
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

/// The admin server's address, and the token that it requires.
struct Door {
    address: Address,
    token: Option<token::Token>,
}

/// Sends the request and waits for the answer. An error is the reason why there is none.
pub(super) fn ask(target: Target, asked: &Asked<'_>) -> Result<Answered, String> {
    let door = door(target)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(reach(door, asked))
}

impl Answered {
    /// The message of an error.
    pub(super) fn error(&self) -> String {
        self.body["error"].as_str().map_or_else(|| self.status.to_string(), str::to_owned)
    }
}

fn address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Address::Unix(path.into()));
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let parsed = bare.parse().map(Address::Tcp);
    parsed.map_err(|_| "expected unix:/path, or http:// with an IP address and a port".to_owned())
}

/// The address that a configuration names.
fn bound(listen: &Located<Endpoint>) -> Result<Address, String> {
    listen.value.address().cloned().ok_or_else(|| {
        format!("{}: {} has no address, which only systemd knows; name it with --admin", listen.path, listen.value)
    })
}

/// Where to send the request. Arguments take precedence over the configuration.
fn door(target: Target) -> Result<Door, String> {
    let (mut address, mut token_file) = (target.admin, None);
    if let Some(path) = &target.config {
        let joined = |errors: Vec<ConfigError>| {
            errors.iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>().join("\n")
        };
        let admin = load(path).map_err(joined)?.admin;
        if address.is_none() {
            address = admin.listen.as_ref().map(bound).transpose()?;
        }
        token_file = admin.token_file;
    }
    if let Some(path) = target.token_file {
        // Only for the type: an argument has no position in a file, and just the message of an error is shown.
        let nowhere = Position { line: 1, column: 1 };
        token_file = Some(Located { value: path, at: nowhere, path: "--token-file".into() });
    }
    let Some(address) = address else {
        return Err("the configuration has no admin server (expected listen in [admin])".into());
    };
    // A Unix socket requires no token, and the caller may not be permitted to read the file.
    let token_file = token_file.filter(|_| matches!(address, Address::Tcp(_)));
    let token = token_file.as_ref().map(token::read).transpose().map_err(|error| error.message)?;
    Ok(Door { address, token })
}

async fn reach(door: Door, asked: &Asked<'_>) -> Result<Answered, String> {
    let unreachable = |error: io::Error| format!("{}: cannot be reached: {error}", door.address);
    let late = |_| format!("{}: no answer in time", door.address);
    match &door.address {
        Address::Tcp(address) => {
            let stream = timeout(CONNECT, TcpStream::connect(address)).await.map_err(late)?.map_err(unreachable)?;
            timeout(ANSWER, send(stream, &address.to_string(), door.token.as_ref(), asked)).await.map_err(late)?
        }
        Address::Unix(path) => {
            let stream = timeout(CONNECT, UnixStream::connect(path)).await.map_err(late)?.map_err(unreachable)?;
            // A request must have a host (RFC 9112 section 3.2), even if a Unix socket has none.
            timeout(ANSWER, send(stream, "localhost", None, asked)).await.map_err(late)?
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    token: Option<&token::Token>,
    asked: &Asked<'_>,
) -> Result<Answered, String> {
    let broken = |error: hyper::Error| format!("no answer from the admin server: {error}");
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
