//! Thousands of connections are listed, filtered and closed in pages, while others move bytes.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::{PATH, closes, greet, stage};
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, connect_from, drain};
use crate::support::http::{Door, Response};
use crate::support::procfs::eventually;

/// As many as the limit of open files allows, with half of it left to the other tests of this process.
fn most() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    limit.maximum.map_or(MANY, |limit| (limit as usize / 2).min(MANY))
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
    let pairs = Tls::BOTH.map(|tls| stage.joined(&backend, tls));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic: Vec<_> = pairs
            .into_iter()
            .map(|(mut client, mut server)| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        greet(&mut client, &mut server);
                    }
                    (client, server)
                })
            })
            .collect();
        let open = |source: u8, count: usize| -> Vec<TcpStream> {
            let from = Ipv4Addr::new(127, 0, source, 1);
            (0..count).map(|_| connect_from(from, stage.address())).collect()
        };
        let (mut first, second) = (open(7, many / 2), open(8, many - many / 2));
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
        closes(&door, "client=127.0.8.1", many - many / 2);
        drop(second);
        eventually("only the traffic is left", || (ids(&door, "older_than=0s", 1000).len() == 2).then_some(()));
        done.store(true, Ordering::Relaxed);
        for traffic in traffic {
            let (mut client, mut server) = traffic.join().unwrap();
            greet(&mut client, &mut server);
        }
    });
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
