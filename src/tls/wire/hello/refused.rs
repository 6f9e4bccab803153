//! What is wrong with a client's first bytes, as soon as it shows: records that cannot hold a ClientHello, messages that are
//! none, server names that are none. Must not know: what a good ClientHello says.

use rustls::{AlertDescription, ContentType, Error, HandshakeType, InvalidMessage, PeerMisbehaved};

use super::{HelloError, handshake_payload, skip_to_extensions};
use crate::tls::wire::codes::extensions::SERVER_NAME;
use crate::tls::wire::codes::framing::{ALERT, CLIENT_HELLO, HANDSHAKE, HOST_NAME, MAX_FRAGMENT, RECORD_HEADER};
use crate::tls::wire::cursor::Cursor;

/// Walks over records as they come.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Where the record begins that is not whole yet.
    at: usize,
    /// How many bytes of handshake message stand in the records before it.
    before: usize,
    /// The message's type and length, as far as they came.
    head: [u8; 4],
}

impl Walk {
    /// Looks at all that came so far. rustls would wait for the rest of what is refused here, or refuse it without an alert.
    pub(super) fn advance(&mut self, raw: &[u8]) -> Result<(), HelloError> {
        while let Some(&[kind, _, _, high, low]) = raw.get(self.at..).and_then(<[u8]>::first_chunk) {
            if self.before >= self.head.len() + self.length() && self.before > 0 {
                return Ok(());
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            let start = self.at + RECORD_HEADER;
            let content = raw.get(start..raw.len().min(start + length)).unwrap_or_default();
            match kind {
                HANDSHAKE => self.handshake(length, content)?,
                ALERT if self.at == 0 => return alert(length, content),
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

    /// RFC 8446 section 5.1, and what a ClientHello begins with.
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

/// A client that gives up before it began.
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

/// What is wrong with the server name, in a ClientHello that rustls refuses with this error. `None` where it is not that.
pub(super) fn server_name_reason(error: &Error, raw: &[u8]) -> Option<String> {
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
            // Something else is empty.
            _ if *error == empty => None,
            _ if !list.0.is_empty() => Some("the ClientHello has several server names".to_owned()),
            (HOST_NAME, name) => Some(format!("server name \"{}\" is not a host name", shown(name))),
            (kind, _) => Some(format!("a server name of the unknown type {kind}")),
        };
    }
}

/// Bytes from a stranger, for a log: ASCII, escaped, and not too many.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..MOST_SHOWN) {
        Some(front) if bytes.len() > MOST_SHOWN => format!("{}...", front.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// As long as a label of DNS may be, and a bit.
const MOST_SHOWN: usize = 80;

/// rustls takes no longer ones.
const LONGEST_MESSAGE: usize = 0xffff;
