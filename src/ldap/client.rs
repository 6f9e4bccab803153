//! The requests that tlsgate sends as a client, and what it expects as answers: a simple bind, the root entry,
//! StartTLS. There is one request at a time. Must not know: how bytes are sent and received, how long to wait.

use thiserror::Error;

use crate::ldap::ber::{self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, Tag};
use crate::ldap::message::{
    self, BIND_REQUEST, EXTENDED_RESPONSE, Message, MessageError, SEARCH_REQUEST, UNBIND_REQUEST,
};
use crate::ldap::result::{self, LdapResult, SUCCESS};

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The tag of its operation.
    pub operation: Tag,
    content: &'a [u8],
    /// How many bytes it takes.
    pub size: usize,
}

/// Why an answer is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerError {
    #[error("the answer {0}")]
    Message(#[from] MessageError),
    /// Its ID is not that of the request.
    #[error("the answer belongs to no request")]
    Unasked,
    #[error("the answer has no result code")]
    NoCode,
    /// It is the answer to another kind of request, or comes at the wrong point.
    #[error("the answer {0}")]
    Unexpected(&'static str),
    /// The server refuses, or ends the connection. `text` is the server's own, without control characters.
    #[error("{what}: {name} ({code}){}", .text.as_ref().map(|text| format!(": {text}")).unwrap_or_default(), name = result::name(*.code))]
    Refused { what: &'static str, code: u32, text: Option<String> },
    #[error("the server ends the connection")]
    Goodbye,
    #[error("the answer continues in clear text after StartTLS")]
    InTheClear,
}

impl<'a> Answer<'a> {
    /// The answer at the beginning of what was received; `None` until it is complete.
    pub fn read(received: &'a [u8]) -> Result<Option<Self>, AnswerError> {
        let message = match Message::read(received, LIMIT) {
            Ok(None) => return Ok(None),
            Ok(Some(message)) => message,
            Err(MessageError::Id) => return Err(AnswerError::Unasked),
            Err(error) => return Err(error.into()),
        };
        let answer = Self { operation: message.operation.tag, content: message.operation.content, size: message.size };
        match message.id {
            MESSAGE_ID => Ok(Some(answer)),
            // Section 4.4.1: a notice of disconnection has the message ID 0.
            0 if answer.operation == EXTENDED_RESPONSE => {
                answer.succeeded("the server ends the connection")?;
                Err(AnswerError::Goodbye)
            }
            _ => Err(AnswerError::Unasked),
        }
    }

    /// Fails with `otherwise` if its operation is another one.
    pub fn must_be(&self, operation: Tag, otherwise: &'static str) -> Result<(), AnswerError> {
        if self.operation == operation { Ok(()) } else { Err(AnswerError::Unexpected(otherwise)) }
    }

    /// Fails if its result code is not success. `what` is the request, for the message.
    pub fn succeeded(&self, what: &'static str) -> Result<(), AnswerError> {
        let result = LdapResult::read(self.content).map_err(MessageError::Ber)?.ok_or(AnswerError::NoCode)?;
        if result.code == SUCCESS {
            return Ok(());
        }
        // The server's text is written into a log: it must neither contain line breaks nor be long.
        let text = String::from_utf8_lossy(result.text);
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect();
        Err(AnswerError::Refused { what, code: result.code, text: Some(text).filter(|text| !text.is_empty()) })
    }
}

impl From<BerError> for AnswerError {
    fn from(error: BerError) -> Self {
        Self::Message(error.into())
    }
}

/// A simple bind (section 4.2) of version 3.
pub fn bind(dn: &str, password: &[u8]) -> Vec<u8> {
    let version = ber::encoded_number(INTEGER, 3);
    let name = ber::encoded(OCTET_STRING, &[dn.as_bytes()]);
    message::encoded(MESSAGE_ID, BIND_REQUEST, &[&version, &name, &ber::encoded(SIMPLE, &[password])])
}

/// A search for the root entry (RFC 4512 section 5.1), which asks for an attribute that every server has.
pub fn root_entry() -> Vec<u8> {
    let fields = [
        ber::encoded(OCTET_STRING, &[]),
        // In this order: baseObject, neverDerefAliases, sizeLimit 1, no timeLimit, typesOnly false (section 4.5.1).
        ber::encoded_number(ENUMERATED, 0),
        ber::encoded_number(ENUMERATED, 0),
        ber::encoded_number(INTEGER, 1),
        ber::encoded_number(INTEGER, 0),
        ber::encoded(BOOLEAN, &[&[0]]),
        ber::encoded(PRESENT, &[b"objectClass"]),
        ber::encoded(SEQUENCE, &[&ber::encoded(OCTET_STRING, &[b"supportedLDAPVersion"])]),
    ];
    message::encoded(MESSAGE_ID, SEARCH_REQUEST, &[&fields.concat()])
}

/// StartTLS (section 4.14).
pub fn start_tls() -> Vec<u8> {
    message::start_tls_request(MESSAGE_ID)
}

/// Whether StartTLS was granted; `false` until its answer is complete. After success the handshake begins.
pub fn start_tls_granted(received: &[u8]) -> Result<bool, AnswerError> {
    let Some(answer) = Answer::read(received)? else { return Ok(false) };
    answer.must_be(EXTENDED_RESPONSE, "is not an answer to StartTLS")?;
    answer.succeeded("StartTLS")?;
    // Clear text that an attacker has added before the handshake must not be processed as if it had been encrypted.
    match received.len() > answer.size {
        true => Err(AnswerError::InTheClear),
        false => Ok(true),
    }
}

/// The end of a session (section 4.3).
pub fn unbind() -> Vec<u8> {
    message::encoded(MESSAGE_ID, UNBIND_REQUEST, &[])
}

/// The longest message that is read, in bytes; a root entry takes a few hundred.
pub const LIMIT: usize = 64 * 1024;

/// Each request is answered before the next one is sent, so one number is enough.
const MESSAGE_ID: u32 = 1;
/// How many characters of a server's text are used.
const LONGEST_TEXT: usize = 200;

/// AuthenticationChoice (section 4.2).
const SIMPLE: Tag = Tag(0x80);
/// Filter (section 4.5.1).
const PRESENT: Tag = Tag(0x87);
