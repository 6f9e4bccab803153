//! LDAPMessages (RFC 4511 section 4.1.1) and extended requests (section 4.12), read and written.
//! Must not know: which of them is an answer to what.

use thiserror::Error;

use crate::ldap::ber::{self, BerError, Element, INTEGER, SEQUENCE, Tag};

/// One message, borrowed from the bytes that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// From 0 to 2³¹ − 1. Only servers use 0, for unsolicited notifications (section 4.4).
    pub id: u32,
    /// The operation, with its tag.
    pub operation: Element<'a>,
    /// The bytes after the operation: controls, or components that later standards may add. They are not checked.
    pub rest: &'a [u8],
    /// How many bytes the whole message takes.
    pub size: usize,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    #[error("is not an LDAP message")]
    NotLdap,
    #[error("is not LDAP: {0}")]
    Ber(#[from] BerError),
    /// The message has no ID, or a negative one, or one above 2³¹ − 1.
    #[error("has no valid message ID")]
    Id,
}

/// An ExtendedRequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedRequest<'a> {
    /// The OID in dotted form.
    pub name: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// The message at the beginning, whose content may have at most `limit` bytes; `None` until it is complete. An
    /// error is returned at the first byte that cannot belong to a message.
    pub fn read(bytes: &'a [u8], limit: usize) -> Result<Option<Self>, MessageError> {
        if bytes.first().is_some_and(|first| *first != SEQUENCE.0) {
            return Err(MessageError::NotLdap);
        }
        let (whole, behind) = match ber::element(bytes, limit) {
            Err(BerError::Truncated) => return Ok(None),
            element => element?,
        };
        // The element is complete, so a value that is cut short inside it is an error and not a reason to wait for
        // more.
        let (id, rest) = ber::element(whole.content, limit)?;
        let (operation, rest) = ber::element(rest, limit)?;
        let id = ber::number(id.content).filter(|_| id.tag == INTEGER).ok_or(MessageError::Id)?;
        Ok(Some(Self { id, operation, rest, size: bytes.len() - behind.len() }))
    }

    /// Whether the message has a critical control (section 4.1.11). Fails if [`Message::rest`] is neither empty nor a
    /// list of controls.
    pub fn has_critical_control(&self, limit: usize) -> Result<bool, MessageError> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        let (controls, end) = ber::element(self.rest, limit)?;
        if controls.tag != CONTROLS || !end.is_empty() {
            return Err(MessageError::NotLdap);
        }
        let (mut list, mut critical) = (controls.content, false);
        while !list.is_empty() {
            let (control, others) = ber::element(list, limit)?;
            let (_oid, more) = ber::element(control.content, limit)?;
            // criticality BOOLEAN DEFAULT FALSE: tag 1, length 1, and any value but zero is true.
            if let [1, 1, criticality, ..] = more {
                critical |= *criticality != 0;
            }
            list = others;
        }
        Ok(critical)
    }
}

impl<'a> ExtendedRequest<'a> {
    /// `None` if `content` is not that of an extended request.
    pub fn read(content: &'a [u8]) -> Option<Self> {
        // No limit here: the message around it was within its own.
        let (name, rest) = ber::element(content, usize::MAX).ok()?;
        let value = match rest {
            [] => None,
            _ => Some(ber::element(rest, usize::MAX).ok().filter(|(_, end)| end.is_empty())?.0),
        };
        let is_one = name.tag == REQUEST_NAME && value.is_none_or(|value| value.tag == REQUEST_VALUE);
        is_one.then_some(Self { name: name.content, value: value.map(|value| value.content) })
    }
}

/// A message without controls; `content` is the operation's, in parts.
pub fn encoded(id: u32, operation: Tag, content: &[&[u8]]) -> Vec<u8> {
    ber::encoded(SEQUENCE, &[&ber::encoded_number(INTEGER, id), &ber::encoded(operation, content)])
}

/// An ExtendedRequest for StartTLS (section 4.14.1).
pub fn start_tls_request(id: u32) -> Vec<u8> {
    encoded(id, EXTENDED_REQUEST, &[&ber::encoded(REQUEST_NAME, &[START_TLS])])
}

/// The name of the StartTLS request (section 4.14.1).
pub const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The name of the notice of disconnection (section 4.4.1).
pub const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

