//! Which clients may connect, how many at a time and how often: each refusal has its name and is counted, and a flood
//! of any kind does not affect clients that behave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, close, connect_from, drain};
use crate::support::http::Door;
use crate::support::procfs::{eventually, open_files, resident_kib};
use crate::support::stage::{Lines, NAME, Stage};

mod lists;
mod routes;

/// A stage with an admin socket, and an echo behind it.
fn stage(listener: &str) -> Stage {
    let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
    Stage::new(&[Backend::echo().address], Lines { top, listener, ..Lines::default() })
}

/// Whether a client from that address is served.
fn served(stage: &Stage, source: Ipv4Addr) -> bool {
    let mut client = Client::on(connect_from(source, stage.address()), stage.config(Tls::V13), NAME);
    if client.handshake().is_err() || client.send(b"hello").is_err() {
        return false;
    }
    assert_eq!(client.read_exact(5), b"hello");
    client.close_notify().unwrap();
    client.read_to_end();
    true
}

/// The outcome with which a connection from that address is closed at once.
fn refused(stage: &Stage, source: Ipv4Addr) -> String {
    let mut tcp = connect_from(source, stage.address());
    assert_eq!(drain(&mut tcp).0, b"");
    stage.outcome(close(tcp))
}

fn metric(stage: &Stage, series: &str) -> u64 {
    let text = Door::Unix(stage.pki.folder().join("admin.sock")).get("/metrics").body;
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

fn rejections(stage: &Stage, reason: &str) -> u64 {
    metric(stage, &format!("tlsgate_connections_rejected_total{{listener=\"main\",reason=\"{reason}\"}}"))
}

/// The series of the clients that a table of the listener remembers.
fn remembered(table: &str) -> String {
    format!("tlsgate_limits_clients_remembered{{listener=\"main\",route=\"\",table=\"{table}\"}}")
}

#[test]
fn the_most_specific_prefix_decides_who_may_connect() {
    let stage = stage("allow = [\"127.0.0.0/9\", \"127.1.2.3\"]\ndeny = [\"127.1.0.0/16\"]");
    assert!(served(&stage, Ipv4Addr::new(127, 0, 0, 1)));
    assert!(served(&stage, Ipv4Addr::new(127, 1, 2, 3)));
    for denied in [Ipv4Addr::new(127, 1, 2, 4), Ipv4Addr::new(127, 200, 0, 1)] {
        assert_eq!(refused(&stage, denied), "client_denied");
    }
    assert_eq!(rejections(&stage, "client_denied"), 2);
}

#[test]
fn a_client_has_its_share_and_another_one_its_own() {
    let stage = stage("max_connections_per_client = 2");
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let let_in = || {
        let mut client = Client::on(connect_from(one, stage.address()), stage.config(Tls::V13), NAME);
        client.handshake().unwrap();
        client
    };
    let (first, second) = (let_in(), let_in());
    assert_eq!(refused(&stage, one), "client_connection_limit");
    assert!(served(&stage, other));
    drop((first, second));
    eventually("there is room again", || served(&stage, one).then_some(()));
    assert!(rejections(&stage, "client_connection_limit") >= 1);
}

#[test]
fn rates_hold_for_each_client_and_for_all_and_outlive_a_reload() {
    let stage = stage("connection_rate = \"8/h\"\nconnection_rate_per_client = { rate = \"1/h\", burst = 3 }");
    let one = Ipv4Addr::new(127, 0, 0, 2);
    assert!((0..3).all(|_| served(&stage, one)));
    assert_eq!(refused(&stage, one), "client_connection_rate");
    let config = stage.pki.folder().join("tlsgate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("connection_rate =", "idle_timeout = \"2h\"\nconnection_rate =")).unwrap();
    stage.proxy.log_line("idle_timeout = \"2h\"");
    assert_eq!(refused(&stage, one), "client_connection_rate");
    let mut others = (3..).map(|last| Ipv4Addr::new(127, 0, 0, last));
    assert!(
        others.by_ref().take(5).all(|other| served(&stage, other)),
        "a refused client uses up nothing of the common rate"
    );
    assert_eq!(refused(&stage, others.next().unwrap()), "connection_rate");
    assert_eq!(rejections(&stage, "client_connection_rate"), 2);
    assert_eq!(rejections(&stage, "connection_rate"), 1);
    // Whom the listener's own rate refuses was asked about first.
    let table = |table| metric(&stage, &remembered(table));
    assert!(table("rate") >= 2 && table("blocked") == 0);
}

