//! A TLS client with behaviour that other clients do not offer: it ends its data with or without close_notify, resets,
//! sends invalid records, and reports how the other side ended.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, version};
use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;

/// The TLS version that a client requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    V12,
    V13,
}

impl Tls {
    pub(crate) const BOTH: [Self; 2] = [Self::V12, Self::V13];
}

/// How a peer ended its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Orderly: close_notify.
    CloseNotify,
    /// A TCP FIN alone, which under TLS is a truncation.
    Fin,
    Reset,
    Alert(AlertDescription),
}

/// A client's settings: one version, one CA, and suites with AES-128-GCM only, so that [`super::forge`] has to support
/// one kind of key. The secrets can be extracted.
pub(crate) fn trusting(ca: &Path, tls: Tls) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    let suites = [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    provider.cipher_suites = suites.to_vec();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let version = match tls {
        Tls::V12 => &version::TLS12,
        Tls::V13 => &version::TLS13,
    };
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    config
}

/// A plain connection on which every wait is bounded.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    patient(&tcp);
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// The same from the given loopback address.
pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect_timeout(&address.into(), PATIENCE).unwrap();
    let tcp = TcpStream::from(socket);
    patient(&tcp);
    tcp
}

/// Bounds every read and write on it.
pub(crate) fn patient(tcp: &TcpStream) {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
}

pub(crate) fn port(tcp: &TcpStream) -> u16 {
    tcp.local_addr().unwrap().port()
}

/// Closes, and returns the port, which identifies the connection's record.
pub(crate) fn close(tcp: TcpStream) -> u16 {
    port(&tcp)
}

/// Closes with a reset.
pub(crate) fn reset(tcp: TcpStream) {
    // With a linger time of 0, the kernel closes with a reset instead of a FIN (socket(7)).
    SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads a plain connection to its end: what came, and [`Ending::Fin`] or [`Ending::Reset`].
pub(crate) fn drain(tcp: &mut TcpStream) -> (Vec<u8>, Ending) {
    let mut bytes = Vec::new();
    let ending = match tcp.read_to_end(&mut bytes) {
        Ok(_) => Ending::Fin,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ending::Reset,
        Err(error) => panic!("after {} bytes: {error}", bytes.len()),
    };
    (bytes, ending)
}

/// A client's side of one connection; the test can use both layers.
pub(crate) struct Client {
    pub(crate) tcp: TcpStream,
    pub(crate) tls: ClientConnection,
}

impl Client {
    /// Connects, and sends nothing yet.
    pub(crate) fn silent(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        Self::on(connect(address), config, name)
    }

    /// The same on an existing connection.
    pub(crate) fn on(tcp: TcpStream, config: &Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self { tcp, tls: ClientConnection::new(Arc::clone(config), name).unwrap() }
    }

    /// Returns everything that TLS would send now: at the beginning, the ClientHello.
    pub(crate) fn flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// Continues the handshake, from wherever it is, to its end.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() || self.tls.wants_write() {
            self.tls.complete_io(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Sends application data.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(RECORD) {
            self.tls.writer().write_all(piece)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Sends close_notify; the TCP connection stays open.
    pub(crate) fn close_notify(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.flush()
    }

    /// Ends the sending side of the TCP connection. Without [`Client::close_notify`] before it, that is a truncation.
    pub(crate) fn fin(&self) {
        self.tcp.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset, and returns the port.
    pub(crate) fn reset(self) -> u16 {
        let port = port(&self.tcp);
        reset(self.tcp);
        port
    }

    pub(crate) fn port(&self) -> u16 {
        port(&self.tcp)
    }

    /// Closes the TCP connection, and returns its port.
    pub(crate) fn close(self) -> u16 {
        close(self.tcp)
    }

    /// Reads some application data, or returns how the other side ended.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Ending> {
        loop {
            match self.tls.reader().read(buffer) {
                Ok(0) => return Err(Ending::CloseNotify),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Ending::Fin),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            match self.tls.read_tls(&mut self.tcp) {
                Ok(_) => {}
                // A machine that was suspended: reading with a time limit is interrupted then (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Ending::Reset),
                Err(error) => panic!("{error}"),
            }
            match self.tls.process_new_packets() {
                Ok(_) => {}
                Err(Error::AlertReceived(alert)) => return Err(Ending::Alert(alert)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads exactly that many bytes.
    pub(crate) fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            let read = self.read(&mut bytes[filled..]);
            filled += read.unwrap_or_else(|ending| panic!("{ending:?} after {filled} of {count} bytes"));
        }
        bytes
    }

    /// Reads to the end: what came, and how it ended.
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, Ending) {
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; RECORD]);
        loop {
            match self.read(&mut buffer) {
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(ending) => return (bytes, ending),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}

/// A full TLS record (RFC 8446 section 5.1).
pub(crate) const RECORD: usize = 1 << 14;
