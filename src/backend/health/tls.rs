//! The TLS handshake of a check. Must not know: what is said afterwards.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::backend::health::{CheckError, Tls};
use crate::net::address::Address;
use crate::net::stream::Stream;
use crate::tls::handshake::connect::ConnectError;
use crate::tls::wire::fault;

pub(super) async fn handshake(stream: Stream, tls: &Tls, address: &Address) -> Result<TlsStream<Stream>, CheckError> {
    let by_address = || address.ip().map(|ip| ServerName::IpAddress(ip.into()));
    let name = tls.server_name.clone().or_else(by_address);
    let name = name.ok_or_else(|| CheckError::Tls("the server has no name (expected server_name)".into()))?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    connector.connect(name.clone(), stream).await.map_err(|error| {
        CheckError::Tls(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => match ConnectError::of(error.clone(), &name) {
                ConnectError::Failed(error) => fault::reason(&error),
                other => other.to_string(),
            },
            None => error.to_string(),
        })
    })
}
