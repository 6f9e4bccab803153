//! Bytes → a server's answer to a ClientHello, as far as that is sent in the clear: an alert; a ServerHello or
//! HelloRetryRequest; up to TLS 1.2 also the certificates and ServerKeyExchange.
//! Must not know: sockets, what was asked and why.

use thiserror::Error;

use super::proof::{Proof, Signed};
use super::suites::{self, Exchange};
use crate::tls::wire::codes::extensions::{ALPN, COOKIE, KEY_SHARE, SUPPORTED_VERSIONS};
use crate::tls::wire::codes::framing::{
    ALERT, CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_STATUS, CHANGE_CIPHER_SPEC, FATAL, HANDSHAKE, HELLO_REQUEST,
    SERVER_HELLO, SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE, WARNING,
};
use crate::tls::wire::codes::versions::{TLS12, TLS13};
use crate::tls::wire::cursor::Cursor;

/// A server's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The first fatal alert, or close_notify.
    pub alert: Option<u8>,
    /// Warnings that came before, such as `unrecognized_name`.
    pub warnings: Vec<u8>,
    pub hello: Option<ServerHello>,
    /// DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
    pub key_exchange: Option<KeyExchange>,
    /// The signature in ServerKeyExchange, in TLS 1.2.
    pub signed: Option<Signed>,
    pub asks_for_certificate: bool,
    /// The types of the handshake messages, in order.
    pub messages: Vec<u8>,
}

impl Reply {
    /// Whether the signature in the clear shows that the server has the certificate's key.
    pub(super) fn proof(&self, client_random: &[u8]) -> Proof {
        match (&self.hello, &self.signed, self.certificates.first()) {
            (Some(hello), Some(signed), Some(leaf)) => signed.proof(client_random, &hello.random, leaf),
            _ => Proof::Unchecked,
        }
    }
}

/// A ServerHello or HelloRetryRequest (RFC 8446 sections 4.1.3 and 4.1.4, RFC 5246 section 7.4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The agreed version, from `supported_versions` if that is there.
    pub version: u16,
    pub is_retry: bool,
    pub random: [u8; 32],
    pub suite: u16,
    pub compression: u8,
    pub session_id_length: usize,
    /// Numbers of the extensions, in the server's order.
    pub extensions: Vec<u16>,
    /// From `key_share`.
    pub group: Option<u16>,
    /// The server's key for that group; empty in a HelloRetryRequest.
    pub key: Vec<u8>,
    /// From a HelloRetryRequest.
    pub cookie: Option<Vec<u8>>,
    pub alpn: Option<Vec<u8>>,
}

/// What ServerKeyExchange contains (RFC 8422 section 5.4, RFC 5246 section 7.4.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyExchange {
    pub group: Option<u16>,
    /// Bits of the prime.
    pub dh_bits: Option<usize>,
    /// The signature scheme, in TLS 1.2.
    pub scheme: Option<u16>,
}

/// Why the bytes are not a valid answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplyError {
    #[error("the answer is not TLS: {0}")]
    NotTls(String),
    #[error("a record of {0} bytes (expected at most {MAX_RECORD})")]
    LongRecord(usize),
    #[error("a handshake message of {0} bytes (expected at most {MAX_MESSAGE})")]
    LongMessage(usize),
    #[error("more than {MAX_BYTES} bytes before the end of the server's first flight")]
    LongFlight,
    #[error("a malformed {0}")]
    Malformed(&'static str),
    #[error("a record that the keys of this handshake do not open")]
    Unopened,
    #[error("{0} is not allowed here")]
    Misplaced(&'static str),
}

/// Parses an answer from pieces of any size.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The bytes received. The owner of the socket appends to it and then calls [`ReplyReader::advance`].
    pub raw: Vec<u8>,
    /// How many bytes of `raw` have been split into records.
    read: usize,
    /// The payloads of handshake records, joined: a message may span several records.
    handshake: Vec<u8>,
    /// How many bytes of `handshake` have been parsed.
    parsed: usize,
    reply: Reply,
    /// Whether the next record may be a change_cipher_spec.
    may_change: bool,
}

impl ReplyReader {
    /// For the answer to the second hello, from the bytes that came after the HelloRetryRequest. A server may send a
    /// change_cipher_spec without meaning between the two (RFC 8446 appendix D.4).
    pub fn after_retry(rest: Vec<u8>) -> Self {
        Self { raw: rest, may_change: true, ..Self::default() }
    }

