//! LDAP up to StartTLS (RFC 4511): only that request is granted. Everything else that a client may ask is answered with
//! `confidentialityRequired`, in the kind of response that belongs to it. Must not know: sockets, TLS.

use crate::starttls::ber::{self, Fault, Tag};
use crate::starttls::{End, Refusal, Step};

/// A client's LDAP messages so far.
#[derive(Debug, Default)]
pub struct Opening {
    /// What was read and not yet answered.
    pub raw: Vec<u8>,
    answered: usize,
    refused: bool,
    /// Of the StartTLS request that was granted.
    granted: u32,
}

/// An LDAPMessage (RFC 4511 section 4.1.1).
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    id: u32,
    operation: ber::Element<'a>,
    /// Whether a control is critical. None is known here.
    has_critical_control: bool,
    /// How many bytes it takes.
    size: usize,
}

impl Opening {
    pub(super) fn step(&mut self) -> Step {
        let Message { id, operation, has_critical_control, size } = match message(&self.raw) {
            Ok(message) => message,
            Err(Fault::Incomplete) => return Step::Read,
            Err(fault) => return self.end(impression(&self.raw, fault)),
        };
        if self.answered >= MAX_MESSAGES {
            return self.end(format!("more than {MAX_MESSAGES} requests without StartTLS"));
        }
        self.answered += 1;
        let followed = self.raw.len() > size;
        let says = |response: Tag, code: u8| Step::Say(result(id, response, code, TEXT, None));
        let step = match operation.tag {
            EXTENDED_REQUEST => match extended(operation.content) {
                None => return self.end("a malformed extended request".into()),
                // The request has no value (section 4.14.1).
                Some((START_TLS, Some(_))) => says(EXTENDED_RESPONSE, PROTOCOL_ERROR),
                Some((START_TLS, None)) if has_critical_control => {
                    says(EXTENDED_RESPONSE, UNAVAILABLE_CRITICAL_EXTENSION)
                }
                Some((START_TLS, None)) => {
                    self.granted = id;
                    if followed {
                        return self.pipelined();
                    }
                    let say = result(id, EXTENDED_RESPONSE, SUCCESS, b"", Some(START_TLS));
                    Step::Begin { say, early: Vec::new() }
                }
                Some(_) => says(EXTENDED_RESPONSE, CONFIDENTIALITY_REQUIRED),
            },
            UNBIND_REQUEST => {
                let why = self.closed();
                return Step::End(why.into());
            }
            // It has no response, and nothing goes on that could be abandoned.
            ABANDON_REQUEST => Step::Say(Vec::new()),
            other => match RESPONSES.iter().find(|(request, _)| *request == other) {
                Some((_, response)) => says(*response, CONFIDENTIALITY_REQUIRED),
                None => return self.end(format!("an operation that is none (tag 0x{:02x})", other.0)),
            },
        };
        self.refused |= matches!(&step, Step::Say(answer) if !answer.is_empty());
        self.raw.drain(..size);
        step
    }

    /// The request for TLS is followed by bytes.
    pub(super) fn pipelined(&self) -> Step {
        let text = b"nothing may follow StartTLS before it is answered";
        Step::End(End {
            say: result(self.granted, EXTENDED_RESPONSE, OPERATIONS_ERROR, text, Some(START_TLS)),
            why: Refusal::Pipelined,
        })
    }

    /// The client is gone, or says that it goes.
    pub(super) fn closed(&self) -> Refusal {
        match self.refused {
            true => Refusal::InTheClear("the client asked for something else than StartTLS, and went".into()),
            false => Refusal::Closed,
        }
    }

    /// A notice of disconnection (section 4.4.1), and no more.
    fn end(&self, why: String) -> Step {
        let text = b"this server expects StartTLS";
        let say = result(0, EXTENDED_RESPONSE, PROTOCOL_ERROR, text, Some(NOTICE_OF_DISCONNECTION));
        Step::End(End { say, why: if self.refused { Refusal::InTheClear(why) } else { Refusal::Invalid(why) } })
    }
}

fn message(raw: &[u8]) -> Result<Message<'_>, Fault> {
    // Told before there is a whole header.
    if raw.first().is_some_and(|first| *first != SEQUENCE.0) {
        return Err(Fault::Malformed);
    }
    let (whole, rest) = ber::element(raw, MAX_MESSAGE)?;
    let inside = |bytes| match ber::element(bytes, MAX_MESSAGE) {
        // Inside of a whole element there is nothing to wait for.
        Err(Fault::Incomplete) => Err(Fault::Malformed),
        other => other,
    };
    let (id, after) = inside(whole.content)?;
    let (operation, mut after) = inside(after)?;
    let mut has_critical_control = false;
    if !after.is_empty() {
        let (controls, end) = inside(after)?;
        after = end;
        if controls.tag != CONTROLS {
            return Err(Fault::Malformed);
        }
        let mut list = controls.content;
        while !list.is_empty() {
            let (control, others) = inside(list)?;
            let (_, more) = inside(control.content)?;
            // criticality BOOLEAN DEFAULT FALSE; anything but zero is true.
            if let [1, 1, critical, ..] = more {
                has_critical_control |= *critical != 0;
            }
            list = others;
        }
    }
    if id.tag != INTEGER || !after.is_empty() {
        return Err(Fault::Malformed);
    }
    Ok(Message {
        id: message_id(id.content).ok_or(Fault::Malformed)?,
        operation,
        has_critical_control,
        size: raw.len() - rest.len(),
    })
}

