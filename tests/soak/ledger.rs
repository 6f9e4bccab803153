//! Every connection of the soak: what its client is, what the client has seen, and what the access log reports. When
//! both are known, it is judged. Must not know: what clients do.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::exchange::Failure;
use crate::faults::Faults;
use crate::kind::Kind;
use crate::problems::Problems;
use crate::verdict::{Seen, Verdict, judge};

pub(crate) struct Ledger {
    faults: Arc<Faults>,
    problems: Arc<Problems>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the client's address. A port may be used again before its record is there.
    open: HashMap<SocketAddr, Vec<Entry>>,
    last: u64,
    tally: Tally,
}

/// How many connections there were of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By kind, and then by outcome.
    pub(crate) outcomes: BTreeMap<Kind, BTreeMap<String, u64>>,
    /// By kind, and then by explanation.
    pub(crate) explained: BTreeMap<Kind, BTreeMap<&'static str, u64>>,
    pub(crate) judged: u64,
    pub(crate) good: u64,
    pub(crate) corrupted: u64,
    /// Connections that should have a record and have none.
    pub(crate) without_record: u64,
}

struct Entry {
    number: u64,
    kind: Kind,
    opened: Instant,
    /// When it was closed, and what the client has seen.
    closed: Option<(Instant, Option<Failure>)>,
    server: Option<SocketAddr>,
    record: Option<Value>,
}

/// A connection that is not yet closed.
#[must_use]
pub(crate) struct Ticket<'a> {
    ledger: &'a Ledger,
    number: u64,
    own: SocketAddr,
}

impl Ledger {
    pub(crate) fn new(faults: Arc<Faults>, problems: Arc<Problems>) -> Self {
        Self { faults, problems, state: Mutex::default() }
    }

    /// Connects from that address. The connection is entered before it is made: its record may be there at once.
    pub(crate) fn dial(&self, kind: Kind, from: IpAddr, to: SocketAddr) -> Option<(TcpStream, Ticket<'_>)> {
        self.dial_with(kind, from, to, |_| Ok(()))
    }

    /// The same, with more settings of the socket.
    pub(crate) fn dial_with(
        &self,
        kind: Kind,
        from: IpAddr,
        to: SocketAddr,
        settings: impl FnOnce(&Socket) -> io::Result<()>,
    ) -> Option<(TcpStream, Ticket<'_>)> {
        let begun = Instant::now();
        let made = Socket::new(Domain::IPV4, Type::STREAM, None).and_then(|socket| {
            settings(&socket)?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
            let own = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok((socket, own))
        });
        let (socket, own) = match made {
            Ok(made) => made,
            Err(error) => {
                self.problems.add(begun, format!("the soak itself has no socket: {error}"));
                return None;
            }
        };
        let ticket = self.enter(kind, own);
        let connected = socket.connect_timeout(&to.into(), ANSWER).and_then(|()| {
            let tcp = TcpStream::from(socket);
            tcp.set_nodelay(true)?;
            tcp.set_read_timeout(Some(ANSWER))?;
            tcp.set_write_timeout(Some(ANSWER))?;
            Ok(tcp)
        });
        match connected {
            Ok(tcp) => Some((tcp, ticket)),
            Err(error) => {
                ticket.finish(None, Some(Failure::new("connect", error)));
                None
            }
        }
    }