    /// Parses what was appended to `raw`. `true` once the answer is complete; `false` where more bytes are needed.
    pub fn advance(&mut self) -> Result<bool, ReplyError> {
        loop {
            if self.messages()? || self.reply.alert.is_some() {
                return Ok(true);
            }
            if self.raw.len() > MAX_BYTES {
                return Err(ReplyError::LongFlight);
            }
            let rest = self.raw.get(self.read..).unwrap_or_default();
            self.check_start(rest)?;
            let [kind, _, _, high, low, after @ ..] = rest else { return Ok(false) };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length > MAX_RECORD {
                return Err(ReplyError::LongRecord(length));
            }
            let Some(payload) = after.get(..length) else { return Ok(false) };
            self.read += 5 + length;
            match *kind {
                HANDSHAKE => self.handshake.extend_from_slice(payload),
                ALERT => match payload {
                    // A server may warn that it does not know the name, and go on (RFC 6066 section 3).
                    [WARNING, description] if *description != CLOSE_NOTIFY => {
                        if self.reply.warnings.len() >= MAX_WARNINGS {
                            return Err(ReplyError::Misplaced("another warning"));
                        }
                        self.reply.warnings.push(*description);
                    }
                    [WARNING | FATAL, description] => self.reply.alert = Some(*description),
                    _ => return Err(ReplyError::Malformed("alert")),
                },
                CHANGE_CIPHER_SPEC if self.may_change && payload == [1] => self.may_change = false,
                _ => return Err(ReplyError::Misplaced("a record that is neither handshake nor alert")),
            }
        }
    }

    /// The version of the ServerHello or HelloRetryRequest, or the alert, whichever has come first; `None` before that.
    pub fn first(&self) -> Option<Result<u16, u8>> {
        let version = self.reply.hello.as_ref().map(|hello| Ok(hello.version));
        version.or(self.reply.alert.map(Err))
    }

    /// The handshake messages that were parsed, as they came, and the bytes after their records. For what is bound to both
    /// in TLS 1.3.
    pub fn messages_and_rest(&self) -> (&[u8], &[u8]) {
        (self.handshake.get(..self.parsed).unwrap_or_default(), self.raw.get(self.read..).unwrap_or_default())
    }

    /// Whether part of another handshake message follows the ones that were parsed, in the same record.
    pub fn is_within_record(&self) -> bool {
        self.handshake.len() > self.parsed
    }

    /// What was parsed so far; the whole answer if [`ReplyReader::advance`] has returned `true`.
    pub fn into_reply(self) -> Reply {
        self.reply
    }

    /// Checks a record's type and major version, as far as they have arrived. A wrong first record means that this is not
    /// TLS.
    fn check_start(&self, rest: &[u8]) -> Result<(), ReplyError> {
        let kind = rest.first().is_none_or(|kind| (20..=23).contains(kind));
        let major = rest.get(1).is_none_or(|major| *major == 3);
        match kind && major {
            true => Ok(()),
            false if self.read == 0 => Err(ReplyError::NotTls(impression(rest))),
            false => Err(ReplyError::Malformed("record header")),
        }
    }

    /// Parses the complete messages. `true` after the last one that is sent in the clear.
    fn messages(&mut self) -> Result<bool, ReplyError> {
        loop {
            let mut rest = Cursor(self.handshake.get(self.parsed..).unwrap_or_default());
            let (Some(kind), Some(length)) = (rest.u8(), rest.u24()) else { return Ok(false) };
            // Checked before the message is complete, so that a wrong length is an error now and not a long wait.
            if length > MAX_MESSAGE {
                return Err(ReplyError::LongMessage(length));
            }
            if self.reply.hello.is_none() && !matches!(kind, HELLO_REQUEST | SERVER_HELLO) {
                return Err(ReplyError::Misplaced("a handshake message other than ServerHello"));
            }
            let Some(body) = rest.take(length) else { return Ok(false) };
            self.parsed += 4 + length;
            if self.reply.messages.len() >= MAX_MESSAGES {
                return Err(ReplyError::Misplaced("another handshake message"));
            }
            self.reply.messages.push(kind);
            let body = Cursor(body);
            let malformed = ReplyError::Malformed;
            match kind {
                SERVER_HELLO if self.reply.hello.is_some() => {
                    return Err(ReplyError::Misplaced("a second ServerHello"));
                }
                SERVER_HELLO => {
                    let hello = server_hello(body).ok_or(malformed("ServerHello"))?;
                    // In TLS 1.3 everything after it is encrypted (RFC 8446 section 2).
                    let ends_here = hello.version >= TLS13;
                    self.reply.hello = Some(hello);
                    if ends_here {
                        return Ok(true);
                    }
                }
                CERTIFICATE => self.reply.certificates = certificates(body).ok_or(malformed("Certificate"))?,
                SERVER_KEY_EXCHANGE => {
                    let Some(hello) = &self.reply.hello else { continue };
                    let (exchange, signed) = key_exchange(body, hello).ok_or(malformed("ServerKeyExchange"))?;
                    (self.reply.key_exchange, self.reply.signed) = (Some(exchange), signed);
                }
                CERTIFICATE_REQUEST => self.reply.asks_for_certificate = true,
                SERVER_HELLO_DONE => return Ok(true),
                HELLO_REQUEST | CERTIFICATE_STATUS => {}
                _ => return Err(ReplyError::Misplaced("a handshake message of another flight")),
            }
        }
    }
}

