//! A client's ClientHello with key shares of ours, and the answers of a server up to the end of its first flight. It
//! answers a HelloRetryRequest as that client would, and does not finish the handshake. No I/O. Must not know: sockets,
//! which client it is.

use rustls::NamedGroup;
use rustls::crypto::ActiveKeyExchange;

use super::opening::Opening;
use super::proof::{self, Proof};
use super::reply::{ReplyError, ReplyReader, ServerHello};
use crate::tls::crypto;
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS10, TLS12, TLS13};
use crate::tls::wire::draft::Draft;
use crate::tls::wire::write;

/// One connection of that client.
pub struct Visit {
    draft: Draft,
    pairs: Vec<(u16, Box<dyn ActiveKeyExchange>)>,
    /// The ClientHello that was sent last, without its records.
    hello: Vec<u8>,
    /// The handshake messages before it (RFC 8446 section 4.4.1).
    before: Vec<u8>,
    /// Every message up to the ServerHello, once that has come, and its suite.
    transcript: (u16, Vec<u8>),
    stage: Stage,
    given: Given,
}

enum Stage {
    /// Waits for the answer to a ClientHello.
    Answer(Box<ReplyReader>),
    /// Reads what the server has encrypted.
    Opening(Box<Opening>),
    Done,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Read,
    /// Send this, and read on.
    Say(Vec<u8>),
    Done,
}

/// What the server has given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The fatal alert, or close_notify, that ended it.
    pub alert: Option<u8>,
    pub agreed: Option<Agreed>,
    /// The group of a HelloRetryRequest.
    pub retried: Option<u16>,
    /// Bits of the prime, where it is DHE.
    pub dh_bits: Option<usize>,
    pub scheme: Option<u16>,
    /// Whether its signature is right.
    pub proof: Proof,
    /// DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
    pub alpn: Option<Vec<u8>>,
    pub asks_for_certificate: bool,
    /// Why the encrypted part of the answer was not read.
    pub unread: Option<String>,
}

/// What the server has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    pub version: u16,
    pub suite: u16,
    pub group: Option<u16>,
}

impl Visit {
    /// The client is new to the server: its random, session ID and keys are. `None` where the system provides no random
    /// numbers, or if the hello becomes too long.
    pub fn new(mut draft: Draft) -> Option<Self> {
        let (mut random, mut session) = ([0; 32], [0; 32]);
        if !crypto::random(&mut random) || !crypto::random(&mut session) {
            return None;
        }
        draft.renew(random, session);
        draft.without_compression();
        // Groups that the provider lacks keep the recorded key. A server that chooses one can be read up to its ServerHello.
        let pairs: Vec<_> = draft.shares().into_iter().take(MAX_SHARES).filter_map(pair).collect();
        let keys: Vec<_> = pairs.iter().map(|(group, pair)| (*group, pair.pub_key().to_vec())).collect();
        draft.replace_keys(&keys);
        let hello = draft.message()?;
        Some(Self {
            draft,
            pairs,
            hello,
            before: Vec::new(),
            transcript: Default::default(),
            stage: Stage::Answer(Box::default()),
            given: Given::default(),
        })
    }

    /// The first ClientHello, in records.
    pub fn hello(&self) -> Vec<u8> {
        write::records(TLS10, &self.hello)
    }

