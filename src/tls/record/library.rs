//! rustls's record layer behind the same interface as tlsgate's own: for the handshake, for users who choose it, and as the
//! reference in tests. Must not know: sockets, certificates.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{AlertDescription, CommonState, Error, ProtocolVersion};

use crate::tls::record::interface::{Opened, RecordError, Room};
use crate::tls::wire::alert;
use crate::tls::wire::codes::framing::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, RECORD_HEADER};

/// rustls's connection of either side.
pub enum Connection {
    /// The server's side.
    Server(UnbufferedServerConnection),
    /// The client's side.
    Client(UnbufferedClientConnection),
}

/// The reference record layer.
pub struct Records {
    connection: Connection,
    /// The unused bytes after the last call of `open`, once the handshake is done. rustls keeps offsets into them, so it
    /// must get them again when it seals.
    tail: Vec<u8>,
    /// Whether this side already encrypts its records.
    protecting: bool,
}

/// Evaluates one expression for either side.
macro_rules! either {
    ($connection:expr, $inner:ident => $body:expr) => {
        match $connection {
            Connection::Server($inner) => $body,
            Connection::Client($inner) => $body,
        }
    };
}

impl Records {
    /// Wraps rustls's connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection, tail: Vec::new(), protecting: false }
    }

    /// rustls's state of the connection.
    pub fn common(&self) -> &CommonState {
        either!(&self.connection, inner => inner)
    }

    /// Returns rustls's connection.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    pub(super) fn open(&mut self, wire: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        let written = reply.len();
        let opened = either!(&mut self.connection, inner => open(inner, wire, reply));
        // rustls does not report when it begins to encrypt; the type of its first record shows it.
        self.protecting |= match reply.get(written) {
            Some(&APPLICATION_DATA) => true,
            Some(&CHANGE_CIPHER_SPEC) => self.common().protocol_version() == Some(ProtocolVersion::TLSv1_2),
            _ => false,
        };
        self.tail.clear();
        // During a handshake nothing is sealed, so no copy is needed. A copy for each record of a long message would take
        // time that grows with the square of its length, and be out of date when the handshake is done.
        if opened == Ok(Opened::Incomplete) && !self.common().is_handshaking() {
            self.tail.extend_from_slice(wire);
            // Idle connections are many, and most have nothing left.
            self.tail.shrink_to_fit();
        }
        opened
    }

    /// Appends a fatal alert during the handshake, for a fault to which rustls sends none. `seen` is the number of unused
    /// bytes that rustls has already got. Once this side encrypts, only rustls can seal the alert, and it sends only alerts
    /// of its own: a record that it cannot read makes it send decode_error, which fits best.
    pub(super) fn refuse(&mut self, alert: AlertDescription, seen: usize, reply: &mut Vec<u8>) {
        if !self.protecting {
            reply.extend_from_slice(&alert::plaintext(alert));
            return;
        }
        // rustls continues at an offset that only it knows: from any of them on, these bytes are not a TLS record.
        let mut noise = vec![0xff; seen + RECORD_HEADER];
        either!(&mut self.connection, inner => {
            if inner.process(&mut noise).state.is_err() {
                pending_alert(inner, &mut noise, reply);
            }
        });
    }

    /// Enough for every suite: RFC 8446 section 5.2; in TLS 1.2 RFC 5288 section 3 (explicit nonce) or RFC 7905 section 2.
    pub(super) fn room(&self) -> Room {
        let tls13 = self.common().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        Room { before: RECORD_HEADER + EXPLICIT_NONCE, after: usize::from(tls13) + TAG }
    }

    pub(super) fn seal(&mut self, slots: &mut [u8], count: usize, front: &mut Vec<u8>) -> Result<usize, RecordError> {
        let room = self.room();
        // rustls cannot seal in place, and splits the data into records itself.
        let mut plain = Vec::with_capacity(count);
        room.pieces(count).for_each(|piece| plain.extend_from_slice(&slots[piece]));
        let mut sealed = Vec::new();
        let space = count + room.pieces(count).len() * (room.before + room.after);
        either!(&mut self.connection, inner => write(inner, &mut self.tail, &mut sealed, space, |traffic, out| traffic.encrypt(&plain, out)))?;
        // The records are longer than the slots only if there is a KeyUpdate before them.
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
            // The plaintext is shorter than the records that contained it, so it fits there.
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
            pending_alert(connection, wire, reply);
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
                    // A KeyUpdate before the data makes the result larger than the estimate.
                    sealed.resize(start + short.required_size, 0);
                    result = seal(&mut traffic, &mut sealed[start..]);
                }
                let length = result.as_ref().copied().unwrap_or(0);
                sealed.truncate(start + length);
                return result.map(drop).map_err(|error| Error::General(error.to_string()).into());
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed)?,
            Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
            // The peer has ended its data; this side may go on, and the next state shows that.
            Ok(ConnectionState::PeerClosed) => {}
            Ok(_) => return Err(Error::General("the connection can send no more data".into()).into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// After an error rustls still holds the alert for the peer: appends it. The loop ends as soon as nothing is left to send,
/// because rustls would then read the bad record again.
fn pending_alert(connection: &mut impl Unbuffered, wire: &mut [u8], reply: &mut Vec<u8>) {
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

    /// A peer may send each byte of a long message in its own record.
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
