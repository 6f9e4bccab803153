//! The record layer after (and, with rustls, during) the handshake: bytes in, bytes out, no I/O.
//! Must not know: sockets, certificates, backends.
//!
//! This is the seam at which tlsgate's own record layer will stand beside rustls's.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};
use rustls::{AlertDescription, Error};
use thiserror::Error as ThisError;

/// One side of a TLS connection.
pub struct Records {
    connection: UnbufferedServerConnection,
    /// Bytes off the wire that are not opened yet. rustls keeps offsets into it between calls, so that it must be
    /// shown whole every time and only be appended to from outside.
    wire: Vec<u8>,
    peer_closed: bool,
}

/// The peer broke the protocol, or sent a fatal alert.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[error("{error}")]
pub struct RecordError {
    pub error: Error,
    /// The alert that the peer sent, if that is what ended it.
    pub received_alert: Option<AlertDescription>,
}

impl Records {
    /// Takes over a connection, with the bytes that it is to see first.
    pub fn new(connection: UnbufferedServerConnection, wire: Vec<u8>) -> Self {
        Self { connection, wire, peer_closed: false }
    }

    /// Where bytes off the wire are appended. Nothing else may be done to it.
    pub fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// The rustls connection, for what was negotiated.
    pub fn negotiated(&self) -> &UnbufferedServerConnection {
        &self.connection
    }

    /// Whether the peer has ended its data with close_notify.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Opens every whole record in the wire buffer. Plaintext is appended to `plain`, and what the protocol itself has to
    /// say (handshake messages, key updates, alerts; the alert also when this fails) to `reply`.
    pub fn open(&mut self, plain: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<(), RecordError> {
        loop {
            let status = self.connection.process_tls_records(&mut self.wire);
            let mut discard = status.discard;
            let mut blocked = false;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(RecordError::from)?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, reply)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(_) => blocked = true,
                Err(error) => {
                    self.last_words(reply);
                    return Err(error.into());
                }
            }
            self.wire.drain(..discard);
            if blocked {
                return Ok(());
            }
        }
    }

    /// Seals `plain` into records appended to `sealed`. All whole records in the wire buffer must have been opened.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        self.write(sealed, plain.len() + overhead(plain.len()), |traffic, out| traffic.encrypt(plain, out))
    }

    /// Seals close_notify: the end of this side's data.
    pub fn seal_close(&mut self, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        self.write(sealed, overhead(0), |traffic, out| traffic.queue_close_notify(out))
    }

    fn write(
        &mut self,
        sealed: &mut Vec<u8>,
        room: usize,
        mut seal: impl FnMut(
            &mut WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), RecordError> {
        loop {
            let status = self.connection.process_tls_records(&mut self.wire);
            let discard = status.discard;
            let mut written = false;
            match status.state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = sealed.len();
                    sealed.resize(start + room, 0);
                    let mut result = seal(&mut traffic, &mut sealed[start..]);
                    if let Err(EncryptError::InsufficientSize(short)) = &result {
                        // A key update that rides in front makes it larger than the estimate.
                        sealed.resize(start + short.required_size, 0);
                        result = seal(&mut traffic, &mut sealed[start..]);
                    }
                    let length = result.as_ref().copied().unwrap_or(0);
                    sealed.truncate(start + length);
                    result.map_err(|error| Error::General(error.to_string()))?;
                    written = true;
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(_) => return Err(Error::General("records were sealed before all were opened".into()).into()),
                Err(error) => return Err(error.into()),
            }
            self.wire.drain(..discard);
            if written {
                return Ok(());
            }
        }
    }

    /// After an error rustls still holds the alert that tells the peer. It is asked for no more than that: with nothing left
    /// to send it would look at the bad record again.
    fn last_words(&mut self, reply: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let encoded = match self.connection.process_tls_records(&mut self.wire).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, reply).is_ok(),
                _ => false,
            };
            if !encoded {
                return;
            }
        }
    }
}

impl From<Error> for RecordError {
    fn from(error: Error) -> Self {
        let received_alert = match error {
            Error::AlertReceived(description) => Some(description),
            _ => None,
        };
        Self { error, received_alert }
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

/// Header, explicit nonce, inner content type and tag of each record that `length` bytes of plaintext need, plus one
/// record that may ride in front.
fn overhead(length: usize) -> usize {
    const PER_RECORD: usize = 5 + 8 + 1 + 16;
    (length / MAX_FRAGMENT + 2) * PER_RECORD
}

/// RFC 8446 section 5.1.
const MAX_FRAGMENT: usize = 1 << 14;
