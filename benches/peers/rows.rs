//! The rows of the table: the work, and its unit.

use crate::load::target::{Group, Terms, Version};
use crate::load::work::Work;
use crate::peer::Tuning;

const MIB: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Ecdsa,
    Rsa,
    Passthrough,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds of processor time for one connection or one answer.
    Microseconds,
    /// Seconds of processor time for 10⁹ bytes.
    SecondsPerGigabyte,
}

/// A row in which all proxies do the same work in turn.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) listener: Listener,
    pub(crate) terms: Terms,
    pub(crate) work: Work,
    pub(crate) tuning: Tuning,
    pub(crate) unit: Unit,
    /// Compared with tlsgate's variants and the naive relay only.
    pub(crate) only_naive: bool,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::SecondsPerGigabyte => "s/GB",
        }
    }

    /// The figure, if that many units took that many seconds.
    pub(crate) fn value(self, seconds: f64, units: u64) -> f64 {
        match self {
            Self::Microseconds => seconds * 1e6 / units as f64,
            Self::SecondsPerGigabyte => seconds * 1e9 / units as f64,
        }
    }
}

const TLS13: Terms = Terms { version: Version::Tls13, group: Group::X25519, resumed: false };
const TLS12: Terms = Terms { version: Version::Tls12, ..TLS13 };

/// All of them; with `quick`, less work in each and fewer sizes of messages.
pub(crate) fn all(quick: bool) -> Vec<Row> {
    let less = |amount: u64| if quick { amount / 4 } else { amount };
    let mut rows = Vec::new();
    for (name, what, listener, terms, count) in [
        ("full-ecdsa-1.3", "full handshake, ECDSA, TLS 1.3", Listener::Ecdsa, TLS13, 1200),
        ("full-ecdsa-1.2", "full handshake, ECDSA, TLS 1.2", Listener::Ecdsa, TLS12, 1200),
        ("full-rsa-1.3", "full handshake, RSA-2048, TLS 1.3", Listener::Rsa, TLS13, 800),
        ("full-rsa-1.2", "full handshake, RSA-2048, TLS 1.2", Listener::Rsa, TLS12, 800),
        ("resumed-1.3", "resumed, TLS 1.3", Listener::Ecdsa, Terms { resumed: true, ..TLS13 }, 1200),
        ("resumed-1.2", "resumed, TLS 1.2", Listener::Ecdsa, Terms { resumed: true, ..TLS12 }, 1600),
        (
            "full-mlkem-1.3",
            "full, ECDSA, TLS 1.3, X25519MLKEM768",
            Listener::Ecdsa,
            Terms { group: Group::X25519MlKem768, ..TLS13 },
            1200,
        ),
        ("passthrough-connection", "passed-through connection", Listener::Passthrough, TLS13, 3200),
    ] {
        rows.push(Row {
            name: name.into(),
            what: what.into(),
            listener,
            terms,
            work: Work::Connections { count: less(count), at_once: 8 },
            tuning: Tuning::Connections,
            unit: Unit::Microseconds,
            only_naive: false,
        });
    }
    rows.push(row(
        "ping-pong",
        "64 B there and back, 64 connections",
        Work::Answers { connections: 64, rounds: less(600), request: 64, answer: 64 },
    ));
    for connections in [1, 16] {
        let each = less(512 * MIB) / connections;
        let at = if connections == 1 { String::new() } else { format!(", {connections} connections") };
        let push = Work::Push { connections, amount: each, record: 16 * 1024 };
        rows.push(row(&format!("push-{connections}"), &format!("client → backend{at}"), push));
        let pull = Work::Pull { connections, amount: each, piece: 128 * 1024 };
        rows.push(row(&format!("pull-{connections}"), &format!("backend → client{at}"), pull));
    }
    for (name, what, work) in [
        ("push", "client → backend", Work::Push { connections: 1, amount: less(1024 * MIB), record: 16 * 1024 }),
        ("pull", "backend → client", Work::Pull { connections: 1, amount: less(1024 * MIB), piece: 128 * 1024 }),
    ] {
        let plain = row(&format!("passthrough-{name}"), &format!("passed through, {what}"), work);
        rows.push(Row { listener: Listener::Passthrough, ..plain });
    }
    rows.extend(by_size(quick));
    rows
}

/// tlsgate compared with the naive relay for messages of each size.
fn by_size(quick: bool) -> Vec<Row> {
    let sizes: &[u64] = if quick { &[64, 16_384, MIB] } else { &[64, 512, 4096, 16_384, 65_536, 262_144, MIB] };
    let less = |amount: u64| if quick { amount / 4 } else { amount };
    let mut rows = Vec::new();
    for &size in sizes {
        let short = if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
        let bytes = less((256 * MIB).min(size * 200_000));
        // Longer messages are sent as several records of the full size, as in the rows above.
        if size <= 16_384 {
            let record = usize::try_from(size).unwrap_or(0);
            let push = Work::Push { connections: 1, amount: bytes, record };
            rows.push(row(&format!("push-{size}"), &format!("client → backend in records of {short}"), push));
        }
        let pull = Work::Pull { connections: 1, amount: bytes, piece: u32::try_from(size).unwrap_or(u32::MAX) };
        rows.push(row(&format!("pull-{size}"), &format!("backend → client in writes of {short}"), pull));
        let rounds = less((32 * MIB / size).clamp(16, 2000));
        let answers = Work::Answers { connections: 16, rounds, request: 64, answer: size };
        rows.push(row(&format!("answer-{size}"), &format!("64 B asked, {short} answered, 16 connections"), answers));
    }
    rows.into_iter().map(|row| Row { only_naive: true, ..row }).collect()
}

fn row(name: &str, what: &str, work: Work) -> Row {
    let unit = if matches!(work, Work::Answers { .. }) { Unit::Microseconds } else { Unit::SecondsPerGigabyte };
    Row {
        name: name.into(),
        what: what.into(),
        listener: Listener::Ecdsa,
        terms: TLS13,
        work,
        tuning: Tuning::Bulk,
        unit,
        only_naive: false,
    }
}
