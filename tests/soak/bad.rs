//! Clients that break the rules at once: what is not TLS, hellos that are invalid, resets at every stage, forged records,
//! floods, PROXY headers out of place, one connection too many. Must not know: what is made of it (`kind`).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::configuration::FEW;
use crate::exchange::{Failure, Shape, Task};
use crate::faults::Fault;
use crate::good::conclude;
use crate::kind::Kind;
use crate::ledger::Ticket;
use crate::material::{PLAIN, source};
use crate::run::Soak;
use crate::session::Session;
use crate::support::client::{Client, Tls, reset};
use crate::support::forge::{APPLICATION_DATA, Forger};
use crate::support::hello::{SERVER_NAME, header, message, records, server_names, with_extensions};

/// One client after the other, until the soak ends.
pub(crate) fn load(soak: &Soak, thread: u8) {
    let bad = Bad { soak, from: source(thread), settings: soak.material.forgers() };
    while soak.pause(PACE) {
        bad.one();
    }
}

struct Bad<'a> {
    soak: &'a Soak,
    from: IpAddr,
    settings: [Arc<ClientConfig>; 2],
}

impl<'a> Bad<'a> {
    fn one(&self) {
        let tls = Tls::BOTH[fastrand::usize(..2)];
        match fastrand::u8(..16) {
            0 => self.in_pieces(Kind::SlowHello, tls),
            1 => self.in_pieces(Kind::SplitHello, tls),
            2 => self.large(),
            3 | 4 => self.noise(),
            5 => self.odd_name(tls),
            6 => self.wrong_name(tls),
            7 => self.fallback(),
            8..=10 => self.resets(tls),
            11 => self.truncates(tls),
            12 => self.bad_record(tls),
            13 => self.flood(tls),
            14 => self.preface(),
            _ => self.surplus(tls),
        }
    }

    fn dial(&self, kind: Kind, listener: &str) -> Option<(TcpStream, Ticket<'a>)> {
        self.soak.ledger.dial(kind, self.from, self.soak.program.address(listener))
    }

    fn client(&self, kind: Kind, tls: Tls, name: &str) -> Option<(Client, Ticket<'a>)> {
        let (tcp, ticket) = self.dial(kind, "main")?;
        Some((Client::on(tcp, &self.settings[tls as usize], name), ticket))
    }

    /// Sends that, and expects to be closed.
    fn sends(&self, kind: Kind, listener: &str, bytes: &[u8]) {
        let Some((mut tcp, ticket)) = self.dial(kind, listener) else { return };
        // It may be closed before everything is sent.
        let _ = tcp.write_all(bytes);
        conclude_closed(tcp, ticket);
    }

    fn in_pieces(&self, kind: Kind, tls: Tls) {
        let Some((mut client, ticket)) = self.client(kind, tls, PLAIN) else { return };
        let mut hello = client.flight();
        let mut piece = 1;
        if kind == Kind::SplitHello {
            hello = records(&message(&hello), 1);
            piece = hello.len();
        }
        let sent = hello.chunks(piece).try_for_each(|piece| client.tcp.write_all(piece));
        let mut session = Session::new(client);
        let done = sent
            .map_err(|error| Failure::new("hello", error))
            .and_then(|()| session.begin())
            .and_then(|()| session.perform(small(), Duration::ZERO));
        conclude(self.soak, session, ticket, done);
    }

    fn large(&self) {
        let filled = |length: usize, sent: usize| records(&[header(length), vec![3; sent]].concat(), 16_000);
        let flight = match fastrand::u8(..3) {
            0 => filled((1 << 24) - 1, 0),
            1 => filled(64 * 1024, 64 * 1024),
            _ => b"\x16\x03\x03\x00\x00".repeat(14_000),
        };
        self.sends(Kind::LargeHello, "main", &flight);
    }

    fn noise(&self) {
        let mut random = [0; 200];
        random.fill_with(|| fastrand::u8(..));
        let alike = [&b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0"[..], &random[..192]].concat();
        let rows: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
            &alike,
            // A first byte that is no handshake record's, so that it is never waited for more.
            &[&[0x41], &random[..]].concat(),
        ];
        self.sends(Kind::Noise, "main", rows[fastrand::usize(..rows.len())]);
    }