    /// Takes what the server has sent. After an error, what was given before it is kept.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Next, ReplyError> {
        match &mut self.stage {
            Stage::Answer(reader) => {
                reader.raw.extend_from_slice(bytes);
                let complete = reader.advance();
                if complete == Ok(false) {
                    return Ok(Next::Read);
                }
                let Stage::Answer(reader) = std::mem::replace(&mut self.stage, Stage::Done) else {
                    return Ok(Next::Done);
                };
                self.answered(*reader, complete.map(drop))
            }
            Stage::Opening(opening) => {
                opening.raw.extend_from_slice(bytes);
                if opening.advance()? { Ok(Next::Done) } else { Ok(Next::Read) }
            }
            Stage::Done => Ok(Next::Done),
        }
    }

    /// What to send at the end, so that the server does not take it for a failure: the alerts user_canceled and
    /// close_notify (RFC 8446 section 6.1). Empty where the server has ended it.
    pub fn farewell(&self) -> Vec<u8> {
        match &self.stage {
            Stage::Opening(opening) => opening.farewell().unwrap_or_default(),
            _ if self.given.alert.is_some() => Vec::new(),
            _ => FAREWELL.to_vec(),
        }
    }

    pub fn into_given(self) -> Given {
        let mut given = self.given;
        match self.stage {
            Stage::Opening(opening) => {
                let (sealed, alert) = opening.into_parts();
                given.alert = alert;
                given.scheme = sealed.scheme;
                if let (Some(scheme), Some(leaf)) = (sealed.scheme, sealed.certificates.first()) {
                    let (suite, mut transcript) = self.transcript;
                    transcript.extend_from_slice(&sealed.covered);
                    given.proof = proof::of_transcript(suite, &transcript, (scheme, &sealed.signature), leaf);
                }
                given.certificates = sealed.certificates;
                given.alpn = sealed.alpn;
                given.asks_for_certificate = sealed.asks_for_certificate;
                if sealed.is_compressed {
                    given.unread = Some("the certificates are compressed".into());
                }
            }
            Stage::Answer(reader) => drop(given.clear(*reader, random(&self.hello))),
            Stage::Done => {}
        }
        given
    }

    /// The answer to a hello is complete, or is not valid.
    fn answered(&mut self, reader: ReplyReader, read: Result<(), ReplyError>) -> Result<Next, ReplyError> {
        let (messages, rest) = reader.messages_and_rest();
        let (messages, rest, within) = (messages.to_vec(), rest.to_vec(), reader.is_within_record());
        let hello = self.given.clear(reader, random(&self.hello));
        read?;
        match hello {
            Some(_) if self.given.alert.is_some() => Ok(Next::Done),
            // RFC 8446 section 5.1: a message must not cross a change of keys.
            Some(hello) if hello.version >= TLS13 && within => {
                Err(ReplyError::Misplaced("a handshake message after the ServerHello in its record"))
            }
            Some(hello) if hello.is_retry && hello.version < TLS13 => Err(ReplyError::Malformed("HelloRetryRequest")),
            Some(hello) if hello.is_retry => self.retry(&hello, &messages, rest),
            Some(hello) if hello.version >= TLS13 => self.open(&hello, &messages, rest),
            _ => Ok(Next::Done),
        }
    }

    /// The second ClientHello (RFC 8446 section 4.1.2).
    fn retry(&mut self, hello: &ServerHello, messages: &[u8], rest: Vec<u8>) -> Result<Next, ReplyError> {
        if !self.before.is_empty() {
            return Err(ReplyError::Misplaced("a second HelloRetryRequest"));
        }
        let Some(first) = crypto::message_hash(hello.suite.into(), &self.hello) else {
            return self.leave_unread(&codes::suite_name(hello.suite));
        };
        if let Some(group) = hello.group {
            self.given.retried = Some(group);
            if self.draft.shares().contains(&group) {
                return Err(ReplyError::Misplaced("a HelloRetryRequest for a group whose key was sent"));
            }
            let Some(pair) = pair(group) else { return self.leave_unread(&codes::group_name(group)) };
            self.pairs = vec![pair];
        } else if hello.cookie.is_none() {
            return Err(ReplyError::Misplaced("a HelloRetryRequest that asks for nothing"));
        }
        let share = self.pairs.first().filter(|_| hello.group.is_some()).map(|(group, pair)| (*group, pair.pub_key()));
        self.draft.retry(share, hello.cookie.as_deref());
        self.before = [&first, messages].concat();
        // A cookie that makes the hello too long for its length fields.
        self.hello = self.draft.message().ok_or(ReplyError::Malformed("cookie"))?;
        self.given.agreed = None;
        self.stage = Stage::Answer(Box::new(ReplyReader::after_retry(rest)));
        // RFC 8446 appendix D.4: a client with a session ID sends a change_cipher_spec before its second flight.
        let change: &[u8] = if self.draft.session_length() > 0 { &CHANGE } else { &[] };
        Ok(Next::Say([change, &write::records(TLS12, &self.hello)].concat()))
    }

    /// The keys are known, so the rest can be read.
    fn open(&mut self, hello: &ServerHello, messages: &[u8], rest: Vec<u8>) -> Result<Next, ReplyError> {
        let group = hello.group.ok_or(ReplyError::Malformed("ServerHello without a key share"))?;
        let Some(at) = self.pairs.iter().position(|(known, _)| *known == group) else {
            return self.leave_unread(&codes::group_name(group));
        };
        let (_, pair) = self.pairs.swap_remove(at);
        let shared = pair.complete(&hello.key).map_err(|_| ReplyError::Malformed("key share"))?;
        let transcript = [&self.before, &self.hello, messages].concat();
        match crypto::handshake_keys(hello.suite.into(), shared.secret_bytes(), &transcript) {
            Some(keys) => {
                self.transcript = (hello.suite, transcript);
                self.stage = Stage::Opening(Box::new(Opening::new(keys, rest)));
                // What has already arrived.
                self.take(&[])
            }
            None => self.leave_unread(&codes::suite_name(hello.suite)),
        }
    }

    /// The server has chosen what the provider does not have.
    fn leave_unread(&mut self, what: &str) -> Result<Next, ReplyError> {
        self.given.unread = Some(format!("the rest of the answer needs {what}, which this program does not have"));
        Ok(Next::Done)
    }
}

impl Given {
    /// Takes over what was sent in the clear, in answer to a hello with that random.
    fn clear(&mut self, reader: ReplyReader, random: &[u8]) -> Option<ServerHello> {
        let reply = reader.into_reply();
        self.proof = reply.proof(random);
        self.alert = reply.alert;
        let hello = reply.hello?;
        let exchange = reply.key_exchange.unwrap_or_default();
        let group = hello.group.or(exchange.group);
        self.agreed = Some(Agreed { version: hello.version, suite: hello.suite, group });
        self.dh_bits = exchange.dh_bits;
        self.scheme = exchange.scheme;
        self.certificates = reply.certificates;
        self.alpn.clone_from(&hello.alpn);
        self.asks_for_certificate = reply.asks_for_certificate;
        Some(hello)
    }
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys must not reach a log.
        f.debug_struct("Visit").field("given", &self.given).finish_non_exhaustive()
    }
}

/// The random of a ClientHello, which follows the message's header and the version.
fn random(hello: &[u8]) -> &[u8] {
    hello.get(6..38).unwrap_or_default()
}

/// A key of ours for that group; `None` where the provider lacks the group.
fn pair(group: u16) -> Option<(u16, Box<dyn ActiveKeyExchange>)> {
    crypto::group(NamedGroup::from(group))?.start().ok().map(|pair| (group, pair))
}

/// No client sends more.
const MAX_SHARES: usize = 16;

/// The alerts user_canceled and close_notify, in the clear.
const FAREWELL: [u8; 14] = [21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0];
const CHANGE: [u8; 6] = [20, 3, 3, 0, 1, 1];

#[cfg(test)]
mod tests;
