//! The protocols for mail up to TLS: a greeting, then one answer to each line, until TLS is asked for. SMTP, IMAP and
//! POP3 differ only in the answers. Must not know: which of them it is, sockets, TLS.

use crate::starttls::line::{self, LineError};
use crate::starttls::step::{End, Refusal, Step};

/// The server's side of one protocol.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The greeting, without CR LF.
    pub greeting: &'static str,
    /// The longest line of a client in bytes, CR LF included.
    pub longest: usize,
    /// The answer to a line.
    pub answer: fn(&str) -> Answer,
    /// What the last line to a client that is not served any longer begins with.
    pub goodbye: &'static str,
    /// The request for TLS.
    pub request: &'static str,
}

/// The answer to one line, without the last CR LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The request is harmless, and done.
    Done(String),
    /// The request needs TLS, or is malformed.
    Refused(String),
    /// TLS begins after this.
    Granted(String),
    /// The client is leaving.
    Goodbye(String),
    /// The client continues with bytes that are not lines, which must not be read as lines. `why` is the reason.
    Lost { why: &'static str },
}

/// A client's lines so far.
#[derive(Debug)]
pub struct Opening {
    /// What was read and is not yet answered.
    pub raw: Vec<u8>,
    dialect: &'static Dialect,
    greeted: bool,
    answered: usize,
    /// At least one request was refused.
    refused: bool,
}

impl Opening {
    pub(super) fn new(dialect: &'static Dialect) -> Self {
        Self { raw: Vec::new(), dialect, greeted: false, answered: 0, refused: false }
    }

    pub(super) fn step(&mut self) -> Step {
        if !self.greeted {
            self.greeted = true;
            return Step::Say(ended(self.dialect.greeting));
        }
        let (text, rest) = match line::first(&self.raw, self.dialect.longest) {
            Ok(Some((line, rest))) => (String::from_utf8_lossy(line), rest.len()),
            Ok(None) => return Step::Read,
            Err(error) => return self.end(self.impression(error)),
        };
        if self.answered >= MAX_LINES {
            return self.end(format!("more than {MAX_LINES} commands without {}", self.dialect.request));
        }
        let answer = (self.dialect.answer)(&text);
        self.answered += 1;
        self.raw.drain(..self.raw.len() - rest);
        match answer {
            Answer::Done(answer) => Step::Say(ended(&answer)),
            Answer::Refused(answer) => {
                self.refused = true;
                Step::Say(ended(&answer))
            }
            // A client must wait for the answer before it begins with TLS (RFC 3207 section 4, RFC 9051 section 6.2.1,
            // RFC 2595 section 4).
            Answer::Granted(_) if !self.raw.is_empty() => self.pipelined(),
            Answer::Granted(answer) => Step::Begin { say: ended(&answer), early: Vec::new() },
            Answer::Goodbye(answer) => Step::End(End { say: ended(&answer), why: self.closed() }),
            Answer::Lost { why } => {
                self.refused = true;
                self.end(why.into())
            }
        }
    }

    /// Ends the exchange, since bytes followed the request for TLS.
    pub(super) fn pipelined(&self) -> Step {
        let text = format!("nothing may follow {} before it is answered", self.dialect.request);
        Step::End(End { say: self.goodbye(&text), why: Refusal::Pipelined })
    }

    /// Why TLS does not begin, if the client has closed or has said goodbye.
    pub(super) fn closed(&self) -> Refusal {
        match self.refused {
            true => {
                Refusal::InTheClear(format!("the client sent commands other than {}, and closed", self.dialect.request))
            }
            false => Refusal::Closed,
        }
    }

    fn end(&self, why: String) -> Step {
        let say = self.goodbye(&format!("this server expects {}", self.dialect.request));
        Step::End(End { say, why: if self.refused { Refusal::InTheClear(why) } else { Refusal::Invalid(why) } })
    }

    fn goodbye(&self, text: &str) -> Vec<u8> {
        ended(&format!("{} {text}", self.dialect.goodbye))
    }

    /// What the bytes seem to be, for the log.
    fn impression(&self, error: LineError) -> String {
        match (error, self.raw.as_slice()) {
            (LineError::Control(_), [TLS_HANDSHAKE, ..]) => {
                format!("a TLS ClientHello (expected {} before it)", self.dialect.request)
            }
            _ => error.to_string(),
        }
    }
}

/// The command of a line in capitals, and what follows it without blanks around it.
pub(super) fn command(line: &str) -> (String, &str) {
    let (command, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (command.to_ascii_uppercase(), rest.trim_matches([' ', '\t']))
}

fn ended(answer: &str) -> Vec<u8> {
    [answer.as_bytes(), b"\r\n"].concat()
}

/// How many lines are answered. Clients ask for capabilities and for TLS; some try to log in before that.
const MAX_LINES: usize = 32;
const TLS_HANDSHAKE: u8 = 0x16;

#[cfg(test)]
mod tests;
