//! A client and a backend that tell each other what they see: whether the client is accepted, which certificate it gets,
//! which backend it reaches, and which PROXY header that gets. Must not know: programs, configurations.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::support::backend::Backend;
use crate::support::client::{Client, connect};
use crate::support::clients_pki::Credentials;
use crate::support::pki::Pki;

/// A backend that answers with its name, the version of the PROXY header, and the client's address in it.
pub(crate) fn reporting(name: &'static str) -> Backend {
    Backend::start(move |mut stream| {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(GREETING) {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => seen.extend_from_slice(&buffer[..count]),
            }
        }
        stream.write_all(format!("{name} {}\n", header(&seen)).as_bytes())?;
        stream.shutdown(Shutdown::Write)
    })
}

/// The header in front of what a client sent.
fn header(seen: &[u8]) -> String {
    if let Some(rest) = seen.strip_prefix(b"PROXY ") {
        let text = String::from_utf8_lossy(rest);
        return format!("v1 {}", text.split(' ').nth(1).unwrap_or_default());
    }
    match seen.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") {
        // Behind the command, the family and the length.
        Some([_, 0x11, _, _, a, b, c, d, ..]) => format!("v2 {}", Ipv4Addr::new(*a, *b, *c, *d)),
        Some(_) => "v2".into(),
        None => "plain".into(),
    }
}

/// Settings of a client that trusts the CA, and has a certificate or none.
pub(crate) fn client(pki: &Pki, own: Option<&Credentials>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.ca()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match own {
        None => config.with_no_client_auth(),
        Some(Credentials { chain, key }) => {
            let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    })
}

/// What the backend reports to a client that asks for `name`. `None` if the client, or its connection, is refused.
pub(crate) fn report(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Option<String> {
    behind(address, b"", config, name)
}

/// The same of a client that sends these bytes before its handshake.
pub(crate) fn behind(address: SocketAddr, before: &[u8], config: &Arc<ClientConfig>, name: &str) -> Option<String> {
    let mut tcp = connect(address);
    tcp.write_all(before).ok()?;
    exchange(Client::on(tcp, config, name)).ok().filter(|report| report.ends_with('\n'))
}

fn exchange(mut client: Client) -> io::Result<String> {
    client.handshake()?;
    client.send(GREETING)?;
    let mut report = String::new();
    let mut stream = rustls::Stream::new(&mut client.tls, &mut client.tcp);
    // Programs differ in how they end a connection that they refuse.
    match stream.read_to_string(&mut report) {
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => Err(error),
        _ => Ok(report),
    }
}

/// A port of which nobody accepts connections: its socket is bound and does not listen.
pub(crate) fn nobody() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

const GREETING: &[u8] = b"hello\n";
