//! rustls's record layer behind the interface of our own: during the handshake, for those who want it after that, and as
//! the reference that ours is tested against. Must not know: sockets, certificates.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{AlertDescription, CommonState, Error, ProtocolVersion};

use crate::tls::record::interface::{Opened, RecordError, Room};
use crate::tls::wire::alert;
use crate::tls::wire::codes::framing::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, RECORD_HEADER};

/// rustls's connection of either side.
pub enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// The reference record layer.
pub struct Records {
    connection: Connection,
    /// What was left on the wire when it was last looked at, once the handshake is done. rustls keeps offsets into it, and
    /// has to be shown it again also when it seals.
    tail: Vec<u8>,
    /// This side's records are encrypted by now.
    protecting: bool,
}

/// Does the same with either side.
macro_rules! either {
    ($connection:expr, $inner:ident => $body:expr) => {
        match $connection {
            Connection::Server($inner) => $body,
            Connection::Client($inner) => $body,
        }
    };
}

impl Records {
    pub fn new(connection: Connection) -> Self {
        Self { connection, tail: Vec::new(), protecting: false }
    }

    /// rustls's view of the connection.
    pub fn common(&self) -> &CommonState {
        either!(&self.connection, inner => inner)
    }

    pub fn into_connection(self) -> Connection {
        self.connection
    }

    pub(super) fn open(&mut self, wire: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        let written = reply.len();
        let opened = either!(&mut self.connection, inner => open(inner, wire, reply));
        // What encrypts is what comes after this: in TLS 1.3 there is no other sign of it.
        self.protecting |= match reply.get(written) {
            Some(&APPLICATION_DATA) => true,
            Some(&CHANGE_CIPHER_SPEC) => self.common().protocol_version() == Some(ProtocolVersion::TLSv1_2),
            _ => false,
        };
        self.tail.clear();
        // During a handshake nothing is sealed: a copy for each record of a long message would cost its square, and be out
        // of date when the handshake is done.
        if opened == Ok(Opened::Incomplete) && !self.common().is_handshaking() {
            self.tail.extend_from_slice(wire);
            self.tail.shrink_to_fit();
        }
        opened
    }

    /// Appends a fatal alert during the handshake, where rustls sends none by itself. `seen` is how many unused bytes rustls
    /// has been shown. Once this side encrypts, only rustls can seal it, and of those that it can be brought to send,
    /// decode_error is what fits a peer that it has not understood.
    pub(super) fn refuse(&mut self, alert: AlertDescription, seen: usize, reply: &mut Vec<u8>) {
        if !self.protecting {
            reply.extend_from_slice(&alert::plaintext(alert));
            return;
        }
        // Wherever it goes on reading, there is a record of a type that TLS does not have.
        let mut noise = vec![0xff; seen + RECORD_HEADER];
        either!(&mut self.connection, inner => {
            if inner.process(&mut noise).state.is_err() {
                last_words(inner, &mut noise, reply);
            }
        });
    }

    /// RFC 8446 section 5.2; in TLS 1.2 RFC 5288 section 3 (the explicit nonce) or RFC 7905 section 2.
    pub(super) fn room(&self) -> Room {
        let tls13 = self.common().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        Room { before: RECORD_HEADER + EXPLICIT_NONCE, after: usize::from(tls13) + TAG }
    }

    pub(super) fn seal(&mut self, slots: &mut [u8], count: usize, front: &mut Vec<u8>) -> Result<usize, RecordError> {
        let room = self.room();
        let mut plain = Vec::with_capacity(count);
        room.pieces(count).for_each(|piece| plain.extend_from_slice(&slots[piece]));
        let mut sealed = Vec::new();
        let space = count + room.pieces(count).len() * (room.before + room.after);
        either!(&mut self.connection, inner => write(inner, &mut self.tail, &mut sealed, space, |traffic, out| traffic.encrypt(&plain, out)))?;
        // It is longer than its slots only where a key update rides in front.
        let fits = sealed.len().min(slots.len());
        let ahead = sealed.len() - fits;
        front.extend_from_slice(&sealed[..ahead]);
        slots[..fits].copy_from_slice(&sealed[ahead..]);
        Ok(fits)
    }

