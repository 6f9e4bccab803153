//! The exchange in the clear with a server that is asked for TLS, or that only greets. Must not know: TLS, which server
//! it is, how long to wait.
//!
//! Nothing that a server sends behind an answer, before it is asked again, is used: it is an error (as in
//! CVE-2021-38371, an attacker could otherwise add answers that are taken for encrypted ones).

use std::io::{self, ErrorKind};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::starttls::protocol::Protocol;
use crate::starttls::{imap, ldap, pop3, postgres, smtp};

/// The exchange with one server. No I/O: the owner of the connection appends to [`Asking::raw`] and calls
/// [`Asking::step`].
#[derive(Debug)]
pub struct Asking {
    /// What was received and is not used yet.
    pub raw: Vec<u8>,
    protocol: Protocol,
    stage: Stage,
    /// Whether TLS is asked for; otherwise the greeting is the end.
    for_tls: bool,
}

/// Why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unready {
    /// It greets with a refusal, in the protocol's own form.
    #[error("{0}")]
    Refused(String),
    #[error("the server closed the connection")]
    Closed,
    #[error("{0}")]
    Wrong(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Wait for more bytes.
    Read,
    /// Send these bytes, and continue.
    Say(Vec<u8>),
    /// The exchange is over: TLS begins, if that was asked for.
    Done,
}

/// What is expected of the server.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing yet: the client speaks first.
    Silent,
    Greeting,
    /// The answer to EHLO.
    Capabilities,
    Answer,
}

impl Asking {
    /// Asks for TLS.
    pub fn for_tls(protocol: Protocol) -> Self {
        let stage = if protocol.has_greeting() { Stage::Greeting } else { Stage::Silent };
        Self { raw: Vec::new(), protocol, stage, for_tls: true }
    }

    /// Waits for the greeting only. With a protocol that has none, this is over at once.
    pub fn for_greeting(protocol: Protocol) -> Self {
        Self { for_tls: false, ..Self::for_tls(protocol) }
    }

    /// What to do next. An error is the reason why this server cannot be used.
    pub fn step(&mut self) -> Result<Next, String> {
        match self.stage {
            Stage::Silent if !self.for_tls => Ok(Next::Done),
            Stage::Silent => {
                self.stage = Stage::Answer;
                Ok(Next::Say(self.request()))
            }
            _ if !self.is_answered()? => Ok(Next::Read),
            Stage::Greeting => {
                self.raw.clear();
                if !self.for_tls {
                    return Ok(Next::Done);
                }
                let is_smtp = self.protocol == Protocol::Smtp;
                self.stage = if is_smtp { Stage::Capabilities } else { Stage::Answer };
                Ok(Next::Say(if is_smtp { smtp::HELLO.to_vec() } else { self.request() }))
            }
            Stage::Capabilities => {
                self.raw.clear();
                self.stage = Stage::Answer;
                Ok(Next::Say(self.request()))
            }
            Stage::Answer => Ok(Next::Done),
        }
    }

    /// Whether what the server has sent so far is a refusal in place of a greeting.
    fn is_refused(&self) -> bool {
        match (self.stage, self.protocol) {
            (Stage::Greeting, Protocol::Smtp) => smtp::is_refused(&self.raw),
            (Stage::Greeting, Protocol::Imap) => imap::is_refused(&self.raw),
            (Stage::Greeting, Protocol::Pop3) => pop3::is_refused(&self.raw),
            _ => false,
        }
    }

    /// Whether what is expected is complete.
    fn is_answered(&self) -> Result<bool, String> {
        let raw = &*self.raw;
        match (self.stage, self.protocol) {
            (Stage::Silent, _) => Ok(true),
            (_, Protocol::Ldap) => ldap::is_granted(raw),
            (_, Protocol::Postgres) => postgres::is_granted(raw),
            (Stage::Greeting, Protocol::Smtp) => smtp::is_greeted(raw),
            (Stage::Greeting, Protocol::Imap) => imap::is_greeted(raw),
            (Stage::Greeting, Protocol::Pop3) => pop3::is_greeted(raw),
            (Stage::Capabilities, _) => smtp::is_offered(raw),
            (Stage::Answer, Protocol::Smtp) => smtp::is_granted(raw),
            (Stage::Answer, Protocol::Imap) => imap::is_granted(raw),
            (Stage::Answer, Protocol::Pop3) => pop3::is_granted(raw),
        }
    }

    fn request(&self) -> Vec<u8> {
        match self.protocol {
            Protocol::Ldap => ldap::request(),
            Protocol::Postgres => postgres::request(),
            Protocol::Smtp => smtp::REQUEST.to_vec(),
            Protocol::Imap => imap::REQUEST.to_vec(),
            Protocol::Pop3 => pop3::REQUEST.to_vec(),
        }
    }
}

