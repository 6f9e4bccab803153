//! LDAP up to StartTLS (RFC 4511): only that request is granted. Every other request is answered with
//! `confidentialityRequired`, in the response that belongs to it. Must not know: sockets, TLS.

use crate::ldap::ber::{BerError, SEQUENCE, Tag};
use crate::ldap::client::{self, AnswerError};
use crate::ldap::message::{
    ABANDON_REQUEST, EXTENDED_REQUEST, EXTENDED_RESPONSE, ExtendedRequest, Message, MessageError, START_TLS,
    UNBIND_REQUEST, response_to,
};
use crate::ldap::result::{
    self, CONFIDENTIALITY_REQUIRED, OPERATIONS_ERROR, PROTOCOL_ERROR, SUCCESS, UNAVAILABLE_CRITICAL_EXTENSION,
};
use crate::starttls::step::{End, Refusal, Step};

/// A client's LDAP messages so far.
#[derive(Debug, Default)]
pub struct Opening {
    /// What was read and is not yet answered.
    pub raw: Vec<u8>,
    answered: usize,
    /// At least one request was refused.
    refused: bool,
    /// The ID of the StartTLS request that was granted.
    granted: u32,
}

impl Opening {
    pub(super) fn step(&mut self) -> Step {
        let (message, has_critical_control) = match message(&self.raw) {
            Ok(Some(message)) => message,
            Ok(None) => return Step::Read,
            Err(error) => return self.end(impression(&self.raw, error)),
        };
        if self.answered >= MAX_MESSAGES {
            return self.end(format!("more than {MAX_MESSAGES} requests without StartTLS"));
        }
        self.answered += 1;
        let Message { id, operation, size, .. } = message;
        let reply = |response: Tag, code: u32| Step::Say(result::encoded(id, response, code, TEXT, None));
        let step = match operation.tag {
            EXTENDED_REQUEST => match ExtendedRequest::read(operation.content) {
                None => return self.end("a malformed extended request".into()),
                // A StartTLS request must not have a value (section 4.14.1).
                Some(ExtendedRequest { name: START_TLS, value: Some(_) }) => reply(EXTENDED_RESPONSE, PROTOCOL_ERROR),
                Some(ExtendedRequest { name: START_TLS, value: None }) if has_critical_control => {
                    reply(EXTENDED_RESPONSE, UNAVAILABLE_CRITICAL_EXTENSION)
                }
                Some(ExtendedRequest { name: START_TLS, value: None }) => {
                    self.granted = id;
                    // The client must send nothing before the answer (section 4.14.1).
                    if self.raw.len() > size {
                        return self.pipelined();
                    }
                    let say = result::encoded(id, EXTENDED_RESPONSE, SUCCESS, b"", Some(START_TLS));
                    Step::Begin { say, early: Vec::new() }
                }
                Some(_) => reply(EXTENDED_RESPONSE, CONFIDENTIALITY_REQUIRED),
            },
            UNBIND_REQUEST => {
                let why = self.closed();
                return Step::End(why.into());
            }
            // AbandonRequest has no response (section 4.11), and there is no operation that could be abandoned.
            ABANDON_REQUEST => Step::Say(Vec::new()),
            other => match response_to(other) {
                Some(response) => reply(response, CONFIDENTIALITY_REQUIRED),
                None => return self.end(format!("an unknown LDAP operation (tag 0x{:02x})", other.0)),
            },
        };
        self.refused |= matches!(&step, Step::Say(answer) if !answer.is_empty());
        self.raw.drain(..size);
        step
    }

    /// Ends the exchange, since bytes followed the request for TLS.
    pub(super) fn pipelined(&self) -> Step {
        let text = b"nothing may follow StartTLS before it is answered";
        Step::End(End {
            say: result::encoded(self.granted, EXTENDED_RESPONSE, OPERATIONS_ERROR, text, Some(START_TLS)),
            why: Refusal::Pipelined,
        })
    }

    /// Why TLS does not begin, if the client has closed or sent an unbind request.
    pub(super) fn closed(&self) -> Refusal {
        match self.refused {
            true => Refusal::InTheClear("the client sent requests other than StartTLS, and closed".into()),
            false => Refusal::Closed,
        }
    }

    /// Ends the exchange with a notice of disconnection (section 4.4.1).
    fn end(&self, why: String) -> Step {
        let say = result::notice_of_disconnection(PROTOCOL_ERROR, b"this server expects StartTLS");
        Step::End(End { say, why: if self.refused { Refusal::InTheClear(why) } else { Refusal::Invalid(why) } })
    }
}

/// What a client sends to ask for TLS.
pub(super) fn request() -> Vec<u8> {
    client::start_tls()
}

/// Whether the server's answer grants TLS.
pub(super) fn is_granted(answer: &[u8]) -> Result<bool, String> {
    client::start_tls_granted(answer).map_err(|error| match error {
        AnswerError::Refused { code, .. } => format!("the server answers with LDAP result code {code}"),
        AnswerError::InTheClear => error.to_string(),
        _ => "the answer is not an LDAP extended response".into(),
    })
}

/// The first message, and whether it has a critical control. No control is supported here, so a critical one must be
/// refused (section 4.1.11).
fn message(raw: &[u8]) -> Result<Option<(Message<'_>, bool)>, MessageError> {
    match Message::read(raw, MAX_MESSAGE)? {
        None => Ok(None),
        // Section 4.1.1.1: only the server uses 0.
        Some(Message { id: 0, .. }) => Err(MessageError::Id),
        Some(message) => Ok(Some((message, message.has_critical_control(MAX_MESSAGE)?))),
    }
}

/// What the bytes seem to be, for the log.
fn impression(raw: &[u8], error: MessageError) -> String {
    match (error, raw) {
        (MessageError::Ber(BerError::TooLong { length, limit }), _) => {
            format!("an LDAP message of {length} bytes (expected at most {limit})")
        }
        (MessageError::Ber(BerError::Indefinite), _) => "an LDAP message of indefinite length".into(),
        (_, [0x16, 3, ..]) => "a TLS ClientHello (expected StartTLS before it)".into(),
        (_, [first, ..]) if *first != SEQUENCE.0 => "not LDAP".into(),
        _ => "a malformed LDAP message".into(),
    }
}

/// The largest message in bytes. A bind with a Kerberos token of many groups takes a few thousand bytes; it has to be
/// read to be refused.
pub const MAX_MESSAGE: usize = 32 * 1024;
/// How many requests are answered. Some clients read the root entry or try to bind before StartTLS, but not without
/// end.
const MAX_MESSAGES: usize = 32;

const TEXT: &[u8] = b"TLS is required: StartTLS comes first";

#[cfg(test)]
mod tests;
