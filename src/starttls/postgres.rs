//! PostgreSQL's protocol up to SSLRequest (its documentation, section "SSL Session Encryption"): that request is
//! granted, and a client may also begin with TLS; GSSENCRequest is declined; everything else gets an ErrorResponse.
//! Must not know: sockets, TLS.

use crate::starttls::step::{End, Refusal, Step};

/// A client's first packets so far.
#[derive(Debug, Default)]
pub struct Opening {
    /// What was read and is not yet answered.
    pub raw: Vec<u8>,
    /// A GSSENCRequest was declined.
    declined: bool,
}

impl Opening {
    pub(super) fn step(&mut self) -> Step {
        // A packet begins with its length, and one that began with this byte would be longer than the limit. So this is
        // TLS.
        if !self.declined && self.raw.first() == Some(&TLS_HANDSHAKE) {
            return Step::Begin { say: Vec::new(), early: std::mem::take(&mut self.raw) };
        }
        let Some((length, rest)) = self.raw.split_first_chunk::<4>() else {
            return match self.raw.first() {
                // The first of four bytes of a length up to 10,000 is zero.
                Some(1..) => invalid(NOT_POSTGRES.into()),
                _ => Step::Read,
            };
        };
        let length = u32::from_be_bytes(*length);
        if !(8..=MAX_STARTUP_PACKET).contains(&length) {
            return invalid(NOT_POSTGRES.into());
        }
        let Some((code, after)) = rest.split_first_chunk::<4>() else { return Step::Read };
        match (u32::from_be_bytes(*code), length) {
            (SSL_REQUEST | GSS_ENC_REQUEST, 8) if !after.is_empty() => pipelined(),
            (SSL_REQUEST, 8) => Step::Begin { say: b"S".to_vec(), early: Vec::new() },
            (GSS_ENC_REQUEST, 8) if !self.declined => {
                self.declined = true;
                self.raw.clear();
                Step::Say(b"N".to_vec())
            }
            (SSL_REQUEST | GSS_ENC_REQUEST, _) => invalid("a malformed request for encryption".into()),
            // A CancelRequest has no answer. It contains the secret key of a session, which must not be sent in the
            // clear.
            (CANCEL_REQUEST, _) => Step::End(Refusal::InTheClear("a CancelRequest in the clear".into()).into()),
            (code, _) if code >> 16 == 3 => Step::End(End {
                say: error("28000", "TLS is required: connect with sslmode=require or better"),
                why: Refusal::InTheClear("a StartupMessage in the clear".into()),
            }),
            (code, _) => invalid(format!("version {}.{} of PostgreSQL's protocol", code >> 16, code & 0xffff)),
        }
    }
}

