//! The way to a server of lists: straight or through a proxy, with TLS or without. Must not know: what is asked for.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gate::{Gate, Pace};
use crate::lists::settings::Settings;
use crate::lists::url::Url;
use crate::tls::handshake::connect::{Alpn, Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::stream::TlsStream;
use crate::tls::trust::roots;
use crate::tls::trust::servers::Trust;

/// What HTTP runs over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects to the server of a URL. The caller sets the deadline.
pub async fn connect(settings: &Settings, url: &Url) -> Result<Box<dyn Stream>, String> {
    let first = settings.proxy.as_ref().unwrap_or(url);
    let connected = TcpStream::connect((first.host.as_str(), first.port)).await;
    let mut stream = connected.map_err(|error| match &settings.proxy {
        Some(proxy) => format!("{url}: the proxy {} cannot be reached: {error}", proxy.host_and_port()),
        None => format!("{url} cannot be reached: {error}"),
    })?;
    if !url.secure {
        return Ok(Box::new(stream));
    }
    if let Some(proxy) = &settings.proxy {
        tunnel(&mut stream, url).await.map_err(|why| format!("the proxy {}: {why}", proxy.host_and_port()))?;
    }
    let roots = roots::of(settings.ca.as_deref()).map_err(|none| none.under("crl.ca"))?;
    let name =
        ServerName::try_from(url.host.clone()).map_err(|_| format!("{:?} cannot be the name of a server", url.host))?;
    let trust = Trust { roots, ..Trust::default() };
    let connector = Connector::new(Terms {
        policy: None,
        trust: &trust,
        server_name: Some(name),
        certificate: None,
        alpn: Alpn::Fixed(Vec::new()),
        layer: Layer::Tlsgate,
    });
    let connector = connector.map_err(|error| error.to_string())?;
    let gate = Arc::new(Gate::default());
    let finished = connector.connect(&mut stream, None, None, Pace::alone(&gate)).await;
    let finished = finished.map_err(|error| format!("no connection to {} by TLS: {error}", url.host_and_port()))?;
    Ok(Box::new(TlsStream::new(stream, finished)))
}

/// Asks a proxy to connect (RFC 9110 section 9.3.6).
async fn tunnel(stream: &mut TcpStream, to: &Url) -> Result<(), String> {
    let to = to.host_and_port();
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is the server's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD {
            return Err(format!("found more than {LONGEST_HEAD} bytes, expected the head of an answer"));
        }
        head.push(stream.read_u8().await.map_err(|_| "it has closed the connection".to_owned())?);
    }
    match status(&head) {
        Some(200..300) => Ok(()),
        Some(status) => Err(format!("it has refused to connect to {to}, with status {status}")),
        None => Err("its answer is not HTTP/1".into()),
    }
}

/// The status of an answer (RFC 9112 section 4).
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|status| status.len() == 3)?.parse().ok()
}

/// In bytes.
const LONGEST_HEAD: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407 Proxy\r\nA: b\r\n\r\n"), Some(407));
        for wrong in
            ["HTTP/2 200 OK\r\n", "HTTP/1.1\r\n", "200 OK\r\n", "HTTP/1.1 20000\r\n", "HTTP/1.1 +20 OK\r\n", ""]
        {
            assert_eq!(status(wrong.as_bytes()).filter(|status| *status >= 100), None, "{wrong:?}");
        }
    }
}
