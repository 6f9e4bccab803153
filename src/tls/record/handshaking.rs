//! A handshake of either side, by rustls: bytes in, bytes out, until it is done. Must not know: sockets, who the peer is.
//!
//! rustls gets one record at a time, and the next only after it has processed those before. So it never reads beyond the
//! peer's last handshake message: the record layer that takes over must open what follows. A second ClientHello is compared
//! with the first before rustls gets it (`second`).

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::{
    AlertDescription, CipherSuite, CommonState, Error, HandshakeKind, InvalidMessage, NamedGroup, PeerMisbehaved,
    ProtocolVersion,
};

use crate::tls::record::interface::{Opened, RecordError};
use crate::tls::record::library::{self, Connection};
use crate::tls::record::own;
use crate::tls::record::{Layer, Records};
use crate::tls::wire::fault;

mod second;
mod shape;

use second::{Hellos, Next};
use shape::{Refused, shape};

/// A handshake in progress.
pub struct Handshaking {
    inner: library::Records,
    /// Bytes from the peer that are not used yet.
    wire: Vec<u8>,
    /// How many of them rustls has already got; it keeps offsets into them.
    shown: usize,
    hellos: Hellos,
    plain: Vec<u8>,
    closed: bool,
    is_server: bool,
}

/// A finished handshake. rustls's state is dropped, unless rustls's record layer continues.
#[derive(Debug)]
pub struct Finished {
    /// The record layer for what follows.
    pub records: Records,
    /// What was agreed on.
    pub negotiated: Negotiated,
    /// Plaintext that the peer sent right after its last handshake message.
    pub plain: Vec<u8>,
    /// Bytes after it that are not opened yet.
    pub wire: Vec<u8>,
    /// Whether close_notify has already been received, after `plain`.
    pub closed: bool,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The TLS version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The key exchange group; `None` in a resumed session of TLS 1.2, which has no key exchange.
    pub group: Option<NamedGroup>,
    /// Whether a session was resumed, with a ticket or by its id.
    pub resumed: bool,
    /// The application protocol, if there is one.
    pub alpn: Option<Vec<u8>>,
    /// The peer's certificates, its own first; empty if it sent none.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

impl Handshaking {
    /// The server's side. `wire` is what the client has sent so far; it begins with the complete ClientHello.
    pub fn server(connection: UnbufferedServerConnection, wire: Vec<u8>) -> Self {
        let hellos = Hellos::of(&wire);
        Self { is_server: true, ..Self::new(Connection::Server(connection), wire, hellos) }
    }

    /// The client's side. The first call of [`advance`](Self::advance) appends the ClientHello.
    pub fn client(connection: UnbufferedClientConnection) -> Self {
        Self::new(Connection::Client(connection), Vec::new(), Hellos::Settled)
    }

    fn new(connection: Connection, wire: Vec<u8>, hellos: Hellos) -> Self {
        let inner = library::Records::new(connection);
        Self { inner, wire, shown: 0, hellos, plain: Vec::new(), closed: false, is_server: false }
    }

    /// Whether this is the server's side.
    pub fn is_server(&self) -> bool {
        self.is_server
    }

    /// Whether the next step may sign with this side's private key. A server signs once, in the step that completes its key
    /// exchange; when a client does depends on the server.
    pub fn may_sign(&self) -> bool {
        let state = self.inner.common();
        match state.handshake_kind() {
            _ if !self.is_server => state.is_handshaking(),
            None => true,
            Some(HandshakeKind::FullWithHelloRetryRequest) => state.negotiated_key_exchange_group().is_none(),
            Some(HandshakeKind::Full | HandshakeKind::Resumed) => false,
        }
    }

