//! Sends one raw ClientHello on a connection of its own, and reads the answer. Must not know: what the hello is to show.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::connect::{ConnectError, Line, Target};
use super::hello::Offer;
use super::proof::Proofs;
use super::reply::{Reply, ReplyError, ReplyReader, ServerHello};
use super::visit::{Given, Next, Visit};

/// The server's answer to a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A ServerHello, with everything that was read with it.
    Agreed(ServerHello, Box<Reply>),
    Alert(u8),
    Closed,
    Reset,
    Silent,
    Garbage(ReplyError),
}

/// The end of a visit that was not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    Closed,
    Reset,
    Silent,
    Garbage(ReplyError),
}

/// Why a server cannot be probed.
#[derive(Debug, Error)]
pub(super) enum ProbeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}: {1}")]
    Server(String, String),
    #[error("{0} (after {1} answered ClientHellos)")]
    Later(ConnectError, usize),
    #[error("{0}: the probe would take longer than {1} (a longer --timeout allows more)")]
    TooLong(String, String),
    #[error("the system provides no random numbers")]
    NoRandom,
}

/// Sends ClientHellos to one server, and gives up where it does not answer or takes too long.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) target: Target,
    /// What the signatures of the server's answers show.
    pub(super) proofs: Proofs,
    until: Instant,
    times: u32,
    answered: usize,
    silent: u32,
}

impl Asker {
    pub(super) fn new(target: Target) -> Self {
        Self::lasting(target, WHOLE)
    }

    /// The whole probe may take this many times the limit of one connection.
    pub(super) fn lasting(target: Target, times: u32) -> Self {
        let until = Instant::now() + target.timeout.saturating_mul(times);
        Self { target, proofs: Proofs::default(), until, times, answered: 0, silent: 0 }
    }

    /// Sends the hello on a connection of its own.
    pub(super) fn ask(&mut self, offer: &Offer<'_>) -> Result<Answer, ProbeError> {
        let hello = offer.to_bytes().ok_or(ProbeError::NoRandom)?;
        let answer = self.exchange(&hello)?;
        match &answer {
            Answer::Silent => {
                self.silent += 1;
                if self.silent >= PATIENCE {
                    return Err(self.unanswered());
                }
            }
            // A server that has not sent TLS so far is not a TLS server: further questions are pointless.
            Answer::Garbage(error) if self.answered == 0 => {
                return Err(ProbeError::Server(self.target.text.clone(), error.to_string()));
            }
            Answer::Agreed(..) | Answer::Alert(_) => {
                self.silent = 0;
                self.answered += 1;
            }
            _ => self.silent = 0,
        }
        Ok(answer)
    }

    /// Sends the client's hello on a connection of its own, and reads what the server gives it; and how that was cut off,
    /// if it was. Gives up where no client has had an answer yet.
    pub(super) fn visit(&mut self, mut visit: Visit) -> Result<(Given, Option<Cut>), ProbeError> {
        let mut line = self.connect()?;
        let cut = converse(&mut line, &mut visit);
        // Nobody waits for it.
        let _ = line.write_all(&visit.farewell());
        let given = visit.into_given();
        match &cut {
            Some(Cut::Garbage(error)) if self.answered == 0 => {
                return Err(ProbeError::Server(self.target.text.clone(), error.to_string()));
            }
            Some(Cut::Silent) if self.answered == 0 => {
                self.silent += 1;
                if self.silent >= PATIENCE {
                    return Err(self.unanswered());
                }
            }
            _ => {}
        }
        if given.alert.is_some() || given.agreed.is_some() {
            self.answered += 1;
        }
        Ok((given, cut))
    }

    /// Somebody who speaks TLS has answered: from now on, a connection that fails is tried once more.
    pub(super) fn heard(&mut self) {
        self.answered += 1;
    }

    fn unanswered(&self) -> ProbeError {
        let why = format!("no answer to {PATIENCE} ClientHellos within {:?} each", self.target.timeout);
        ProbeError::Server(self.target.text.clone(), why)
    }

    /// A connection, for a whole handshake.
    pub(super) fn connect(&mut self) -> Result<Line, ProbeError> {
        if Instant::now() >= self.until {
            let most = format!("{:?}", self.target.timeout.saturating_mul(self.times));
            return Err(ProbeError::TooLong(self.target.text.clone(), most));
        }
        let first = match self.target.connect() {
            Ok(line) => return Ok(line),
            Err(error) => error,
        };
        if self.answered == 0 {
            return Err(first.into());
        }
        // It answered before, so it may only limit the rate of connections.
        thread::sleep(BREATH);
        self.target.connect().map_err(|error| ProbeError::Later(error, self.answered))
    }

    fn exchange(&mut self, sent: &[u8]) -> Result<Answer, ProbeError> {
        let mut line = self.connect()?;
        let mut reader = ReplyReader::default();
        let mut buffer = [0; 8192];
        // A server that refuses early may have closed already, and its alert is still to be read.
        let written = line.write_all(sent);
        let end = loop {
            match line.read(&mut buffer) {
                Ok(0) => break Answer::Closed,
                Ok(count) => {
                    reader.raw.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    match reader.advance() {
                        // The reply is complete: below, its contents decide.
                        Ok(true) => break Answer::Closed,
                        Ok(false) => {}
                        Err(error) => break Answer::Garbage(error),
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::TimedOut && written.is_ok() => break Answer::Silent,
                Err(_) => break Answer::Reset,
            }
        };
        let reply = reader.into_reply();
        // The random follows the headers of the record and of the message, and the version.
        if let (Some(hello), Some(leaf)) = (&reply.hello, reply.certificates.first()) {
            self.proofs.add(hello.version, reply.proof(sent.get(11..43).unwrap_or_default()), leaf);
        }
        Ok(match (end, &reply.hello, reply.alert) {
            (Answer::Garbage(error), ..) => Answer::Garbage(error),
            (_, _, Some(alert)) => Answer::Alert(alert),
            (_, Some(hello), None) => Answer::Agreed(hello.clone(), Box::new(reply)),
            (end, None, None) => end,
        })
    }
}

/// Leads a visit to its end; or returns how it was cut off.
fn converse(line: &mut Line, visit: &mut Visit) -> Option<Cut> {
    let mut buffer = [0; 8192];
    // A server that refuses early may have closed already, and its alert is still to be read.
    let mut written = line.write_all(&visit.hello());
    loop {
        let next = match line.read(&mut buffer) {
            Ok(0) => return Some(Cut::Closed),
            Ok(count) => visit.take(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::TimedOut && written.is_ok() => return Some(Cut::Silent),
            Err(_) => return Some(Cut::Reset),
        };
        match next {
            Ok(Next::Read) => {}
            Ok(Next::Say(more)) => written = written.and_then(|()| line.write_all(&more)),
            Ok(Next::Done) => return None,
            Err(error) => return Some(Cut::Garbage(error)),
        }
    }
}

/// The whole probe may take this many times the limit of one connection: two minutes by default.
const WHOLE: u32 = 24;
/// How many hellos in a row may stay without an answer.
const PATIENCE: u32 = 3;
/// A pause for a server that limits the rate of connections.
const BREATH: Duration = Duration::from_millis(250);
