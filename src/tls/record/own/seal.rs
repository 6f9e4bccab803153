//! Sealing: content and its type → records. Must not know: what the content is.

use rustls::{AlertDescription, Error};

use super::key::{EXPLICIT_NONCE, Format, tls12_bound};
use super::{Records, State, VERSION};
use crate::tls::crypto::TAG_LEN;
use crate::tls::record::interface::RecordError;
use crate::tls::wire::codes::framing::{ALERT, APPLICATION_DATA, FATAL, HANDSHAKE, KEY_UPDATE, RECORD_HEADER, WARNING};

impl Records {
    /// See [`Records::seal`](crate::tls::record::Records::seal).
    pub(in crate::tls::record) fn seal(
        &mut self,
        slots: &mut [u8],
        count: usize,
        front: &mut Vec<u8>,
    ) -> Result<usize, RecordError> {
        if self.state == State::Dead {
            return Err(Error::General("the connection has ended with an alert".into()).into());
        }
        let room = self.room();
        let spent = !self.sealing.allows(self.format.cost(count));
        if self.format.is_tls13() && (spent || self.update_owed) {
            self.update_keys(front)?;
        } else if spent {
            // In TLS 1.2 only a renegotiation would give new keys, and tlsgate does not renegotiate.
            return Err(Error::General("the keys have encrypted as much data as AES-GCM allows".into()).into());
        }
        let mut length = 0;
        for piece in room.pieces(count) {
            let record = piece.start - room.before..piece.end + room.after;
            length = record.end;
            self.seal_in_place(APPLICATION_DATA, &mut slots[record])?;
        }
        Ok(length)
    }

    /// Appends close_notify (RFC 8446 section 6.1).
    pub(in crate::tls::record) fn seal_close(&mut self, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        // After a fatal alert nothing may be sent (RFC 8446 section 6.2), and the peer knows of the end.
        if self.state == State::Dead {
            return Ok(());
        }
        // It answers the peer's request: after close_notify nothing more can be sent.
        if self.update_owed {
            self.update_keys(sealed)?;
        }
        const CLOSE_NOTIFY: u8 = 0;
        Ok(self.seal_record(ALERT, &[WARNING, CLOSE_NOTIFY], sealed)?)
    }

    /// Appends a fatal alert, the last record of this side.
    pub(in crate::tls::record) fn seal_alert(
        mut self,
        alert: AlertDescription,
        sealed: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        // There can be only one (RFC 8446 section 6.2).
        if self.state == State::Dead {
            return Ok(());
        }
        Ok(self.seal_record(ALERT, &[FATAL, alert.into()], sealed)?)
    }

    /// Appends a KeyUpdate, the last record under the old keys, and changes to new ones (RFC 8446 section 4.6.3).
    fn update_keys(&mut self, sealed: &mut Vec<u8>) -> Result<(), Error> {
        const UPDATE_NOT_REQUESTED: u8 = 0;
        self.seal_record(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, UPDATE_NOT_REQUESTED], sealed)?;
        self.update_owed = false;
        self.update_sealing()
    }

    /// Appends one record with a message of the protocol itself.
    pub(super) fn seal_record(&mut self, kind: u8, content: &[u8], sealed: &mut Vec<u8>) -> Result<(), Error> {
        let room = self.room();
        let start = sealed.len();
        sealed.resize(start + room.before + content.len() + room.after, 0);
        sealed[start + room.before..][..content.len()].copy_from_slice(content);
        let result = self.seal_in_place(kind, &mut sealed[start..]);
        // An unsealed record must never be sent.
        if result.is_err() {
            sealed.truncate(start);
        }
        result
    }

    /// Seals a record in place. `record` is all of it; its content is already in the middle.
    fn seal_in_place(&mut self, kind: u8, record: &mut [u8]) -> Result<(), Error> {
        let length = record.len() - RECORD_HEADER;
        let (header, body) = record.split_at_mut(RECORD_HEADER);
        let (message, tag) = body.split_at_mut(length - TAG_LEN);
        let sealed = match self.format {
            Format::Tls13 => {
                // TLSInnerPlaintext without padding; the header is the additional data (RFC 8446 section 5.2).
                if let Some(inner) = message.last_mut() {
                    *inner = kind;
                }
                header.copy_from_slice(&head(APPLICATION_DATA, length));
                self.sealing.seal(header, message)?
            }
            Format::Tls12Gcm | Format::Tls12ChaCha => {
                let explicit = if self.format == Format::Tls12Gcm { EXPLICIT_NONCE } else { 0 };
                header.copy_from_slice(&head(kind, length));
                let (nonce, content) = message.split_at_mut(explicit);
                // The sequence number is unique for the key, so the nonce is too. ChaCha20-Poly1305 sends none of it.
                nonce.copy_from_slice(&self.sealing.nonce()[12 - explicit..]);
                let bound = tls12_bound(self.sealing.sequence(), kind, VERSION, content.len());
                self.sealing.seal(&bound, content)?
            }
        };
        tag.copy_from_slice(&sealed);
        Ok(())
    }
}

fn head(kind: u8, length: usize) -> [u8; RECORD_HEADER] {
    let [.., high, low] = length.to_be_bytes();
    [kind, VERSION[0], VERSION[1], high, low]
}