    fn odd_name(&self, tls: Tls) {
        let Some((mut client, ticket)) = self.client(Kind::OddName, tls, PLAIN) else { return };
        let names: [&[u8]; 6] = [
            b"plain.test\0",
            b"plain.test\r\nx: 1",
            &[0xff; 9],
            b"https://plain.test/",
            &[b'm'; 64],
            &b"marker.".repeat(8000),
        ];
        let name = server_names(&[names[fastrand::usize(..names.len())]]);
        let hello = with_extensions(&message(&client.flight()), SERVER_NAME, &[&name]);
        let _ = client.tcp.write_all(&records(&hello, 1 << 14));
        // An alert, or a ServerHello: then the client leaves.
        let answered = client.tcp.read(&mut [0; 1 << 14]);
        conclude_with(client.tcp, ticket, answered.err().map(|error| Failure::new("answer", error)));
    }

    fn wrong_name(&self, tls: Tls) {
        let Some((mut client, ticket)) = self.client(Kind::WrongName, tls, "elsewhere.test") else { return };
        let failure = match client.handshake() {
            Ok(()) => Some(Failure::new("handshake", "a certificate for another name was taken")),
            // The alert is sent already.
            Err(error) if error.kind() == ErrorKind::InvalidData => None,
            Err(error) => Some(Failure::new("handshake", error)),
        };
        conclude_with(client.tcp, ticket, failure);
    }

    fn fallback(&self) {
        let Some((mut client, ticket)) = self.client(Kind::Fallback, Tls::V12, PLAIN) else { return };
        let mut hello = message(&client.flight());
        // Behind type, length, version, random and session id come the suites (RFC 5246 section 7.4.1.2).
        let at = 4 + 2 + 32 + 1 + usize::from(hello[38]);
        let length = u16::from_be_bytes([hello[at], hello[at + 1]]) + 2;
        hello.splice(at..at + 2, [length.to_be_bytes(), SCSV].concat());
        let whole = u32::try_from(hello.len() - 4).unwrap().to_be_bytes();
        hello[1..4].copy_from_slice(&whole[1..]);
        let _ = client.tcp.write_all(&records(&hello, 1 << 14));
        conclude_closed(client.tcp, ticket);
    }

    fn resets(&self, tls: Tls) {
        let Some((mut client, ticket)) = self.client(Kind::Reset, tls, PLAIN) else { return };
        // Each step is one further; where one fails, the reset comes earlier.
        let last = fastrand::u8(..5);
        let steps: [&dyn Fn(&mut Client) -> io::Result<()>; 4] = [
            &|client| {
                let hello = client.flight();
                let half = if last == 1 { hello.len() / 2 } else { hello.len() };
                client.tcp.write_all(&hello[..half])
            },
            &|client| client.tls.read_tls(&mut client.tcp).map(drop),
            &|client| client.tls.process_new_packets().map_err(io::Error::other).and_then(|_| client.handshake()),
            &|client| {
                let task = Task { shape: Shape::AfterEnd, seed: 1, up: 100_000, down: 0 };
                client.send(&task.head())
            },
        ];
        let _ = steps.iter().take(last.into()).try_for_each(|step| step(&mut client));
        reset(client.tcp);
        ticket.finish(None, None);
    }

    fn truncates(&self, tls: Tls) {
        let Some((client, ticket)) = self.client(Kind::Truncated, tls, PLAIN) else { return };
        let mut session = Session::new(client);
        let done = session.begin().and_then(|()| session.send(&unfinished().head(), "task"));
        let server = session.server;
        if done.is_ok() {
            session.client.fin();
        }
        let closed = closed(&mut session.client.tcp);
        drop(session);
        ticket.finish(server, done.and(closed).err());
    }

    /// The server has got a task that does not end: whatever is delivered of the bad record would be noticed.
    fn bad_record(&self, tls: Tls) {
        self.forges(Kind::BadRecord, tls, |forger| {
            let mut record = forger.record(APPLICATION_DATA, b"forged");
            if fastrand::bool() {
                return b"GET / HTTP/1.0\r\n\r\n".to_vec();
            }
            let at = fastrand::usize(5..record.len());
            record[at] ^= 1 << fastrand::u8(..8);
            record
        });
    }

    fn flood(&self, tls: Tls) {
        self.forges(Kind::Flood, tls, |forger| {
            (0..EMPTY_RECORDS).flat_map(|_| forger.record(APPLICATION_DATA, b"")).collect()
        });
    }