fn server_hello(mut body: Cursor<'_>) -> Option<ServerHello> {
    let legacy_version = body.u16()?;
    let random: [u8; 32] = body.take(32)?.try_into().ok()?;
    let session_id_length = body.vector8()?.0.len();
    let suite = body.u16()?;
    let compression = body.u8()?;
    let mut hello = ServerHello {
        version: legacy_version,
        is_retry: random == RETRY_RANDOM,
        random,
        suite,
        compression,
        session_id_length,
        extensions: Vec::new(),
        group: None,
        key: Vec::new(),
        cookie: None,
        alpn: None,
    };
    // Servers without extensions leave out the list itself (RFC 5246 section 7.4.1.3).
    if body.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = body.vector16()?;
    if !body.0.is_empty() || session_id_length > 32 {
        return None;
    }
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = extensions.vector16()?;
        if hello.extensions.contains(&kind) {
            return None;
        }
        hello.extensions.push(kind);
        match kind {
            SUPPORTED_VERSIONS => hello.version = data.u16()?,
            // Both in a ServerHello and in a HelloRetryRequest, the group comes first (RFC 8446 section 4.2.8).
            KEY_SHARE => {
                hello.group = Some(data.u16()?);
                hello.key = data.vector16().map_or(Vec::new(), |key| key.0.to_vec());
            }
            COOKIE => hello.cookie = Some(data.vector16()?.0.to_vec()),
            ALPN => hello.alpn = Some(data.vector16()?.vector8()?.0.to_vec()),
            _ => {}
        }
    }
    Some(hello)
}

fn certificates(mut body: Cursor<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = body.vector24()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        all.push(list.vector24()?.0.to_vec());
    }
    body.0.is_empty().then_some(all)
}

fn key_exchange(mut body: Cursor<'_>, hello: &ServerHello) -> Option<(KeyExchange, Option<Signed>)> {
    let whole = body.0;
    let mut exchange = KeyExchange::default();
    match suites::exchange(hello.suite) {
        Exchange::Ecdhe => {
            // A curve with explicit parameters has no number (RFC 4492 section 5.4).
            if body.u8()? != NAMED_CURVE {
                return Some((exchange, None));
            }
            exchange.group = Some(body.u16()?);
            body.vector8()?;
        }
        Exchange::Dhe => {
            let prime = body.vector16()?.0;
            let digits = prime.iter().position(|byte| *byte != 0).and_then(|zeros| prime.get(zeros..)).unwrap_or(&[]);
            let unused = digits.first().map_or(0, |first| first.leading_zeros() as usize);
            exchange.dh_bits = Some(digits.len() * 8 - unused);
            body.vector16()?;
            body.vector16()?;
        }
        Exchange::Other => return Some((exchange, None)),
    }
    if hello.version != TLS12 || suites::is_anonymous(hello.suite) {
        return Some((exchange, None));
    }
    let parameters = whole.get(..whole.len() - body.0.len())?.to_vec();
    let (scheme, signature) = (body.u16()?, body.vector16()?.0.to_vec());
    exchange.scheme = Some(scheme);
    Some((exchange, Some(Signed { parameters, scheme, signature })))
}

/// What bytes that are not TLS look like, for a person.
fn impression(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(16)).unwrap_or_default();
    let starts = |with: &[u8]| start.starts_with(with) || with.starts_with(start);
    match start {
        _ if starts(b"HTTP/") => "it is plain HTTP".into(),
        _ if starts(b"SSH-") => "it is SSH".into(),
        _ if starts(b"220 ") || starts(b"220-") => "it is a greeting in plain text, as of SMTP or FTP".into(),
        _ => format!("it begins with \"{}\"", start.escape_ascii()),
    }
}

/// In bytes: the limit for an encrypted record up to TLS 1.2 (RFC 5246 section 6.2.3), the largest of all versions.
pub const MAX_RECORD: usize = (1 << 14) + 2048;
/// In bytes. Even long chains of certificates are much shorter.
pub const MAX_MESSAGE: usize = 192 * 1024;
/// The most bytes that a server's first flight may take.
pub const MAX_BYTES: usize = 256 * 1024;
const MAX_WARNINGS: usize = 8;
const MAX_MESSAGES: usize = 16;

const CLOSE_NOTIFY: u8 = 0;
const NAMED_CURVE: u8 = 3;

/// A HelloRetryRequest is a ServerHello with this random (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[cfg(test)]
mod tests;
