//! Handshake messages after the handshake: key updates, session tickets, renegotiation; complete or in parts.
//! Must not know: records.

use rustls::{AlertDescription, Error, InvalidMessage, PeerMisbehaved};

use super::fragment::Fragment;
use super::{FatalAlert, Kernel, Records, Side, unexpected};
use crate::tls::wire::codes::framing::{ALERT, CLIENT_HELLO, HELLO_REQUEST, KEY_UPDATE, NEW_SESSION_TICKET, WARNING};

impl Records {
    /// Processes the content of one record.
    pub(super) fn handshake(&mut self, content: &[u8], reply: &mut Vec<u8>) -> Result<(), FatalAlert> {
        let joined;
        let mut rest = match std::mem::replace(&mut self.fragment, Fragment::None) {
            Fragment::None => content,
            Fragment::Skipped(left) if left > content.len() => {
                self.fragment = Fragment::Skipped(left - content.len());
                return Ok(());
            }
            Fragment::Skipped(left) => &content[left..],
            Fragment::Kept(mut begun) => {
                let wanted = wanted(&begun);
                begun.extend_from_slice(content);
                // It is looked at, and its rest copied, once and not for each record: 64 KiB may come in records of one byte.
                if begun.len() < wanted {
                    self.fragment = Fragment::Kept(begun);
                    return Ok(());
                }
                joined = begun;
                &joined
            }
        };
        while let Some(kind) = rest.first() {
            // A forbidden message is refused at its first byte: its length could be anything.
            self.expect_message(*kind)?;
            let Some((&[kind, high, middle, low], body)) = rest.split_first_chunk::<HEADER>() else {
                self.fragment = Fragment::Kept(rest.to_vec());
                return Ok(());
            };
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > longest(kind) {
                return Err((AlertDescription::DecodeError, InvalidMessage::HandshakePayloadTooLarge.into()));
            }
            let Some((message, others)) = body.split_at_checked(length) else {
                self.fragment = match kind {
                    // It is refused in any case, so its contents (up to 64 KiB) need not be kept.
                    CLIENT_HELLO => {
                        self.renegotiation(reply)?;
                        Fragment::Skipped(length - body.len())
                    }
                    _ => Fragment::Kept(rest.to_vec()),
                };
                return Ok(());
            };
            match kind {
                KEY_UPDATE => self.key_update(message, others.is_empty())?,
                NEW_SESSION_TICKET => self.ticket(message)?,
                _ => self.renegotiation(reply)?,
            }
            rest = others;
        }
        Ok(())
    }

    /// Which message each side may receive: RFC 8446 section 4.6, RFC 5246 sections 7.4.1.1 and 7.4.1.2.
    fn expect_message(&self, kind: u8) -> Result<(), FatalAlert> {
        let expected = match (self.format.is_tls13(), self.side) {
            (true, Side::Server) => kind == KEY_UPDATE,
            (true, Side::Client) => kind == KEY_UPDATE || kind == NEW_SESSION_TICKET,
            (false, Side::Server) => kind == CLIENT_HELLO,
            (false, Side::Client) => kind == HELLO_REQUEST,
        };
        let error = || Error::General(format!("unexpected handshake message of type {kind} after the handshake"));
        if expected { Ok(()) } else { Err((AlertDescription::UnexpectedMessage, error())) }
    }

    /// A KeyUpdate (RFC 8446 section 4.6.3). The answer is sent before the next data; one answer is enough for all requests
    /// until then.
    fn key_update(&mut self, message: &[u8], last: bool) -> Result<(), FatalAlert> {
        let &[request] = message else {
            return Err((AlertDescription::DecodeError, InvalidMessage::InvalidKeyUpdate.into()));
        };
        // RFC 8446 section 5.1: a message must not cross a change of keys.
        if !last {
            return Err(unexpected(PeerMisbehaved::KeyEpochWithPendingFragment));
        }
        let left = self.allowed.key_updates.checked_sub(1);
        self.allowed.key_updates = left.ok_or_else(|| unexpected(PeerMisbehaved::TooManyKeyUpdateRequests))?;
        match request {
            0 => {}
            1 => self.update_owed = true,
            _ => return Err((AlertDescription::IllegalParameter, InvalidMessage::InvalidKeyUpdate.into())),
        }
        self.update_opening().map_err(|error| (AlertDescription::InternalError, error))
    }

    /// A session ticket (RFC 8446 section 4.6.1): rustls checks and stores it.
    fn ticket(&mut self, message: &[u8]) -> Result<(), FatalAlert> {
        match &mut self.kernel {
            Some(Kernel::Client(kernel)) => {
                kernel.handle_new_session_ticket(message).map_err(|error| (AlertDescription::DecodeError, error))
            }
            _ => Ok(()),
        }
    }

    /// A request to renegotiate: refused with a warning (RFC 5246 section 7.2.2); the next one ends the connection.
    fn renegotiation(&mut self, reply: &mut Vec<u8>) -> Result<(), FatalAlert> {
        let left = self.allowed.renegotiations.checked_sub(1);
        self.allowed.renegotiations = left.ok_or_else(|| unexpected(PeerMisbehaved::TooManyRenegotiationRequests))?;
        self.seal_record(ALERT, &[WARNING, AlertDescription::NoRenegotiation.into()], reply)
            .map_err(|error| (AlertDescription::InternalError, error))
    }
}

/// The length of a message of which the first bytes have been looked at and kept; that of its header, until that is complete.
fn wanted(begun: &[u8]) -> usize {
    match begun {
        [_, high, middle, low, ..] => HEADER + u32::from_be_bytes([0, *high, *middle, *low]) as usize,
        _ => HEADER,
    }
}

/// The longest message of this type, in bytes.
fn longest(kind: u8) -> usize {
    match kind {
        // A ticket may have almost 64 KiB (RFC 8446 section 4.6.1); rustls accepts no longer messages either.
        NEW_SESSION_TICKET | CLIENT_HELLO => 0xffff,
        KEY_UPDATE => 1,
        _ => 0,
    }
}

/// A handshake message's type (one byte) and length (three bytes).
const HEADER: usize = 4;
