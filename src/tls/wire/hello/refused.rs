//! Faults in a client's first bytes, found as early as possible: records that cannot contain a ClientHello, other messages,
//! invalid server names. Must not know: the contents of a valid ClientHello.

use rustls::{AlertDescription, ContentType, Error, HandshakeType, InvalidMessage, PeerMisbehaved};

use super::{HelloError, handshake_payload, skip_to_extensions};
use crate::tls::wire::codes::extensions::SERVER_NAME;
use crate::tls::wire::codes::framing::{ALERT, CLIENT_HELLO, HANDSHAKE, HOST_NAME, MAX_FRAGMENT, RECORD_HEADER};
use crate::tls::wire::cursor::Cursor;

/// Checks records as they arrive.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Where the first incomplete record begins.
    at: usize,
    /// How many bytes of the handshake message are in the records before it.
    before: usize,
    /// The message's type and length, as far as they have arrived.
    head: [u8; 4],
}

impl Walk {
    /// Checks all that has arrived so far. rustls would wait for the rest of what is refused here, or refuse it without an
    /// alert.
    pub(super) fn advance(&mut self, raw: &[u8]) -> Result<(), HelloError> {
        while let Some(&[kind, _, _, high, low]) = raw.get(self.at..).and_then(<[u8]>::first_chunk) {
            // The message is complete: what follows it is not checked here.
            if self.before >= self.head.len() + self.length() && self.before > 0 {
                return Ok(());
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            let start = self.at + RECORD_HEADER;
            let content = raw.get(start..raw.len().min(start + length)).unwrap_or_default();
            match kind {
                HANDSHAKE => self.handshake(length, content)?,
                // Only the very first record can be an alert instead of a hello.
                ALERT if self.at == 0 => return alert(length, content),
                // RFC 8446 section 5.1: no other record may come between the parts of a handshake message.
                _ => return Err(HelloError::by(&PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into())),
            }
            if content.len() < length {
                return Ok(());
            }
            self.before += length;
            self.at = start + length;
        }
        Ok(())
    }

    /// Checks one handshake record (RFC 8446 section 5.1), and that the message begins as a ClientHello does.
    fn handshake(&mut self, length: usize, content: &[u8]) -> Result<(), HelloError> {
        if length == 0 {
            return Err(HelloError::by(&InvalidMessage::InvalidEmptyPayload.into()));
        }
        if length > MAX_FRAGMENT {
            return Err(HelloError::by(&Error::PeerSentOversizedRecord));
        }
        for (place, byte) in self.head.iter_mut().skip(self.before).zip(content) {
            *place = *byte;
        }
        let known = self.before + content.len();
        if known > 0 && self.head[0] != CLIENT_HELLO {
            let got_type = HandshakeType::from(self.head[0]);
            let expect_types = vec![HandshakeType::ClientHello];
            return Err(HelloError::by(&Error::InappropriateHandshakeMessage { expect_types, got_type }));
        }
        if known >= self.head.len() && self.length() > LONGEST_MESSAGE {
            return Err(HelloError::TooLarge);
        }
        Ok(())
    }

    fn length(&self) -> usize {
        let [_, high, middle, low] = self.head;
        u32::from_be_bytes([0, high, middle, low]) as usize
    }
}

/// An alert instead of a ClientHello: the client gives up.
fn alert(length: usize, content: &[u8]) -> Result<(), HelloError> {
    match content {
        _ if length != 2 => {
            let error = Error::InappropriateMessage {
                expect_types: vec![ContentType::Handshake],
                got_type: ContentType::Alert,
            };
            Err(HelloError::by(&error))
        }
        [_, description] => Err(HelloError::Alert(AlertDescription::from(*description))),
        _ => Ok(()),
    }
}

/// What is wrong with the server name of a ClientHello that rustls refuses with this error. `None` if the name is not the
/// cause.
pub(super) fn server_name_reason(error: &Error, raw: &[u8]) -> Option<String> {
    // rustls has one error for every empty value, and one for every bad server name: the bytes show which it is.
    let empty = Error::from(InvalidMessage::IllegalEmptyValue);
    if *error != empty && *error != PeerMisbehaved::ServerNameMustContainOneHostName.into() {
        return None;
    }
    let message = handshake_payload(raw)?;
    let mut body = Cursor(&message);
    skip_to_extensions(&mut body)?;
    let mut extensions = body.vector16()?;
    loop {
        let (kind, mut data) = (extensions.u16()?, extensions.vector16()?);
        if kind != SERVER_NAME {
            continue;
        }
        let mut list = data.vector16()?;
        return match (list.u8()?, list.vector16()?.0) {
            (HOST_NAME, []) => Some("the server name is empty".to_owned()),
            // An empty value in another extension.
            _ if *error == empty => None,
            _ if !list.0.is_empty() => Some("the ClientHello has several server names".to_owned()),
            (HOST_NAME, name) => Some(format!("server name \"{}\" is not a host name", shown(name))),
            (kind, _) => Some(format!("the server name has the unknown type {kind}")),
        };
    }
}

/// Bytes from an unknown client, for a log: as escaped ASCII, of limited length.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..MOST_SHOWN) {
        Some(front) if bytes.len() > MOST_SHOWN => format!("{}...", front.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// More than the 63 bytes of the longest DNS label.
const MOST_SHOWN: usize = 80;

/// rustls accepts no longer messages.
const LONGEST_MESSAGE: usize = 0xffff;
