//! The TLS handshake of a check. Must not know: what is said afterwards.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::backend::health::{CheckError, Tls};
use crate::net::stream::Stream;

pub(super) async fn handshake(stream: Stream, tls: &Tls, address: SocketAddr) -> Result<TlsStream<Stream>, CheckError> {
    let name = tls.server_name.clone().unwrap_or_else(|| ServerName::IpAddress(address.ip().into()));
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    connector.connect(name, stream).await.map_err(|error| CheckError::Tls(error.to_string()))
}