/// What a client sends to ask for TLS: an SSLRequest.
pub(super) fn request() -> Vec<u8> {
    [8_u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat()
}

/// Whether the server's answer, one byte, grants TLS.
pub(super) fn is_granted(answer: &[u8]) -> Result<bool, String> {
    match answer {
        [] => Ok(false),
        b"S" => Ok(true),
        [b'S', ..] => Err("the server continues in clear text after its answer".into()),
        [b'N', ..] => Err("the server answers that it does not offer TLS".into()),
        [other, ..] => Err(format!("found \"{}\", expected \"S\"", other.escape_ascii())),
    }
}

/// Ends the exchange, since bytes followed the request for encryption.
pub(super) fn pipelined() -> Step {
    let text = "nothing may follow a request for encryption before it is answered";
    Step::End(End { say: error(PROTOCOL_VIOLATION, text), why: Refusal::Pipelined })
}

fn invalid(why: String) -> Step {
    Step::End(End {
        say: error(PROTOCOL_VIOLATION, "this server expects an SSLRequest, or TLS"),
        why: Refusal::Invalid(why),
    })
}

/// An ErrorResponse: the severity twice (S can be translated, V never is), SQLSTATE, and the text.
fn error(state: &str, text: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{state}\0M{text}\0\0");
    let length = u32::try_from(4 + fields.len()).unwrap_or_default();
    [&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()
}

/// PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH).
const MAX_STARTUP_PACKET: u32 = 10_000;
// Request codes (documentation, section "Message Formats"): 1234 in the upper half, so that no protocol version is the
// same.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// SQLSTATE protocol_violation.
const PROTOCOL_VIOLATION: &str = "08P01";
const TLS_HANDSHAKE: u8 = 0x16;
const NOT_POSTGRES: &str = "neither TLS nor PostgreSQL's protocol";

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, more: &[u8]) -> Vec<u8> {
        [&u32::try_from(8 + more.len()).unwrap().to_be_bytes(), &code.to_be_bytes(), more].concat()
    }

    fn step(bytes: &[u8]) -> Step {
        Opening { raw: bytes.to_vec(), declined: false }.step()
    }

    #[test]
    fn an_ssl_request_is_granted_and_every_piece_of_it_asks_for_more() {
        let request = packet(SSL_REQUEST, &[]);
        assert!(matches!(step(&request), Step::Begin { say, early } if say == b"S" && early.is_empty()));
        for end in 0..request.len() {
            assert!(matches!(step(&request[..end]), Step::Read), "{end}");
        }
    }

    #[test]
    fn our_own_request_is_granted_by_one_byte_and_no_other() {
        assert_eq!(request(), [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
        assert!(matches!(step(&request()), Step::Begin { say, .. } if is_granted(&say) == Ok(true)));
        assert_eq!(is_granted(b""), Ok(false));
        for (answer, reason) in [
            (&b"N"[..], "does not offer TLS"),
            (b"E\0\0", "found \"E\", expected \"S\""),
            (b"\n", "\\n"),
            (b"S\x16", "clear text"),
        ] {
            assert!(is_granted(answer).unwrap_err().contains(reason), "{answer:?}");
        }
    }

    #[test]
    fn tls_may_begin_at_once_and_no_byte_of_it_is_lost() {
        assert!(
            matches!(step(b"\x16\x03\x01"), Step::Begin { say, early } if say.is_empty() && early == b"\x16\x03\x01")
        );
        assert!(matches!(step(b"\x16"), Step::Begin { early, .. } if early == b"\x16"));
    }

    #[test]
    fn gssapi_is_declined_once_and_tls_may_be_asked_for_then() {
        let mut opening = Opening { raw: packet(GSS_ENC_REQUEST, &[]), declined: false };
        assert!(matches!(opening.step(), Step::Say(answer) if answer == b"N"));
        assert!(matches!(opening.step(), Step::Read));
        opening.raw = packet(SSL_REQUEST, &[]);
        assert!(matches!(opening.step(), Step::Begin { say, .. } if say == b"S"));
        opening.raw = packet(GSS_ENC_REQUEST, &[]);
        assert!(matches!(opening.step(), Step::End(End { why: Refusal::Invalid(_), .. })));
    }

    #[test]
    fn bytes_behind_a_request_are_refused() {
        for code in [SSL_REQUEST, GSS_ENC_REQUEST] {
            let bytes = [packet(code, &[]), b"\x16".to_vec()].concat();
            assert!(
                matches!(step(&bytes), Step::End(End { why: Refusal::Pipelined, say }) if say[0] == b'E'),
                "{code}"
            );
        }
    }

    #[test]
    fn everything_else_ends_with_its_own_words() {
        let ending = |step: Step| match step {
            Step::End(End { say, why }) => (String::from_utf8(say).unwrap(), why.to_string()),
            other => panic!("{other:?}"),
        };
        let (text, why) = ending(step(&packet(3 << 16, b"user\0me\0\0")));
        assert!(
            text.contains("\0C28000\0MTLS is required") && why == "a StartupMessage in the clear",
            "{text:?} {why}"
        );
        assert_eq!(usize::try_from(u32::from_be_bytes(text.as_bytes()[1..5].try_into().unwrap())), Ok(text.len() - 1));
        assert_eq!(ending(step(&packet(CANCEL_REQUEST, &[0; 8]))).0, "");
        assert!(ending(step(&packet(2 << 16, &[]))).1.contains("version 2.0"));
        assert!(ending(step(b"GET / HTTP/1.1\r\n")).0.contains("08P01"));
        assert!(ending(step(b"\x30\x1d\x02\x01")).1.contains("neither TLS"));
        assert!(ending(step(b"\x00\x00\x27\x11")).1.contains("neither TLS"));
        assert!(ending(step(b"\x00\x00\x00\x04")).1.contains("neither TLS"));
        assert!(ending(step(&packet(SSL_REQUEST, &[0]))).1.contains("malformed"));
    }
}
