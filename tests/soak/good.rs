//! Good clients: whole and resumed handshakes, every way that a connection can take, messages and transfers of all sizes,
//! half-closes, slow readers. Must not know: which faults are made meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, HandshakeKind};

use crate::exchange::{Failure, Shape, Task};
use crate::kind::Kind;
use crate::ledger::Ticket;
use crate::material::{INNER, PLAIN, THROUGH, generation, preface, source};
use crate::run::Soak;
use crate::session::Session;
use crate::support::client::{Client, RECORD};

/// The way that a connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// TLS ends at tlsgate.
    Plain,
    /// The same, and tlsgate uses TLS to the server.
    Inner,
    /// TLS ends at the server.
    Through,
    /// Behind a PROXY header.
    Proxied,
    /// After LDAP's StartTLS.
    Directory,
}

const WAYS: [Way; 5] = [Way::Plain, Way::Inner, Way::Through, Way::Proxied, Way::Directory];

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inner => INNER,
            Self::Through => THROUGH,
            Self::Plain | Self::Proxied | Self::Directory => PLAIN,
        }
    }

    pub(crate) fn listener(self) -> &'static str {
        match self {
            Self::Plain | Self::Inner | Self::Through => "main",
            Self::Proxied => "proxied",
            Self::Directory => "directory",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "terminated",
            Self::Inner => "with TLS to the server",
            Self::Through => "passed through",
            Self::Proxied => "behind a PROXY header",
            Self::Directory => "after StartTLS",
        }
    }

    /// What comes before TLS.
    fn prepare(self, tcp: &mut TcpStream, own: SocketAddr, to: SocketAddr) -> Result<(), Failure> {
        let done = match self {
            Self::Plain | Self::Inner | Self::Through => Ok(()),
            Self::Proxied => tcp.write_all(&preface(own, to)),
            Self::Directory => tcp.write_all(START_TLS).and_then(|()| tcp.read_exact(&mut [0; GRANTED])),
        };
        done.map_err(|error| Failure::new("before TLS", error))
    }
}

/// One client after the other, until the soak ends.
pub(crate) fn load(soak: &Soak, thread: u8) {
    let settings = soak.material.clients();
    let mut next = Instant::now();
    while !soak.is_over() {
        let way = WAYS[fastrand::usize(..WAYS.len())];
        one(soak, thread, way, &settings[fastrand::usize(..settings.len())]);
        // At a steady pace, so that memory and latency can be compared over time. Who is late does not catch up.
        next = (next + PACE).max(Instant::now());
        if !soak.pause(next.saturating_duration_since(Instant::now())) {
            return;
        }
    }
}

fn one(soak: &Soak, thread: u8, way: Way, config: &Arc<ClientConfig>) {
    let to = soak.program.address(way.listener());
    let oldest = soak.material.served();
    let begun = Instant::now();
    let Some((tcp, ticket)) = soak.ledger.dial(Kind::Good, source(thread), to) else { return };
    let (task, pause) = task(way);
    let mut session = Session::new(Client::on(tcp, config, way.name()));
    let done = converse(&mut session, way, &ticket, to, oldest, (task, pause));
    if let (Ok(()), Some(answered)) = (&done, session.answered) {
        soak.measures.answered(answered.duration_since(begun));
    }
    if let (Ok(()), Some(version), Some(kind)) =
        (&done, session.client.tls.protocol_version(), session.client.tls.handshake_kind())
    {
        soak.measures.served(format!("{} {version:?} {kind:?}", way.word()));
    }
    conclude(soak, session, ticket, done);
}

fn converse(
    session: &mut Session,
    way: Way,
    ticket: &Ticket<'_>,
    to: SocketAddr,
    oldest: u64,
    (task, pause): (Task, Duration),
) -> Result<(), Failure> {
    way.prepare(&mut session.client.tcp, ticket.own(), to)?;
    session.begin()?;
    let tls = &session.client.tls;
    // A resumed session shows the certificate of its first handshake.
    if way != Way::Through && tls.handshake_kind() != Some(HandshakeKind::Resumed) {
        let found = generation(tls);
        if found.is_none_or(|found| found < oldest) {
            let what = format!("a certificate of generation {found:?} after {oldest} was served");
            return Err(Failure::new("certificate", what));
        }
    }
    session.perform(task, pause)
}

/// Closes the connection, and enters what the client has seen.
pub(crate) fn conclude(soak: &Soak, session: Session, ticket: Ticket<'_>, done: Result<(), Failure>) {
    soak.measures.moved(session.bytes);
    let server = session.server;
    drop(session);
    ticket.finish(server, done.err());
}

/// Most clients exchange a few messages, some move megabytes.
fn task(way: Way) -> (Task, Duration) {
    let seed = fastrand::u8(..);
    let bytes = |most: usize| fastrand::usize(..most) as u32;
    let in_turn = if fastrand::bool() { Shape::InTurn } else { Shape::AfterEnd };
    let at_once = if way == Way::Inner || way == Way::Through { in_turn } else { Shape::AtOnce };
    match fastrand::u8(..100) {
        0..70 => (Task { shape: Shape::Messages, seed, up: fastrand::u32(1..20), down: 0 }, Duration::ZERO),
        70..85 => (Task { shape: in_turn, seed, up: bytes(3 * RECORD), down: bytes(3 * RECORD) }, Duration::ZERO),
        85..94 => (Task { shape: at_once, seed, up: bytes(MEDIUM), down: bytes(MEDIUM) }, Duration::ZERO),
        94..97 => (Task { shape: at_once, seed, up: bytes(LARGE), down: bytes(LARGE) }, Duration::ZERO),
        // Its time is that of about 100 reads.
        _ => (Task { shape: Shape::AfterEnd, seed, up: 1, down: bytes(100 * RECORD) }, Duration::from_millis(10)),
    }
}

/// The request of LDAP's StartTLS, and the length of the answer that grants it.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const GRANTED: usize = 38;

/// From the beginning of one client to that of the next.
const PACE: Duration = Duration::from_millis(25);
const MEDIUM: usize = 512 * 1024;
const LARGE: usize = 4 * 1024 * 1024;