/// 1 to 2³¹ − 1; zero is for what the server says unasked.
fn message_id(content: &[u8]) -> Option<u32> {
    if content.is_empty() || content.len() > 4 || content[0] >= 0x80 {
        return None;
    }
    let id = content.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    (id != 0).then_some(id)
}

/// requestName and requestValue.
fn extended(content: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (name, rest) = ber::element(content, MAX_MESSAGE).ok()?;
    let value = match rest {
        [] => None,
        _ => Some(ber::element(rest, MAX_MESSAGE).ok().filter(|(_, end)| end.is_empty())?.0),
    };
    (name.tag == REQUEST_NAME && value.is_none_or(|value| value.tag == REQUEST_VALUE))
        .then_some((name.content, value.map(|value| value.content)))
}

/// A message with an LDAPResult (section 4.1.9).
fn result(id: u32, response: Tag, code: u8, text: &[u8], name: Option<&[u8]>) -> Vec<u8> {
    let digits = id.to_be_bytes();
    let used = (digits.iter().take_while(|byte| **byte == 0).count()).min(3);
    // A first byte from 0x80 would be a negative number; no identifier is so long.
    let padding: &[u8] = if digits[used] >= 0x80 { &[0] } else { &[] };
    let id = ber::encoded(INTEGER, &[padding, &digits[used..]]);
    let code = ber::encoded(ENUMERATED, &[&[code]]);
    let dn = ber::encoded(OCTET_STRING, &[]);
    let text = ber::encoded(OCTET_STRING, &[text]);
    let name = name.map(|name| ber::encoded(RESPONSE_NAME, &[name])).unwrap_or_default();
    let operation = ber::encoded(response, &[&code, &dn, &text, &name]);
    ber::encoded(SEQUENCE, &[&id, &operation])
}

fn impression(raw: &[u8], fault: Fault) -> String {
    match (fault, raw) {
        (Fault::TooLong(length), _) => format!("an LDAP message of {length} bytes (expected at most {MAX_MESSAGE})"),
        (Fault::Indefinite, _) => "an LDAP message of indefinite length".into(),
        (_, [0x16, 3, ..]) => "a TLS ClientHello (expected StartTLS before it)".into(),
        (_, [first, ..]) if *first != SEQUENCE.0 => "not LDAP".into(),
        _ => "a malformed LDAP message".into(),
    }
}

/// A bind with a token of many groups takes a few thousand bytes; none of them is granted.
pub const MAX_MESSAGE: usize = 32 * 1024;
/// Clients look at the root entry first, or try to bind, but not for ever.
const MAX_MESSAGES: usize = 32;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";
const TEXT: &[u8] = b"TLS is required: StartTLS comes first";

// RFC 4511 section 4.1.9.
const SUCCESS: u8 = 0;
const OPERATIONS_ERROR: u8 = 1;
const PROTOCOL_ERROR: u8 = 2;
const UNAVAILABLE_CRITICAL_EXTENSION: u8 = 12;
const CONFIDENTIALITY_REQUIRED: u8 = 13;

const INTEGER: Tag = Tag(0x02);
const OCTET_STRING: Tag = Tag(0x04);
const ENUMERATED: Tag = Tag(0x0a);
const SEQUENCE: Tag = Tag(0x30);
const CONTROLS: Tag = Tag(0xa0);
const REQUEST_NAME: Tag = Tag(0x80);
const REQUEST_VALUE: Tag = Tag(0x81);
const RESPONSE_NAME: Tag = Tag(0x8a);

const UNBIND_REQUEST: Tag = Tag(0x42);
const ABANDON_REQUEST: Tag = Tag(0x50);
const EXTENDED_REQUEST: Tag = Tag(0x77);
const EXTENDED_RESPONSE: Tag = Tag(0x78);

/// bind, search, modify, add, delete, modify DN, compare, and how each is answered.
const RESPONSES: &[(Tag, Tag)] = &[
    (Tag(0x60), Tag(0x61)),
    (Tag(0x63), Tag(0x65)),
    (Tag(0x66), Tag(0x67)),
    (Tag(0x68), Tag(0x69)),
    (Tag(0x4a), Tag(0x6b)),
    (Tag(0x6c), Tag(0x6d)),
    (Tag(0x6e), Tag(0x6f)),
];

#[cfg(test)]
mod tests;
