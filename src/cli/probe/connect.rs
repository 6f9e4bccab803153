//! Connects to the server that is probed, up to where TLS begins, with one deadline for everything on the connection.
//! Must not know: what is sent over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use rustls::pki_types::ServerName;
use thiserror::Error;

use crate::starttls::asking::{Asking, Next};
use crate::starttls::protocol::Protocol;
use crate::words::Words;

/// The protocol in which TLS is requested; `None` where TLS begins immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StartTls(pub(super) Option<Protocol>);

impl StartTls {
    /// The words of the command line.
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        let protocols =
            Protocol::ALL.iter().map(|protocol| PossibleValue::new(protocol.word()).help(protocol.request_name()));
        let words: Vec<_> = std::iter::once(PossibleValue::new(Self::NO)).chain(protocols).collect();
        // The parser accepts no other words, so `from_word` returns `None` only for "no".
        PossibleValuesParser::new(words).map(|word| Self(Protocol::from_word(&word)))
    }

    pub(super) const NO: &'static str = "no";
}

/// The server: as typed, and its addresses.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `HOST:PORT`, as typed.
    pub(super) text: String,
    pub(super) host: String,
    addresses: Vec<SocketAddr>,
    pub(super) starttls: StartTls,
    /// For one connection, from its start to its end.
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
    // Brackets are for IPv6 addresses only, and an IPv6 address needs them: its last part would be taken for the port.
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

    /// Connects to the first of the addresses that accepts, and asks for TLS where the protocol needs that.
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
                    // The next connection tries this address first, so that all of them reach the same server.
                    self.addresses.swap(0, at);
                    let mut line = Line { tcp, until };
                    // Without it, the probe works as well, only slower.
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
        let Some(protocol) = self.starttls.0 else { return Ok(()) };
        let (mut asking, mut buffer) = (Asking::for_tls(protocol), [0; 512]);
        // It ends: `step` refuses an answer that is too long.
        loop {
            match asking.step().map_err(refused)? {
                Next::Done => return Ok(()),
                Next::Say(request) => line.write_all(&request).map_err(io)?,
                Next::Read => match line.read(&mut buffer) {
                    Ok(0) => return Err(io(ErrorKind::UnexpectedEof.into())),
                    Ok(count) => asking.raw.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(io(error)),
                },
            }
        }
    }
}

/// A connection on which every read and write ends at one deadline, even if the peer sends one byte at a time.
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

    /// Moves the deadline back, for a pause of our own.
    pub(super) fn wait(&mut self, pause: Duration) {
        self.until += pause;
    }

    /// Moves the deadline to at most this time from now.
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

/// The same error, with a timeout reported as such.
fn late(error: io::Error) -> io::Error {
    // Linux returns EAGAIN, "would block", where SO_RCVTIMEO or SO_SNDTIMEO has passed (socket(7)).
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// The message of an I/O error, the same on every system for the common ones.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "no answer in time".into(),
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "the server reset the connection".into(),
        ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => error.to_string(),
    }
}

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
    fn every_protocol_has_its_word_and_no_other_word_is_accepted() {
        let command = clap::Command::new("probe").arg(clap::Arg::new("starttls").value_parser(StartTls::parser()));
        let parsed = |word: &str| {
            let matches = command.clone().try_get_matches_from(["probe", word]).ok()?;
            matches.get_one::<StartTls>("starttls").copied()
        };
        assert_eq!(parsed(StartTls::NO), Some(StartTls(None)));
        for protocol in Protocol::ALL {
            assert_eq!(parsed(protocol.word()), Some(StartTls(Some(*protocol))));
        }
        assert_eq!((parsed("nntp"), parsed("")), (None, None));
    }
}
