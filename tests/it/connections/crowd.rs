//! Thousands of connections are listed, filtered and closed in pages, while others move bytes.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::{PATH, closes, stage};
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, connect_from, drain};
use crate::support::http::{Door, Response};
use crate::support::procfs::eventually;
use crate::support::stage::{NAME, Stage};
use crate::support::stream::{Stream, bytes};

/// [`MANY`], or as many as the limit of open files allows, with half of it left to the other tests of this process. Fewer are no
/// fault of the program, but are reported, whether the test passes or not.
fn most() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    // The proxy has the same limit, needs two for each connection, and keeps some back.
    let room = |limit: u64| (limit * 9 / 20).min((limit / 2).saturating_sub(300)) as usize;
    let most = limit.maximum.map_or(MANY, |limit| room(limit).min(MANY));
    if most < MANY {
        let hard = limit.maximum.unwrap_or_default();
        // Not with `eprintln!`, which is shown for tests that fail.
        let line = format!("{most} connections instead of {MANY}: open files are limited to {hard}\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    most
}

/// Ends the traffic when it is dropped, also by a test that fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Moves data through a connection until it is over, and ends it. Every byte is right.
fn flow((mut client, mut server): (Client, TcpStream), done: &AtomicBool) {
    let (mut there, mut back) = (Stream::new(3), Stream::new(3));
    let mut received = vec![0; PIECE];
    loop {
        // Read before: there is a turn after everything else.
        let is_last = done.load(Ordering::Relaxed);
        let piece = there.next(PIECE).to_vec();
        client.send(&piece).unwrap();
        let received = &mut received[..piece.len()];
        server.read_exact(received).unwrap();
        back.check(received);
        server.write_all(received).unwrap();
        assert!(client.read_exact(piece.len()) == piece, "wrong bytes");
        if is_last {
            break;
        }
    }
    client.close_notify().unwrap();
    assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
    drop(server);
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
}

/// Clients from one address that have asked their servers something.
struct Asking<'a> {
    pairs: Vec<(Client, TcpStream)>,
    answer: &'a [u8],
}

impl<'a> Asking<'a> {
    fn new((stage, backend): (&Stage, &ByHand), from: Ipv4Addr, count: usize, answer: &'a [u8]) -> Self {
        let joined = |number: usize| {
            let config = stage.config(Tls::BOTH[number % 2]);
            let mut client = Client::on(connect_from(from, stage.address()), config, NAME);
            client.handshake().unwrap();
            let mut server = backend.accept();
            client.send(b"?").unwrap();
            server.read_exact(&mut [0]).unwrap();
            (client, server)
        };
        Self { pairs: (0..count).map(joined).collect(), answer }
    }

    /// The servers of half of them answer; of all others, if `rest`.
    fn answer(&mut self, rest: bool) {
        let half = self.pairs.iter_mut().skip(usize::from(rest)).step_by(2);
        half.for_each(|(_, server)| server.write_all(self.answer).unwrap());
    }

    /// Each client gets the whole answer before its end, which its server has not confirmed.
    fn assert_ended_politely(self) {
        for (mut client, mut server) in self.pairs {
            let (received, ending) = client.read_to_end();
            assert!(received == self.answer, "{} bytes of {}", received.len(), self.answer.len());
            assert_eq!(ending, Ending::Fin);
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset));
        }
    }
}