/// BindRequest (section 4.2).
pub const BIND_REQUEST: Tag = Tag(0x60);
/// BindResponse (section 4.2.2).
pub const BIND_RESPONSE: Tag = Tag(0x61);
/// UnbindRequest (section 4.3).
pub const UNBIND_REQUEST: Tag = Tag(0x42);
/// SearchRequest (section 4.5.1).
pub const SEARCH_REQUEST: Tag = Tag(0x63);
/// SearchResultEntry (section 4.5.2).
pub const SEARCH_ENTRY: Tag = Tag(0x64);
/// SearchResultDone (section 4.5.2).
pub const SEARCH_DONE: Tag = Tag(0x65);
/// AbandonRequest (section 4.11).
pub const ABANDON_REQUEST: Tag = Tag(0x50);
/// ExtendedRequest (section 4.12).
pub const EXTENDED_REQUEST: Tag = Tag(0x77);
/// ExtendedResponse (section 4.12).
pub const EXTENDED_RESPONSE: Tag = Tag(0x78);

const CONTROLS: Tag = Tag(0xa0);
const REQUEST_NAME: Tag = Tag(0x80);
const REQUEST_VALUE: Tag = Tag(0x81);

/// The tag of the response to a request: bind, search, modify, add, delete, modify DN, compare, extended. `None` for
/// any other tag.
pub fn response_to(request: Tag) -> Option<Tag> {
    Some(match request {
        BIND_REQUEST => BIND_RESPONSE,
        SEARCH_REQUEST => SEARCH_DONE,
        Tag(0x66) => Tag(0x67),
        Tag(0x68) => Tag(0x69),
        Tag(0x4a) => Tag(0x6b),
        Tag(0x6c) => Tag(0x6d),
        Tag(0x6e) => Tag(0x6f),
        EXTENDED_REQUEST => EXTENDED_RESPONSE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    #[test]
    fn a_message_is_read_when_its_last_byte_is_there() {
        let mut bytes = start_tls_request(5);
        assert_eq!(bytes, b"\x30\x1d\x02\x01\x05\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
        for end in 0..bytes.len() {
            assert_eq!(Message::read(&bytes[..end], LIMIT), Ok(None), "{end}");
        }
        let size = bytes.len();
        bytes.push(0x16);
        let message = Message::read(&bytes, LIMIT).unwrap().unwrap();
        assert_eq!(
            (message.id, message.operation.tag, message.rest, message.size),
            (5, EXTENDED_REQUEST, &[][..], size)
        );
        let request = ExtendedRequest::read(message.operation.content);
        assert_eq!(request, Some(ExtendedRequest { name: START_TLS, value: None }));
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_reason() {
        for (bytes, reason) in [
            (&b"H"[..], "is not an LDAP message"),
            (b"\x16\x03\x01", "is not an LDAP message"),
            (b"\x30\x80", "is not LDAP: a length is indefinite"),
            (b"\x30\x82\x03\xe9", "is not LDAP: a value is longer than 1000 bytes"),
            (b"\x30\x00", "is not LDAP: a value is cut short"),
            (b"\x30\x03\x02\x01\x01", "is not LDAP: a value is cut short"),
            (b"\x30\x05\x02\x01\x01\x42\x05", "is not LDAP: a value is cut short"),
            (b"\x30\x05\x02\x01\xff\x42\x00", "has no valid message ID"),
            (b"\x30\x05\x04\x01\x01\x42\x00", "has no valid message ID"),
        ] {
            assert_eq!(
                Message::read(bytes, LIMIT).map_err(|error| error.to_string()),
                Err(reason.into()),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn controls_are_a_list_or_an_error() {
        let critical = |rest: &[u8]| {
            let bytes = [b"\x02\x01\x01\x42\x00", rest].concat();
            let bytes = ber::encoded(SEQUENCE, &[&bytes]);
            Message::read(&bytes, LIMIT).unwrap().unwrap().has_critical_control(LIMIT)
        };
        assert_eq!(critical(b""), Ok(false));
        assert_eq!(critical(b"\xa0\x00"), Ok(false));
        assert_eq!(critical(b"\xa0\x0a\x30\x08\x04\x03abc\x01\x01\x00"), Ok(false));
        assert_eq!(critical(b"\xa0\x0a\x30\x08\x04\x03abc\x01\x01\xff"), Ok(true));
        assert_eq!(critical(b"\xa1\x00"), Err(MessageError::NotLdap));
        assert_eq!(critical(b"\xa0\x00\x00"), Err(MessageError::NotLdap));
        assert_eq!(critical(b"\xa0\x02\x30\x05"), Err(MessageError::Ber(BerError::Truncated)));
    }
}