    fn forges(&self, kind: Kind, tls: Tls, forge: impl FnOnce(&mut Forger) -> Vec<u8>) {
        let Some((client, ticket)) = self.client(kind, tls, PLAIN) else { return };
        let mut session = Session::new(client);
        let done = session.begin().and_then(|()| session.send(&unfinished().head(), "task"));
        let server = session.server;
        if let Err(failure) = done {
            return conclude(self.soak, session, ticket, Err(failure));
        }
        let mut forger = Forger::take_over(session.client, tls);
        let flight = forge(&mut forger);
        // It may be closed before everything is sent.
        let _ = forger.tcp.write_all(&flight);
        let closed = closed(&mut forger.tcp);
        drop(forger);
        ticket.finish(server, closed.err());
    }

    fn preface(&self) {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n";
        match fastrand::u8(..3) {
            0 => self.sends(Kind::Preface, "main", line),
            1 => self.sends(Kind::NoPreface, "proxied", b"GET / HTTP/1.1\r\n\r\n"),
            _ => self.sends(Kind::NoPreface, "proxied", b"PROXY TCP4 192.0.2.1 198.51.100.2 50000\r\n"),
        }
    }

    /// Fills a listener with good clients, who are served after others were refused.
    fn surplus(&self, tls: Tls) {
        let address: SocketAddr = self.soak.program.address("few");
        let mut inside = Vec::new();
        for _ in 0..FEW {
            let Some((tcp, ticket)) = self.soak.ledger.dial(Kind::Good, self.from, address) else { continue };
            let mut session = Session::new(Client::on(tcp, &self.settings[tls as usize], PLAIN));
            let begun = session.begin();
            inside.push((session, ticket, begun));
        }
        if inside.len() == FEW && inside.iter().all(|(.., begun)| begun.is_ok()) {
            for _ in 0..3 {
                self.one_more(tls, address);
            }
        }
        for (mut session, ticket, begun) in inside {
            let done = begun.and_then(|()| session.perform(small(), Duration::ZERO));
            conclude(self.soak, session, ticket, done);
        }
    }

    fn one_more(&self, tls: Tls, address: SocketAddr) {
        let begun = Instant::now();
        let Some((tcp, ticket)) = self.soak.ledger.dial(Kind::Surplus, self.from, address) else { return };
        let mut session = Session::new(Client::on(tcp, &self.settings[tls as usize], PLAIN));
        let done = match session.begin() {
            // It is closed, as it has to be.
            Err(_) => Ok(()),
            // A process that has just taken over has room.
            Ok(()) if self.soak.faults.between(begun, Instant::now()).contains(&Fault::Upgrade) => {
                ticket.becomes(Kind::Good);
                session.perform(small(), Duration::ZERO)
            }
            Ok(()) => Err(Failure::new("handshake", "it was admitted")),
        };
        conclude(self.soak, session, ticket, done);
    }
}

/// Closes the connection, and enters what was seen.
fn conclude_with(tcp: TcpStream, ticket: Ticket<'_>, failure: Option<Failure>) {
    drop(tcp);
    ticket.finish(None, failure);
}

fn conclude_closed(mut tcp: TcpStream, ticket: Ticket<'_>) {
    let closed = closed(&mut tcp);
    conclude_with(tcp, ticket, closed.err());
}

/// Reads until the other side closes, which it has to do soon.
fn closed(tcp: &mut TcpStream) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut buffer = [0; 1 << 14];
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) if begun.elapsed() < LIMIT => {}
            Ok(_) => return Err(Failure::new("close", "it was not closed")),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(Failure::new("close", error)),
        }
    }
}

fn small() -> Task {
    Task { shape: Shape::Messages, seed: fastrand::u8(..), up: 3, down: 0 }
}

/// A task of which nothing is sent: an orderly end of it, or any byte of it, is a corruption.
fn unfinished() -> Task {
    Task { shape: Shape::AfterEnd, seed: 7, up: 100_000, down: 0 }
}

/// TLS_FALLBACK_SCSV (RFC 7507 section 4).
const SCSV: [u8; 2] = [0x56, 0x00];
const EMPTY_RECORDS: usize = 3000;
const LIMIT: Duration = Duration::from_secs(30);
/// Between two clients.
const PACE: Duration = Duration::from_millis(40);