#[test]
fn a_client_that_fails_too_often_is_blocked_for_a_while() {
    let stage = stage("handshake_failures = { limit = 3, window = \"1h\", block = \"2s\" }");
    let (bad, good) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    for _ in 0..10 {
        // A port check's connection is no failure.
        assert_eq!(stage.outcome(close(connect_from(bad, stage.address()))), "hello_closed");
    }
    for _ in 0..4 {
        let mut tcp = connect_from(bad, stage.address());
        tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        drain(&mut tcp);
        assert_eq!(stage.outcome(close(tcp)), "not_tls");
    }
    assert_eq!(refused(&stage, bad), "client_blocked");
    assert_eq!(metric(&stage, "tlsgate_clients_blocked{listener=\"main\"}"), 1);
    assert!(served(&stage, good));
    eventually("the block ends", || served(&stage, bad).then_some(()));
    assert_eq!(metric(&stage, "tlsgate_clients_blocked{listener=\"main\"}"), 0);
}

#[test]
fn a_flood_from_thousands_of_addresses_leaves_those_who_behave_alone() {
    let stage = stage(
        "max_connections_per_client = 20\nconnection_rate_per_client = \"500/s\"\n\
         handshake_failures = { limit = 5, window = \"1m\", block = \"1h\" }",
    );
    let good = Ipv4Addr::new(127, 0, 0, 1);
    assert!(served(&stage, good));
    let (memory, files) = (resident_kib(stage.proxy.pid()), open_files(stage.proxy.pid()));
    let over = AtomicBool::new(false);
    let served_meanwhile = thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS)
            .map(|number| {
                scope.spawn({
                    let stage = &stage;
                    move || attack(stage, number)
                })
            })
            .collect();
        let well_behaved = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                assert!(served(&stage, good), "refused after {count}");
                count += 1;
            }
            count
        });
        let peaks: Vec<u64> = attackers.into_iter().map(|attacker| attacker.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        (well_behaved.join().unwrap(), peaks.into_iter().max().unwrap())
    });
    let (count, peak) = served_meanwhile;
    let refused = rejections(&stage, "client_connection_limit");
    let blocked = metric(&stage, "tlsgate_clients_blocked{listener=\"main\"}");
    println!(
        "{} attempts, {refused} refused, {blocked} clients blocked, {count} good clients served meanwhile; memory {memory} KiB before, \
         {peak} KiB at most",
        ATTACKERS * EACH
    );
    assert!(count > 0 && refused > 0);
    assert!(peak < memory + 64 * 1024, "memory grew from {memory} to {peak} KiB");
    eventually("every file is closed", || (open_files(stage.proxy.pid()) <= files).then_some(()));
    // They are logged at a bounded rate; the metrics count all of them.
    stage.proxy.log_line("more connections are refused than the access log shows");
    assert!(served(&stage, good));
}

/// Silence from more addresses than there are places: silent connections give way to newcomers.
#[test]
fn silence_from_everywhere_keeps_nobody_out() {
    let stage = stage("max_connections = 50\nhandshake_timeout = \"1m\"");
    let good = Ipv4Addr::new(127, 0, 0, 1);
    let mut inside = Client::on(connect_from(good, stage.address()), stage.config(Tls::V12), NAME);
    inside.handshake().unwrap();
    let first = connect_from(Ipv4Addr::new(127, 50, 0, 1), stage.address());
    let mut silent = Vec::new();
    for number in 0..1000_u32 {
        let [_, _, high, low] = (number + 2).to_be_bytes();
        silent.push(connect_from(Ipv4Addr::new(127, 50, high, low), stage.address()));
        if number % 20 == 0 {
            assert!(served(&stage, good), "after {number}");
        }
    }
    assert_eq!(stage.outcome(close(first)), "hello_preempted");
    inside.send(b"hello").unwrap();
    assert_eq!(inside.read_exact(5), b"hello", "a served client is not affected");
    drop(silent);
    assert!(served(&stage, good));
}

/// Half of the connections come from an address of their own, with noise or silent; the other half come from the
/// attacker's one address and are held silent. Returns the highest memory that was seen.
fn attack(stage: &Stage, number: u32) -> u64 {
    let mut held: Vec<TcpStream> = Vec::new();
    let mut peak = 0;
    for attempt in 0..EACH {
        let [_, high, low] = [0, attempt / 250, attempt % 250 + 1].map(|part| u8::try_from(part).unwrap());
        if attempt % 2 == 0 {
            let mut tcp = connect_from(Ipv4Addr::new(127, 100 + number as u8, high, low), stage.address());
            if attempt % 4 == 0 {
                // The connection may be refused already; then this fails.
                let _ = tcp.write_all(b"GET / HTTP/1.0\r\n\r\n");
            }
        } else {
            held.push(connect_from(Ipv4Addr::new(127, 99, 0, number as u8 + 1), stage.address()));
        }
        if held.len() > 200 {
            // The other side has closed most of them already.
            held.drain(..150);
        }
        if attempt % 100 == 0 {
            peak = peak.max(resident_kib(stage.proxy.pid()));
        }
    }
    for tcp in &mut held {
        tcp.set_nonblocking(true).unwrap();
        let _ = tcp.read(&mut [0; 1]);
    }
    peak
}

const ATTACKERS: u32 = 8;
const EACH: u32 = 2500;
