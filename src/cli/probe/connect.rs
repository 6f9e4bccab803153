//! A connection to the server that is probed, up to where TLS begins, with one deadline for everything on it.
//! Must not know: what is sent over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustls::pki_types::ServerName;
use thiserror::Error;

/// What is said before TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StartTls {
    No,
    /// The extended request of RFC 4511 section 4.14.
    Ldap,
    /// The SSLRequest of PostgreSQL's protocol.
    Postgres,
}

/// The server, as it was typed and as it was found.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `HOST:PORT`, as typed.
    pub(super) text: String,
    pub(super) host: String,
    addresses: Vec<SocketAddr>,
    pub(super) starttls: StartTls,
    /// For one connection, from connecting to its end.
    pub(super) timeout: Duration,
}

/// Why there is no connection on which TLS could begin.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    #[error("{0:?} cannot be resolved: {1}")]
    Unresolved(String, String),
    #[error("cannot connect to {0}: {1}")]
    Unreachable(String, String),
    #[error("{0}: no StartTLS: {1}")]
    NoStartTls(String, String),
}

/// `HOST:PORT` → both, where a host may be an IPv6 address in brackets.
pub(super) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let expected = || format!("found {text:?}, expected HOST:PORT, such as ldap.example.com:636 or [::1]:636");
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(expected)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = bare.len() != host.len();
    if bare.parse::<std::net::Ipv6Addr>().is_ok() != is_address || ServerName::try_from(bare).is_err() {
        return Err(expected());
    }
    Ok((bare.to_owned(), port))
}

impl Target {
    pub(super) fn resolve(text: &str, starttls: StartTls, timeout: Duration) -> Result<Self, ConnectError> {
        let unresolved = |error: String| ConnectError::Unresolved(text.to_owned(), error);
        let (host, port) = host_and_port(text).map_err(unresolved)?;
        let addresses: Vec<_> =
            (&*host, port).to_socket_addrs().map_err(|error| unresolved(error.to_string()))?.collect();
        if addresses.is_empty() {
            return Err(unresolved("no address".into()));
        }
        Ok(Self { text: text.to_owned(), host, addresses, starttls, timeout })
    }

    /// Connects to the first of the addresses that accepts, and says what comes before TLS.
    pub(super) fn connect(&mut self) -> Result<Line, ConnectError> {
        let until = Instant::now() + self.timeout;
        let mut failure = ErrorKind::TimedOut.into();
        for at in 0..self.addresses.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&self.addresses[at], left) {
                Ok(tcp) => {
                    // The next connection goes there at once, so that all of them ask the same server.
                    self.addresses.swap(0, at);
                    let mut line = Line { tcp, until };
                    // Only a matter of delay.
                    let _ = line.tcp.set_nodelay(true);
                    self.before_tls(&mut line)?;
                    return Ok(line);
                }
                Err(error) => failure = error,
            }
        }
        Err(ConnectError::Unreachable(self.text.clone(), plain(&failure)))
    }

    fn before_tls(&self, line: &mut Line) -> Result<(), ConnectError> {
        let refused = |why: String| ConnectError::NoStartTls(self.text.clone(), why);
        let io = |error: io::Error| refused(plain(&error));
        match self.starttls {
            StartTls::No => Ok(()),
            StartTls::Postgres => {
                line.write_all(&POSTGRES_SSL_REQUEST).map_err(io)?;
                let mut answer = [0];
                line.read_exact(&mut answer).map_err(io)?;
                match answer {
                    [b'S'] => Ok(()),
                    [b'N'] => Err(refused("the server answers that it has none".into())),
                    [other] => Err(refused(format!("found \"{}\", expected \"S\"", other.escape_ascii()))),
                }
            }
            StartTls::Ldap => {
                line.write_all(LDAP_START_TLS).map_err(io)?;
                match ldap_result(line).map_err(io)? {
                    Some(0) => Ok(()),
                    Some(code) => Err(refused(format!("the server answers with LDAP result code {code}"))),
                    None => Err(refused("what comes back is no LDAP extended response".into())),
                }
            }
        }
    }
}

/// The result code of an extended response (RFC 4511 sections 4.1.1 and 4.12); `None` where it is none.
fn ldap_result(line: &mut Line) -> io::Result<Option<u8>> {
    let mut head = [0; 2];
    line.read_exact(&mut head)?;
    let [SEQUENCE, first] = head else { return Ok(None) };
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x84 => {
            let mut digits = [0; 4];
            let count = usize::from(first & 0x7f);
            line.read_exact(&mut digits[4 - count..])?;
            u32::from_be_bytes(digits).try_into().unwrap_or(usize::MAX)
        }
        _ => return Ok(None),
    };
    if length > MAX_LDAP_ANSWER {
        return Ok(None);
    }
    let mut body = vec![0; length];
    line.read_exact(&mut body)?;
    // messageID 1, then [APPLICATION 24], whose length may be written in several ways, then an ENUMERATED.
    let Some([EXTENDED_RESPONSE, length, rest @ ..]) = body.strip_prefix(&[2, 1, 1]) else { return Ok(None) };
    let skipped = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    Ok(match rest.get(skipped..) {
        Some([ENUMERATED, 1, code, ..]) => Some(*code),
        _ => None,
    })
}

/// A connection whose every read and write ends by one instant, however the peer dribbles.
#[derive(Debug)]
pub(super) struct Line {
    tcp: TcpStream,
    until: Instant,
}

impl Line {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Waits no longer than this from now on.
    pub(super) fn hurry(&mut self, at_most: Duration) {
        self.until = self.until.min(Instant::now() + at_most);
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        self.tcp.read(buffer).map_err(late)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Linux reports a socket's timeout as "would block".
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// An I/O error in words that do not depend on the system.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "no answer in time".into(),
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "the server reset the connection".into(),
        ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => error.to_string(),
    }
}

/// Length 8, then the request code 80877103.
const POSTGRES_SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// messageID 1, extendedReq with requestName 1.3.6.1.4.1.1466.20037.
const LDAP_START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const SEQUENCE: u8 = 0x30;
const EXTENDED_RESPONSE: u8 = 0x78;
const ENUMERATED: u8 = 0x0a;
const MAX_LDAP_ANSWER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let good = [("a.test:636", "a.test"), ("127.0.0.1:1", "127.0.0.1"), ("[::1]:65535", "::1")];
        for (text, host) in good {
            assert_eq!(host_and_port(text).unwrap().0, host);
        }
        for text in ["", "a.test", "a.test:", "a.test:0", "a.test:65536", ":636", "::1:636", "[a]:1", "a b:1"] {
            assert!(host_and_port(text).unwrap_err().contains("expected HOST:PORT"), "{text}");
        }
    }

    #[test]
    fn the_start_tls_request_says_how_long_it_is() {
        assert_eq!(usize::from(LDAP_START_TLS[1]), LDAP_START_TLS.len() - 2);
        assert_eq!(usize::from(LDAP_START_TLS[6]), LDAP_START_TLS.len() - 7);
        assert_eq!(usize::from(LDAP_START_TLS[8]), LDAP_START_TLS.len() - 9);
        assert_eq!(u32::from_be_bytes([0x04, 0xd2, 0x16, 0x2f]), 80_877_103);
    }
}
