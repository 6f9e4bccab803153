//! A handshake of either side, by rustls: bytes in, bytes out, until it is done. Must not know: sockets, who the peer is.

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};

use crate::tls::record::library::{self, Connection};
use crate::tls::record::own;
use crate::tls::record::{Layer, Opened, RecordError, Records};

/// A handshake under way.
pub struct Handshaking {
    inner: library::Records,
    /// Bytes off the wire that are not used yet.
    wire: Vec<u8>,
    plain: Vec<u8>,
    closed: bool,
}

/// A handshake that is done. rustls's state is gone, unless rustls's record layer was asked for.
#[derive(Debug)]
pub struct Finished {
    pub records: Records,
    pub negotiated: Negotiated,
    /// Plaintext that came along with the last handshake message.
    pub plain: Vec<u8>,
    /// Bytes behind it that are not opened yet.
    pub wire: Vec<u8>,
    /// close_notify has come already, after `plain`.
    pub closed: bool,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    pub version: ProtocolVersion,
    pub suite: CipherSuite,
    pub group: Option<NamedGroup>,
    pub resumed: bool,
    pub alpn: Option<Vec<u8>>,
    /// The peer's, leaf first; empty where it showed none.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

impl Handshaking {
    /// The server's side; `wire` is what has come from the client so far.
    pub fn server(connection: UnbufferedServerConnection, wire: Vec<u8>) -> Self {
        Self::new(Connection::Server(connection), wire)
    }

    /// The client's side; [`advance`](Self::advance) gives the ClientHello first.
    pub fn client(connection: UnbufferedClientConnection) -> Self {
        Self::new(Connection::Client(connection), Vec::new())
    }

    fn new(connection: Connection, wire: Vec<u8>) -> Self {
        Self { inner: library::Records::new(connection), wire, plain: Vec::new(), closed: false }
    }

    /// Where bytes off the wire are appended. Nothing else may be done to it.
    pub fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// Goes on as far as the bytes allow. What the peer has to be sent is appended to `reply`, also when this fails.
    /// `true` when the handshake is done.
    pub fn advance(&mut self, reply: &mut Vec<u8>) -> Result<bool, RecordError> {
        let mut used = 0;
        let advanced = loop {
            let state = self.inner.common();
            if !state.is_handshaking() && !state.wants_write() {
                break Ok(true);
            }
            match self.inner.open(&mut self.wire[used..], reply) {
                Ok(Opened::Incomplete) => break Ok(!self.inner.common().is_handshaking()),
                Ok(Opened::Other { consumed }) => used += consumed,
                Ok(Opened::Data { consumed, plain }) => {
                    self.plain.extend_from_slice(&self.wire[used..][plain]);
                    used += consumed;
                }
                Ok(Opened::Closed) => self.closed = true,
                Err(error) => break Err(error),
            }
        };
        self.wire.drain(..used);
        advanced
    }

    /// rustls's connection, for who has other plans with it, and the bytes that it has not used.
    pub fn into_connection(self) -> (Connection, Vec<u8>) {
        (self.inner.into_connection(), self.wire)
    }

    /// Hands over to `layer`. Fails where the handshake is not done.
    pub fn finish(self, layer: Layer) -> Result<Finished, RecordError> {
        let negotiated = Negotiated::of(self.inner.common()).ok_or(rustls::Error::HandshakeNotComplete)?;
        let Self { inner, plain, wire, closed } = self;
        let records = match layer {
            Layer::Tlsgate => Records::Tlsgate(Box::new(own::Records::take_over(inner.into_connection())?)),
            Layer::Rustls => Records::Rustls(Box::new(inner)),
        };
        Ok(Finished { records, negotiated, plain, wire, closed })
    }
}

impl Negotiated {
    fn of(state: &CommonState) -> Option<Self> {
        Some(Self {
            version: state.protocol_version()?,
            suite: state.negotiated_cipher_suite()?.suite(),
            group: state.negotiated_key_exchange_group().map(|group| group.name()),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: state.peer_certificates().unwrap_or_default().to_vec(),
        })
    }
}
