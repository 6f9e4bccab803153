//! The way to a member: TCP, and TLS with the files of the settings, which are read for each connection: so certificates and
//! keys can be renewed while the process runs. Must not know: what is asked for.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::settings::{Endpoint, Settings};
use crate::files;
use crate::gate::{Gate, Pace};
use crate::net::socket;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::pem;
use crate::tls::handshake::connect::{Alpn, Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::stream::TlsStream;
use crate::tls::trust::roots;
use crate::tls::trust::servers::Trust;

/// What HTTP runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects to a member. The caller sets the deadline.
pub(super) async fn dial(settings: &Settings, endpoint: &Endpoint) -> Result<Box<dyn Stream>, String> {
    let connected = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    let mut stream = connected.map_err(|error| format!("it cannot be reached: {error}"))?;
    // The options matter where a peer is gone without a word; without them it works too.
    let _ = socket::prepare(&stream);
    if !endpoint.is_secure {
        return Ok(Box::new(stream));
    }
    // A file can be on a disk that does not answer.
    let (settings, host) = (settings.clone(), endpoint.host.clone());
    let made = tokio::task::spawn_blocking(move || connector(&settings, &host)).await;
    let connector = made.map_err(|error| error.to_string())??;
    let gate = Arc::new(Gate::default());
    let finished = connector.connect(&mut stream, None, None, Pace::alone(&gate)).await;
    let finished = finished.map_err(|error| format!("no connection by TLS: {error}"))?;
    Ok(Box::new(TlsStream::new(stream, finished)))
}

/// Whether the files can be used.
pub(super) fn check(settings: &Settings, endpoints: &[Endpoint]) -> Result<(), String> {
    let secure = endpoints.iter().find(|endpoint| endpoint.is_secure);
    secure.map_or(Ok(()), |endpoint| connector(settings, &endpoint.host).map(drop))
}

fn connector(settings: &Settings, host: &str) -> Result<Connector, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} cannot be the name of a server"))?;
    let identity = settings.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose()?;
    let roots = roots::of(settings.ca.as_deref()).map_err(|none| none.under("ca"))?;
    let trust = Trust { roots, ..Trust::default() };
    let connector = Connector::new(Terms {
        policy: None,
        trust: &trust,
        server_name: Some(name),
        certificate: identity.as_ref().map(|identity| &*identity.key),
        alpn: Alpn::Fixed(Vec::new()),
        layer: Layer::Tlsgate,
    });
    connector.map_err(|error| error.to_string())
}

fn identity(certificate: &Path, key: &Path) -> Result<Certificate, String> {
    let chain = read(certificate)?;
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = pem::read_certificates(&chain.bytes).map_err(|error| at(certificate, &error))?;
    let keys = pem::read(&read(key)?.bytes).map_err(|error| at(key, &error))?;
    if keys.keys.is_empty() {
        return Err(at(key, &"found no private key, expected one"));
    }
    let label = certificate.display().to_string();
    Certificate::build(&label, chain.certificates, keys.keys, None).map_err(|error| at(certificate, &error))
}

fn read(path: &Path) -> Result<files::Contents, String> {
    files::read(path, files::LARGEST_CERTIFICATES)
        .map_err(|error| format!("{}: {}", path.display(), files::reason(&error)))
}
