//! The baseline: the smallest TLS proxy, tokio-rustls in front of `copy_bidirectional`, and nothing else.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Launch, Setting};

/// The first argument that makes the benchmark's own program this proxy.
pub(crate) const ARGUMENT: &str = "--naive";

pub(super) fn about() -> String {
    let lock = include_str!("../../../Cargo.lock");
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        rest.split_once('"').map(|(version, _)| version)
    };
    let named = |name| format!("{name} {}", version(name).unwrap_or("?"));
    ["tokio-rustls", "rustls", "aws-lc-rs"].map(named).join(", ")
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    if setting.many.is_some() {
        return Err(io::Error::other("it serves one certificate"));
    }
    let mut arguments = vec![ARGUMENT.to_owned(), setting.backend.to_string()];
    for (address, pair) in [(setting.ecdsa, &setting.material.ecdsa), (setting.rsa, &setting.material.rsa)] {
        arguments.extend([address.to_string(), pair.combined.display().to_string()]);
    }
    arguments.extend([setting.passthrough.to_string(), "-".into()]);
    let settings = "rustls's defaults, and its ticketer".into();
    Ok(Launch { program: program.to_owned(), arguments, settings, passthrough: true, reload: None })
}

/// Serves until it is killed: `BACKEND (ADDRESS (FILE | -))…`, without TLS if there is no file.
pub(crate) fn main(arguments: &[String]) -> io::Result<()> {
    let [backend, listeners @ ..] = arguments else { return Err(io::Error::other("no backend given")) };
    let backend: SocketAddr = backend.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for listener in listeners.chunks_exact(2) {
            let address: SocketAddr = listener[0].parse().map_err(io::Error::other)?;
            let acceptor = if listener[1] == "-" { None } else { Some(acceptor(Path::new(&listener[1]))?) };
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            tokio::spawn(serve(socket.listen(4096)?, acceptor, backend));
        }
        std::future::pending().await
    })
}

pub(crate) fn acceptor(file: &Path) -> io::Result<TlsAcceptor> {
    let pem = fs::read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain.unwrap_or_default(), key))
        .map_err(io::Error::other)?;
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
    Ok(Arc::new(config).into())
}

pub(crate) async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, backend: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(relay(client, acceptor.clone(), backend));
    }
}

async fn relay(mut client: TcpStream, acceptor: Option<TlsAcceptor>, backend: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        let mut server = TcpStream::connect(backend).await?;
        server.set_nodelay(true)?;
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    };
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(backend).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