/// Goes through the whole exchange. The caller sets the deadline.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut asking: Asking, stream: &mut S) -> Result<(), Unready> {
    loop {
        let next = asking.step();
        let is_refused = next.is_err() && asking.is_refused();
        match next.map_err(if is_refused { Unready::Refused } else { Unready::Wrong })? {
            Next::Done => return Ok(()),
            Next::Read => match stream.read_buf(&mut asking.raw).await {
                Ok(0) => return Err(Unready::Closed),
                Ok(_) => {}
                Err(error) => return Err(Unready::of(&error)),
            },
            Next::Say(request) => {
                let sent = async {
                    stream.write_all(&request).await?;
                    stream.flush().await
                };
                sent.await.map_err(|error| Unready::of(&error))?;
            }
        }
    }
}

impl Unready {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Wrong(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    /// What a server sends, answer by answer.
    fn answers(protocol: Protocol) -> Vec<&'static [u8]> {
        match protocol {
            Protocol::Ldap => vec![b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"],
            Protocol::Postgres => vec![b"S"],
            Protocol::Smtp => vec![b"220 a.test\r\n", b"250-a.test\r\n250 STARTTLS\r\n", b"220 go\r\n"],
            Protocol::Imap => vec![b"* OK ready\r\n", b"tls OK go\r\n"],
            Protocol::Pop3 => vec![b"+OK ready\r\n", b"+OK go\r\n"],
        }
    }

    #[test]
    fn every_prefix_of_an_answer_asks_for_more_and_bytes_behind_it_are_refused() {
        for protocol in Protocol::ALL {
            let mut asking = Asking::for_tls(*protocol);
            for answer in answers(*protocol) {
                while let Next::Say(request) = asking.step().unwrap() {
                    assert!(!request.is_empty());
                }
                for byte in answer {
                    assert_eq!(asking.step(), Ok(Next::Read), "{protocol:?}");
                    asking.raw.push(*byte);
                }
                asking.raw.push(b'\x16');
                let error = asking.step().unwrap_err();
                assert!(error.contains("clear text") || error.contains("control character"), "{protocol:?}: {error}");
                asking.raw.pop();
            }
            assert_eq!(asking.step(), Ok(Next::Done), "{protocol:?}");
        }
    }

    #[test]
    fn a_greeting_alone_is_waited_for_where_there_is_one() {
        for protocol in Protocol::ALL {
            let mut asking = Asking::for_greeting(*protocol);
            let greeting = if protocol.has_greeting() { answers(*protocol)[0] } else { b"" };
            asking.raw.extend_from_slice(greeting);
            assert_eq!(asking.step(), Ok(Next::Done), "{protocol:?}");
            assert!(asking.raw.is_empty());
        }
    }

    /// Why a server cannot be used that sends this, and then closes.
    async fn unready(protocol: Protocol, sends: &[u8]) -> Unready {
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(sends).await.unwrap();
        drop(far);
        ask(Asking::for_greeting(protocol), &mut near).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_closes_and_one_that_refuses_are_told_apart_from_one_that_is_wrong() {
        let (mut near, far) = tokio::io::duplex(64);
        drop(far);
        assert_eq!(ask(Asking::for_tls(Protocol::Smtp), &mut near).await, Err(Unready::Closed));
        assert_eq!(Unready::Closed.to_string(), "the server closed the connection");
        for (protocol, refusal, wrong) in [
            (Protocol::Smtp, "554 no\r\n", "* BYE\r\n"),
            (Protocol::Imap, "* BYE no\r\n", "* PREAUTH\r\n"),
            (Protocol::Pop3, "-ERR no\r\n", "554 no\r\n"),
        ] {
            let found = unready(protocol, refusal.as_bytes()).await;
            assert!(matches!(&found, Unready::Refused(reason) if reason.contains("greets with")), "{found:?}");
            assert!(matches!(unready(protocol, wrong.as_bytes()).await, Unready::Wrong(_)), "{protocol:?}");
            for end in 0..refusal.len() {
                assert_eq!(unready(protocol, &refusal.as_bytes()[..end]).await, Unready::Closed, "{protocol:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_after_the_greeting_is_no_refusal_of_the_client() {
        let (mut near, mut far) = tokio::io::duplex(1024);
        let asked = tokio::spawn(async move { ask(Asking::for_tls(Protocol::Smtp), &mut near).await });
        far.write_all(b"220 a.test\r\n").await.unwrap();
        far.read_exact(&mut vec![0; smtp::HELLO.len()]).await.unwrap();
        far.write_all(b"554 no\r\n").await.unwrap();
        assert!(matches!(asked.await.unwrap(), Err(Unready::Wrong(_))));
    }
}
