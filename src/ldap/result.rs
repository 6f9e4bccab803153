//! Results of operations (RFC 4511 section 4.1.9): codes, their names, and the message that contains them.
//! Must not know: which operation it was.

use crate::ldap::ber::{self, BerError, ENUMERATED, OCTET_STRING, Tag};
use crate::ldap::message::{self, EXTENDED_RESPONSE};

/// An LDAPResult, borrowed from the bytes that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LdapResult<'a> {
    /// See [`name`].
    pub code: u32,
    /// The diagnostic message as it was received. Empty if there is none.
    pub text: &'a [u8],
}

impl<'a> LdapResult<'a> {
    /// The result at the beginning of a response's content; `None` if there is no code.
    pub fn read(content: &'a [u8]) -> Result<Option<Self>, BerError> {
        // No limit here: the message around it was within its own.
        let (code, rest) = ber::element(content, usize::MAX)?;
        let Some(number) = ber::number(code.content).filter(|_| code.tag == ENUMERATED) else { return Ok(None) };
        let text = ber::element(rest, usize::MAX).and_then(|(_matched_dn, rest)| ber::element(rest, usize::MAX));
        // The code matters even if the text after it is missing or malformed.
        Ok(Some(Self { code: number, text: text.map_or(&[], |(text, _)| text.content) }))
    }
}

/// A response that consists of a result, and of the name of an extended response, if it has one.
pub fn encoded(id: u32, response: Tag, code: u32, text: &[u8], name: Option<&[u8]>) -> Vec<u8> {
    let code = ber::encoded_number(ENUMERATED, code);
    let matched_dn = ber::encoded(OCTET_STRING, &[]);
    let text = ber::encoded(OCTET_STRING, &[text]);
    let name = name.map(|name| ber::encoded(RESPONSE_NAME, &[name])).unwrap_or_default();
    message::encoded(id, response, &[&code, &matched_dn, &text, &name])
}

/// A notice of disconnection (section 4.4.1): the server closes the connection, for this reason.
pub fn notice_of_disconnection(code: u32, text: &[u8]) -> Vec<u8> {
    encoded(0, EXTENDED_RESPONSE, code, text, Some(message::NOTICE_OF_DISCONNECTION))
}

/// The name of a code (RFC 4511 appendix A); "error" for those that servers seldom send.
pub fn name(code: u32) -> &'static str {
    match code {
        SUCCESS => "success",
        OPERATIONS_ERROR => "operationsError",
        PROTOCOL_ERROR => "protocolError",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        UNAVAILABLE_CRITICAL_EXTENSION => "unavailableCriticalExtension",
        CONFIDENTIALITY_REQUIRED => "confidentialityRequired",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "error",
    }
}

/// The operation succeeded.
pub const SUCCESS: u32 = 0;
/// The request came at the wrong time, such as StartTLS while other requests are open (section 4.14.1).
pub const OPERATIONS_ERROR: u32 = 1;
/// The request is malformed.
pub const PROTOCOL_ERROR: u32 = 2;
/// A critical control is not supported.
pub const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
/// The request needs TLS.
pub const CONFIDENTIALITY_REQUIRED: u32 = 13;

/// responseName (section 4.12).
const RESPONSE_NAME: Tag = Tag(0x8a);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::message::Message;

    #[test]
    fn a_result_is_read_as_it_was_written() {
        let bytes = notice_of_disconnection(52, b"shutting down");
        let message = Message::read(&bytes, 1000).unwrap().unwrap();
        assert_eq!((message.id, message.operation.tag, message.size), (0, EXTENDED_RESPONSE, bytes.len()));
        let content = message.operation.content;
        assert_eq!(LdapResult::read(content), Ok(Some(LdapResult { code: 52, text: b"shutting down" })));
        assert!(content.ends_with(b"\x8a\x161.3.6.1.4.1.1466.20036"));
    }

    #[test]
    fn a_code_counts_without_a_text_and_nothing_counts_without_a_code() {
        assert_eq!(LdapResult::read(b"\x0a\x01\x31"), Ok(Some(LdapResult { code: 49, text: b"" })));
        assert_eq!(LdapResult::read(b"\x0a\x01\x31\x04\x00\x04\x05ab"), Ok(Some(LdapResult { code: 49, text: b"" })));
        assert_eq!(LdapResult::read(b"\x02\x01\x31"), Ok(None));
        assert_eq!(LdapResult::read(b"\x0a\x01\xff"), Ok(None));
        assert_eq!(LdapResult::read(b""), Err(BerError::Truncated));
    }
}