    /// The buffer for bytes from the peer. The caller may only append to it.
    pub fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// Continues as far as the bytes allow; `true` when the handshake is done. What must be sent to the peer is appended to
    /// `reply`, also on failure: then it ends with the alert of RFC 8446 section 6.2, even if rustls sends none itself.
    pub fn advance(&mut self, reply: &mut Vec<u8>) -> Result<bool, RecordError> {
        let mut used = 0;
        let advanced = loop {
            let state = self.inner.common();
            // rustls may be done and still have messages to send.
            if !state.is_handshaking() && !state.wants_write() {
                break Ok(true);
            }
            let written = reply.len();
            match self.inner.open(&mut self.wire[used..self.shown], reply) {
                Ok(Opened::Incomplete) if !self.inner.common().is_handshaking() => break Ok(true),
                Ok(Opened::Incomplete) => match self.show(used) {
                    Ok(true) => {}
                    Ok(false) => break Ok(false),
                    Err(refused) => {
                        self.alert(refused.alert, self.shown - used, reply);
                        break Err(refused.error.into());
                    }
                },
                Ok(Opened::Other { consumed }) => used += consumed,
                Ok(Opened::Data { consumed, plain }) => {
                    self.plain.extend_from_slice(&self.wire[used..][plain]);
                    used += consumed;
                }
                Ok(Opened::Closed) => self.closed = true,
                Err(error) => {
                    // If rustls has written something, it is its own alert, and the peer must get only one.
                    let alert = fault::alert(&error.error).filter(|_| reply.len() == written);
                    if let Some(alert) = alert {
                        self.alert(alert, self.shown - used, reply);
                    }
                    break Err(error);
                }
            }
        };
        // Once for all records: each drain moves the rest of the buffer.
        self.wire.drain(..used);
        self.shown -= used;
        advanced
    }

    /// Ends the handshake, because the peer has sent more than a handshake can need. Appends the alert to `reply`.
    pub fn overflow(&mut self, reply: &mut Vec<u8>) -> RecordError {
        let refused = Refused::by(InvalidMessage::HandshakePayloadTooLarge);
        self.alert(refused.alert, self.shown, reply);
        refused.error.into()
    }

    fn alert(&mut self, alert: AlertDescription, seen: usize, reply: &mut Vec<u8>) {
        self.inner.refuse(alert, seen, reply);
    }

    /// Lets rustls read the next record on the wire, where `used` bytes are already used. `false` if it is not complete.
    fn show(&mut self, used: usize) -> Result<bool, Refused> {
        let state = self.inner.common();
        if state.handshake_kind() == Some(HandshakeKind::FullWithHelloRetryRequest) {
            self.hellos.retried(self.wire.get(..used).unwrap_or_default());
        }
        let version = state.protocol_version();
        let unseen = self.wire.get(self.shown..).unwrap_or_default();
        let next = match &mut self.hellos {
            // Until rustls reads the second hello, it completes no key exchange.
            Hellos::Due(due) if state.negotiated_key_exchange_group().is_none() => {
                due.look(unseen, |bytes| shape(bytes, version))?
            }
            // rustls accepted a second hello that was not compared with the first. This cannot happen.
            Hellos::Due(_) => return Err(Refused::by(PeerMisbehaved::RefusedToFollowHelloRetryRequest)),
            _ => shape(unseen, version)?.map_or(Next::Wait, |record| Next::Show(record.end)),
        };
        match next {
            Next::Wait => return Ok(false),
            Next::Show(count) => self.shown += count,
            Next::Settle(count) => {
                self.shown += count;
                self.hellos = Hellos::Settled;
            }
        }
        Ok(true)
    }

    /// Returns rustls's connection and the unused bytes, for callers that continue with rustls alone.
    pub fn into_connection(self) -> (Connection, Vec<u8>) {
        (self.inner.into_connection(), self.wire)
    }

    /// Hands over to `layer`. Fails if the handshake is not done.
    pub fn finish(self, layer: Layer) -> Result<Finished, RecordError> {
        let negotiated = Negotiated::of(self.inner.common()).ok_or(Error::HandshakeNotComplete)?;
        let Self { inner, plain, wire, closed, .. } = self;
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
