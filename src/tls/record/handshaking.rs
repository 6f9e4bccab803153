//! A handshake of either side, by rustls: bytes in, bytes out, until it is done. Must not know: sockets, who the peer is.
//!
//! rustls is shown one record after the other, and none before it has done what it can with those before. So it never
//! gets beyond the peer's last message: what comes behind that is for the record layer that takes over. And a second
//! ClientHello is looked at here first (`second`).

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

/// A handshake under way.
pub struct Handshaking {
    inner: library::Records,
    /// Bytes off the wire that are not used yet.
    wire: Vec<u8>,
    /// So many of them rustls has seen; it remembers where in them it has got to.
    shown: usize,
    hellos: Hellos,
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
    /// The server's side; `wire` is what has come from the client so far, which begins with its whole ClientHello.
    pub fn server(connection: UnbufferedServerConnection, wire: Vec<u8>) -> Self {
        let hellos = Hellos::of(&wire);
        Self::new(Connection::Server(connection), wire, hellos)
    }

    /// The client's side; [`advance`](Self::advance) gives the ClientHello first.
    pub fn client(connection: UnbufferedClientConnection) -> Self {
        Self::new(Connection::Client(connection), Vec::new(), Hellos::Settled)
    }

    fn new(connection: Connection, wire: Vec<u8>, hellos: Hellos) -> Self {
        Self { inner: library::Records::new(connection), wire, shown: 0, hellos, plain: Vec::new(), closed: false }
    }

    /// Where bytes off the wire are appended. Nothing else may be done to it.
    pub fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// Goes on as far as the bytes allow. What the peer has to be sent is appended to `reply`, also when this fails: then
    /// it ends with the alert that RFC 8446 section 6.2 has for that, whether rustls sends it by itself or not.
    /// `true` when the handshake is done.
    pub fn advance(&mut self, reply: &mut Vec<u8>) -> Result<bool, RecordError> {
        let mut used = 0;
        let advanced = loop {
            let state = self.inner.common();
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
                    let alert = fault::alert(&error.error).filter(|_| reply.len() == written);
                    if let Some(alert) = alert {
                        self.alert(alert, self.shown - used, reply);
                    }
                    break Err(error);
                }
            }
        };
        self.wire.drain(..used);
        self.shown -= used;
        advanced
    }

    /// Ends the handshake: the peer has sent more than a handshake can take.
    pub fn overflow(&mut self, reply: &mut Vec<u8>) -> RecordError {
        let refused = Refused::by(InvalidMessage::HandshakePayloadTooLarge);
        self.alert(refused.alert, self.shown, reply);
        refused.error.into()
    }

    fn alert(&mut self, alert: AlertDescription, seen: usize, reply: &mut Vec<u8>) {
        self.inner.refuse(alert, seen, reply);
    }

    /// Shows rustls what comes next on the wire, of which `used` bytes are done with. `false` when there is nothing whole.
    fn show(&mut self, used: usize) -> Result<bool, Refused> {
        let state = self.inner.common();
        if state.handshake_kind() == Some(HandshakeKind::FullWithHelloRetryRequest) {
            self.hellos.retried(self.wire.get(..used).unwrap_or_default());
        }
        let version = state.protocol_version();
        let unseen = self.wire.get(self.shown..).unwrap_or_default();
        let next = match &mut self.hellos {
            Hellos::Due(due) if state.negotiated_key_exchange_group().is_none() => {
                due.look(unseen, |bytes| shape(bytes, version))?
            }
            // It got through unseen, which cannot be.
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

    /// rustls's connection, for who has other plans with it, and the bytes that it has not used.
    pub fn into_connection(self) -> (Connection, Vec<u8>) {
        (self.inner.into_connection(), self.wire)
    }

    /// Hands over to `layer`. Fails where the handshake is not done.
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