/// All ids that fit the query, from pages of that size.
fn ids(door: &Door, query: &str, size: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = door.get(&format!("{PATH}?{query}&limit={size}{after}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let shown = page["connections"].as_array().unwrap();
        all.extend(shown.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match &page["next"] {
            Value::String(next) => after = format!("&after={next}"),
            _ => return all,
        }
    }
}

#[test]
fn thousands_are_listed_filtered_and_closed_while_traffic_flows() {
    let many = most();
    let backend = ByHand::new();
    let listener = "handshake_timeout = \"1h\"\nmax_connections = 20000";
    let stage = stage(&backend, "", listener);
    let door = stage.door();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _until = Until(&done);
        for pair in Tls::BOTH.map(|tls| stage.joined(&backend, tls)) {
            scope.spawn(|| flow(pair, &done));
        }
        let [now, polite] = [7, 8].map(|source| Ipv4Addr::new(127, 0, source, 1));
        let open = |from: Ipv4Addr, count: usize| -> Vec<TcpStream> {
            (0..count).map(|_| connect_from(from, stage.address())).collect()
        };
        // Some with TLS, whose servers answer; most have sent nothing.
        let (answer, asking) = (bytes(20_000), ASKING.min(many / 8));
        let mut asking = Asking::new((&stage, &backend), polite, asking, &answer);
        let mut first = open(now, many / 2);
        let mut second = open(polite, many - many / 2 - asking.pairs.len());
        eventually("all are listed", || (ids(&door, "older_than=0s", 1000).len() == many + 2).then_some(()));
        let all = ids(&door, "older_than=0s", 999);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), many + 2, "nobody is on two pages");
        let some = ids(&door, "client=127.0.7.0%2F24", 100);
        let meant: BTreeSet<_> = some.iter().collect();
        assert!(all.iter().filter(|id| meant.contains(id)).eq(&some), "in the same order");
        assert_eq!(some.len(), many / 2);
        closes(&door, "client=127.0.7.0%2F24&mode=now", many / 2);
        for tcp in &mut first {
            assert_eq!(drain(tcp), (Vec::new(), Ending::Reset));
        }
        eventually("they are gone", || ids(&door, "client=127.0.7.1", 1000).is_empty().then_some(()));
        assert_eq!(ids(&door, "client=127.0.8.1", 1000).len(), many - many / 2);
        asking.answer(false);
        closes(&door, "client=127.0.8.1", many - many / 2);
        // Who waits for an answer still gets it.
        asking.answer(true);
        for tcp in &mut second {
            assert_eq!(drain(tcp), (Vec::new(), Ending::Fin));
        }
        asking.assert_ended_politely();
        drop(second);
        eventually("only the traffic is left", || (ids(&door, "older_than=0s", 1000).len() == 2).then_some(()));
    });
    let closed = "tlsgate_connections_closed_total{listener=\"main\",outcome=\"closed_by_operator\"}";
    assert!(door.get("/metrics").body.contains(&format!("{closed} {many}\n")), "each has ended as it was asked to");
}

#[test]
fn listings_that_nobody_waits_for_hold_up_nobody() {
    let backend = ByHand::new();
    let listener = "handshake_timeout = \"1h\"\nmax_connections = 20000";
    let stage = stage(&backend, "", listener);
    let door = stage.door();
    let open: Vec<_> = (0..500).map(|_| connect_from(Ipv4Addr::LOCALHOST, stage.address())).collect();
    eventually("all are listed", || (ids(&door, "", 1000).len() == open.len()).then_some(()));
    let flood = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let asking: Vec<_> = (0..100)
            .map(|_| {
                let mut stream = door.connect();
                stream.write_all(request.as_bytes()).unwrap();
                stream
            })
            .collect();
        assert_eq!(door.get("/metrics").status, 200, "{path}");
        asking
    };
    let list = format!("{PATH}?limit=1000");
    for path in [&*list, "/connections", "/"] {
        for _ in 0..5 {
            drop(flood(path));
        }
        // Whether so many wait at one moment depends on the machine.
        let refused = eventually("some are too many", || {
            let answers: Vec<_> = flood(path).into_iter().map(Response::read).collect();
            assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)), "{path}");
            answers.into_iter().find(|answer| answer.status == 503)
        });
        assert!(refused.head.contains("retry-after: 1"), "{path}: {refused:?}");
        eventually("all places are free again", || (door.get(path).status == 200).then_some(()));
    }
}

const MANY: usize = 9000;
/// Of these, clients with TLS whose servers answer.
const ASKING: usize = 300;
/// Bytes.
const PIECE: usize = 1000;