    fn enter(&self, kind: Kind, own: SocketAddr) -> Ticket<'_> {
        let mut state = self.state.lock().unwrap();
        state.last += 1;
        let number = state.last;
        let entry = Entry { number, kind, opened: Instant::now(), closed: None, server: None, record: None };
        state.open.entry(own).or_default().push(entry);
        Ticket { ledger: self, number, own }
    }

    /// Takes a line of the access log.
    pub(crate) fn record(&self, line: &str) {
        let now = Instant::now();
        let parsed = serde_json::from_str::<Value>(line).ok();
        let client = parsed.as_ref().and_then(|record| {
            let port = u16::try_from(record["client.port"].as_u64()?).ok()?;
            Some(SocketAddr::new(record["client.address"].as_str()?.parse().ok()?, port))
        });
        let (Some(record), Some(client)) = (parsed, client) else {
            self.problems.add(now, format!("not a record of a client: {line}"));
            return;
        };
        let lived = Duration::try_from_secs_f64(record["connection_time"].as_f64().unwrap_or_default());
        let accepted = now.checked_sub(lived.unwrap_or_default()).unwrap_or(now);
        let mut state = self.state.lock().unwrap();
        // The one that was opened nearest to when the connection was accepted.
        let distance = |entry: &&mut Entry| {
            let (earlier, later) = (entry.opened.min(accepted), entry.opened.max(accepted));
            later.duration_since(earlier)
        };
        let waiting = state.open.get_mut(&client).into_iter().flatten().filter(|entry| entry.record.is_none());
        let Some(entry) = waiting.min_by_key(distance) else {
            drop(state);
            self.problems.add(now, format!("a record of no client: {line}"));
            return;
        };
        entry.record = Some(record);
        if entry.closed.is_some() {
            let number = entry.number;
            self.judge(&mut state, client, number);
        }
    }

    /// Judges those whose record has not come for long.
    pub(crate) fn sweep(&self, patience: Duration) {
        let mut state = self.state.lock().unwrap();
        let late = |entry: &&Entry| entry.closed.as_ref().is_some_and(|(at, _)| at.elapsed() > patience);
        let late: Vec<(SocketAddr, u64)> = state
            .open
            .iter()
            .flat_map(|(own, entries)| entries.iter().filter(late).map(|entry| (*own, entry.number)))
            .collect();
        for (own, number) in late {
            self.judge(&mut state, own, number);
        }
    }

    /// The number of connections that are not judged yet.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().open.values().map(Vec::len).sum()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.state.lock().unwrap().tally.clone()
    }

    /// Removes the entry, and judges it.
    fn judge(&self, state: &mut State, own: SocketAddr, number: u64) {
        let Some(entries) = state.open.get_mut(&own) else { return };
        let Some(place) = entries.iter().position(|entry| entry.number == number) else { return };
        let entry = entries.swap_remove(place);
        if entries.is_empty() {
            state.open.remove(&own);
        }
        let (closed, failure) = entry.closed.clone().unwrap_or((Instant::now(), None));
        let text = |key: &str| entry.record.as_ref().and_then(|record| record[key].as_str());
        let outcome = text("outcome");
        let server = text("backend.address").and_then(|server| server.parse().ok()).or(entry.server);
        // What happened to the connection is later than the client's end of it where the client ends first.
        let until = if entry.record.is_some() { Instant::now() } else { closed };
        let faults = self.faults.between(entry.opened, until);
        let seen = Seen { kind: entry.kind, failure: failure.as_ref(), outcome, server, faults: &faults };
        let verdict = judge(&seen);
        let tally = &mut state.tally;
        tally.judged += 1;
        tally.good += u64::from(entry.kind.is_served() && failure.is_none());
        tally.corrupted += u64::from(failure.as_ref().is_some_and(|failure| failure.is_corruption));
        let reached = failure.as_ref().is_none_or(|failure| failure.stage != "connect");
        let is_missing = outcome.is_none() && entry.kind.has_record() && reached;
        tally.without_record += u64::from(is_missing);
        let shown = outcome.unwrap_or("no record").to_owned();
        *tally.outcomes.entry(entry.kind).or_default().entry(shown).or_default() += 1;
        match verdict {
            Verdict::Expected if is_missing => {
                let what = format!("{} ({own}): there is no record of it", entry.kind.name());
                self.problems.add(closed, what);
            }
            Verdict::Expected => {}
            Verdict::Explained(why) => {
                *tally.explained.entry(entry.kind).or_default().entry(why).or_default() += 1;
            }
            Verdict::Unexplained => {
                let seen = failure.map(|failure| format!("{}: {}", failure.stage, failure.what));
                let seen = seen.unwrap_or_else(|| "nothing wrong".to_owned());
                let record = entry.record.map(|record| record.to_string()).unwrap_or_else(|| "no record".to_owned());
                let lived = closed.duration_since(entry.opened);
                let what = format!(
                    "{} ({own}, server {server:?}, after {lived:?}, faults {faults:?}): the client saw {seen}; {record}",
                    entry.kind.name()
                );
                self.problems.add(closed, what);
            }
        }
    }
}

impl Ticket<'_> {
    /// Enters what the client has seen: the server that it had, and why it failed. The connection has to be closed
    /// before, or the record may be missed.
    pub(crate) fn finish(self, server: Option<SocketAddr>, failure: Option<Failure>) {
        let mut state = self.ledger.state.lock().unwrap();
        let entries = state.open.get_mut(&self.own).into_iter().flatten();
        let Some(entry) = entries.into_iter().find(|entry| entry.number == self.number) else { return };
        entry.closed = Some((Instant::now(), failure));
        entry.server = server;
        if entry.record.is_some() {
            self.ledger.judge(&mut state, self.own, self.number);
        }
    }

    pub(crate) fn own(&self) -> SocketAddr {
        self.own
    }

    /// Whether tlsgate has ended the connection.
    pub(crate) fn has_record(&self) -> bool {
        let state = self.ledger.state.lock().unwrap();
        let mut entries = state.open.get(&self.own).into_iter().flatten();
        entries.any(|entry| entry.number == self.number && entry.record.is_some())
    }

    /// It ends as another kind than it began as.
    pub(crate) fn becomes(&self, kind: Kind) {
        let mut state = self.ledger.state.lock().unwrap();
        let entries = state.open.get_mut(&self.own).into_iter().flatten();
        if let Some(entry) = entries.into_iter().find(|entry| entry.number == self.number) {
            entry.kind = kind;
        }
    }
}

/// No good client is left without an answer for longer than `handshake_timeout`.
pub(crate) const ANSWER: Duration = crate::configuration::HANDSHAKE_TIMEOUT;