    pub(super) fn seal_close(&mut self, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        let room = self.room();
        let space = 2 + room.before + room.after;
        either!(&mut self.connection, inner => write(inner, &mut self.tail, sealed, space, |traffic, out| traffic.queue_close_notify(out)))
    }
}

/// What both kinds of connection can do.
trait Unbuffered {
    type Data;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn wants_write(&self) -> bool;
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

fn open(connection: &mut impl Unbuffered, wire: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
    let status = connection.process(wire);
    let consumed = status.discard;
    match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let (mut plain, mut consumed) = (Vec::new(), consumed);
            while let Some(record) = traffic.next_record() {
                let record = record.map_err(RecordError::from)?;
                consumed += record.discard;
                plain.extend_from_slice(record.payload);
            }
            // It was sealed in bytes that are consumed, so it fits there.
            wire[..plain.len()].copy_from_slice(&plain);
            Ok(Opened::Data { consumed, plain: 0..plain.len() })
        }
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, reply).map(|()| Opened::Other { consumed }),
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Ok(Opened::Other { consumed })
        }
        Ok(ConnectionState::PeerClosed) => Ok(Opened::Closed),
        Ok(_) if consumed > 0 => Ok(Opened::Other { consumed }),
        Ok(_) => Ok(Opened::Incomplete),
        Err(error) => {
            last_words(connection, wire, reply);
            Err(error.into())
        }
    }
}

fn write<C: Unbuffered>(
    connection: &mut C,
    tail: &mut [u8],
    sealed: &mut Vec<u8>,
    space: usize,
    mut seal: impl FnMut(&mut WriteTraffic<'_, C::Data>, &mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), RecordError> {
    loop {
        match connection.process(tail).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let start = sealed.len();
                sealed.resize(start + space, 0);
                let mut result = seal(&mut traffic, &mut sealed[start..]);
                if let Err(EncryptError::InsufficientSize(short)) = &result {
                    // A key update that rides in front makes it larger than the estimate.
                    sealed.resize(start + short.required_size, 0);
                    result = seal(&mut traffic, &mut sealed[start..]);
                }
                let length = result.as_ref().copied().unwrap_or(0);
                sealed.truncate(start + length);
                return result.map(drop).map_err(|error| Error::General(error.to_string()).into());
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed)?,
            Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
            Ok(ConnectionState::PeerClosed) => {}
            Ok(_) => return Err(Error::General("there is nothing to seal with any more".into()).into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// After an error rustls still holds the alert that tells the peer. It is asked for no more than that: with nothing left
/// to send it would look at the bad record again.
fn last_words(connection: &mut impl Unbuffered, wire: &mut [u8], reply: &mut Vec<u8>) {
    while connection.wants_write() {
        let encoded = match connection.process(wire).state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, reply).is_ok(),
            _ => false,
        };
        if !encoded {
            return;
        }
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let start = out.len();
    loop {
        match data.encode(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(short)) => out.resize(start + short.required_size, 0),
            Err(EncodeError::AlreadyEncoded) => {
                return Err(Error::General("a handshake record was encoded twice".into()).into());
            }
        }
    }
}

const EXPLICIT_NONCE: usize = 8;
const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::record::tests::handshake::{SUITES, client, server};

    /// A peer may put each byte of a long message into a record of its own.
    #[test]
    fn nothing_is_copied_for_records_of_a_message_that_goes_on() {
        let mut hello = Vec::new();
        assert_eq!(client(SUITES[0]).advance(&mut hello), Ok(false));
        let message = &hello[RECORD_HEADER..];
        let mut records = Records::new(server(SUITES[0]).into_connection().0);
        let (mut wire, mut reply) = (Vec::new(), Vec::new());
        for byte in &message[..message.len() - 1] {
            wire.extend_from_slice(&[22, 3, 1, 0, 1, *byte]);
            assert_eq!(records.open(&mut wire, &mut reply), Ok(Opened::Incomplete));
            assert_eq!(records.tail.capacity(), 0);
        }
        wire.extend_from_slice(&[22, 3, 1, 0, 1, message[message.len() - 1]]);
        assert!(matches!(records.open(&mut wire, &mut reply), Ok(Opened::Other { .. })));
        assert_eq!(reply.first(), Some(&22));
    }
}
