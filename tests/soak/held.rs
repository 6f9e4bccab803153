//! Clients that hold their connections: silent, a byte from time to time, stopped after the ServerHello, not reading. Must
//! not know: when they have to be closed, other than that they must be.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::configuration::HANDSHAKE_TIMEOUT;
use crate::exchange::{Failure, Shape, Task};
use crate::good::conclude;
use crate::kind::Kind;
use crate::ledger::{ANSWER, Ticket};
use crate::material::{PLAIN, source};
use crate::run::Soak;
use crate::session::Session;
use crate::support::client::{Client, reset};

/// Keeps some clients of each kind, until the soak ends.
pub(crate) fn load(soak: &Soak, thread: u8) {
    let (from, settings) = (source(thread), soak.material.forgers());
    let mut held: Vec<Held<'_>> = Vec::new();
    while soak.pause(TICK) {
        for kind in [Kind::Silent, Kind::Trickling, Kind::Stopped, Kind::NotReading] {
            // One at a time, so that they do not all end at once.
            if held.iter().filter(|client| client.kind == kind).count() < EACH {
                let dialled = match kind {
                    Kind::NotReading => narrow(soak, from),
                    _ => soak.ledger.dial(kind, from, soak.program.address("main")),
                };
                let config = &settings[fastrand::usize(..2)];
                let made = dialled.and_then(|(tcp, ticket)| {
                    let session = Session::new(Client::on(tcp, config, PLAIN));
                    Held::new(soak, kind, session, ticket)
                });
                held.extend(made);
            }
        }
        held = held.into_iter().filter_map(|client| client.step()).collect();
    }
    // Those that are left leave: in the middle of whatever they do.
    for client in held {
        client.leave();
    }
}

struct Held<'a> {
    kind: Kind,
    session: Session,
    ticket: Ticket<'a>,
    begun: Instant,
    /// What is still to be sent.
    rest: Vec<u8>,
    sent: usize,
    /// When it leaves by itself.
    leaves: Option<Instant>,
}

impl<'a> Held<'a> {
    fn new(soak: &Soak, kind: Kind, mut session: Session, ticket: Ticket<'a>) -> Option<Self> {
        let begun = Instant::now();
        let (mut rest, mut leaves) = (Vec::new(), None);
        match kind {
            Kind::Trickling => rest = session.client.flight(),
            Kind::Stopped => {
                let hello = session.client.flight();
                // An error is seen as a close.
                let _ = session.client.tcp.write_all(&hello);
            }
            Kind::NotReading => {
                if let Err(failure) = not_reading(&mut session) {
                    conclude(soak, session, ticket, Err(failure));
                    return None;
                }
                // Some stay until they are closed.
                leaves = fastrand::bool().then(|| begun + Duration::from_secs(fastrand::u64(1..12)));
            }
            _ => {}
        }
        let _ = session.client.tcp.set_read_timeout(Some(Duration::from_millis(1)));
        Some(Self { kind, session, ticket, begun, rest, sent: 0, leaves })
    }

    /// Does what its kind does, and looks whether it was closed: then it has ended.
    fn step(mut self) -> Option<Self> {
        if let Some(byte) = self.rest.get(self.sent..=self.sent) {
            // An error is seen below.
            let _ = self.session.client.tcp.write_all(byte);
            // Never the whole hello.
            self.sent = (self.sent + 1).min(self.rest.len() / 2);
        }
        if self.leaves.is_some_and(|leaves| Instant::now() > leaves) {
            self.leave();
            return None;
        }
        let closed = match self.kind {
            // Before, reading would spoil it. What it has not read keeps the end from it, so only the log knows.
            Kind::NotReading => self.ticket.has_record().then(|| rest_of(&mut self.session)),
            _ => is_closed(&mut self.session.client.tcp).then_some(None),
        };
        let late = self.begun.elapsed() > LONGEST;
        let closed = closed.or(late.then(|| Some(Failure::new("close", "it was not closed"))));
        let Some(failure) = closed else { return Some(self) };
        let server = self.session.server;
        drop(self.session);
        self.ticket.finish(server, failure);
        None
    }

    fn leave(self) {
        // The other kinds wait for a time limit.
        if self.kind != Kind::NotReading {
            self.ticket.becomes(Kind::Left);
        }
        reset(self.session.client.tcp);
        self.ticket.finish(self.session.server, None);
    }
}

/// Reads what is left of a connection that was cut: it may not look complete.
fn rest_of(session: &mut Session) -> Option<Failure> {
    let _ = session.client.tcp.set_read_timeout(Some(ANSWER));
    let read = session.drain();
    read.is_ok().then(|| Failure::corruption("close", "close_notify in the middle of an answer"))
}

fn is_closed(tcp: &mut TcpStream) -> bool {
    loop {
        match tcp.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Asks for more than all buffers hold.
pub(crate) fn not_reading(session: &mut Session) -> Result<(), Failure> {
    session.begin()?;
    session.send(&Task { shape: Shape::InTurn, seed: 3, up: 0, down: MORE }.head(), "task")
}

/// A client whose receive buffer is small.
pub(crate) fn narrow(soak: &Soak, from: IpAddr) -> Option<(TcpStream, Ticket<'_>)> {
    let settings = |socket: &socket2::Socket| socket.set_recv_buffer_size(64 * 1024);
    soak.ledger.dial_with(Kind::NotReading, from, soak.program.address("main"), settings)
}

/// Of each kind.
const EACH: usize = 10;
const TICK: Duration = Duration::from_millis(500);
/// Much later than every time limit.
const LONGEST: Duration = Duration::from_secs(3 * HANDSHAKE_TIMEOUT.as_secs() + 30);
/// More than all buffers on the way.
const MORE: u32 = 256 << 20;
