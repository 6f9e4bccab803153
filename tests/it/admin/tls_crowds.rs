//! However many connections clients hold in TLS, silent before, in or after the handshake, or not reading: probes are
//! answered, and memory is bounded.

use std::io::Write;

use super::crowds::{Slowest, many_backends};
use super::secure::Secure;
use crate::support::client::{Client, connect};
use crate::support::procfs::{eventually, resident_kib};

/// Where a client stops.
#[derive(Debug, Clone, Copy)]
enum Stops {
    BeforeHello,
    InHello,
    AfterHello,
    AfterHandshake,
    InRequest,
    /// It asks for a long listing, again and again, and reads nothing.
    InAnswer,
}

const EVERY: [Stops; 6] =
    [Stops::BeforeHello, Stops::InHello, Stops::AfterHello, Stops::AfterHandshake, Stops::InRequest, Stops::InAnswer];

/// A connection of such a client. One that had to leave meanwhile may be closed.
fn stopped(scene: &Secure, hello: &[u8], at: Stops) -> Box<dyn Send> {
    let mut tcp = connect(scene.address);
    let sent = match at {
        Stops::BeforeHello => &[],
        Stops::InHello => &hello[..hello.len() / 2],
        Stops::AfterHello => hello,
        Stops::AfterHandshake | Stops::InRequest | Stops::InAnswer => return Box::new(further(scene, at)),
    };
    let _ = tcp.write_all(sent);
    Box::new(tcp)
}

fn further(scene: &Secure, at: Stops) -> Option<Client> {
    let mut client = scene.shaken().ok()?;
    let asked = "GET /api/v1/backends HTTP/1.1\r\nHost: admin.test\r\n\r\n".repeat(8);
    let sent = match at {
        Stops::InRequest => "GET /livez HT",
        Stops::InAnswer => &asked,
        Stops::AfterHandshake | Stops::BeforeHello | Stops::InHello | Stops::AfterHello => "",
    };
    client.send(sent.as_bytes()).ok()?;
    Some(client)
}

/// Whether a client is answered on a new connection.
fn is_answered(scene: &Secure, path: &str) -> bool {
    scene.get(path).status() == 200
}

#[test]
fn wherever_64_or_1000_clients_stop_probes_are_answered() {
    let scene = Secure::with("", &many_backends());
    assert!(is_answered(&scene, "/api/v1/backends"));
    let hello = scene.silent().flight();
    let before = resident_kib(scene.proxy.pid());
    let mut slowest = Slowest::default();
    for at in EVERY {
        for count in [64, 1000] {
            let mut clients = Vec::new();
            for one in 0..count {
                clients.push(stopped(&scene, &hello, at));
                if one % 250 == 100 {
                    assert!(slowest.of(|| is_answered(&scene, "/livez")), "among {one} that stop {at:?}");
                }
            }
            for path in ["/livez", "/readyz", "/metrics"] {
                assert!(slowest.of(|| is_answered(&scene, path)), "{path} beside {count} that stop {at:?}");
            }
            let grown = resident_kib(scene.proxy.pid()).saturating_sub(before);
            assert!(grown < MOST_GROWN, "{grown} KiB beside {count} that stop {at:?}");
        }
    }
    println!("{slowest}");
    eventually("the places are free", || (scene.value(None, "tlsgate_admin_connections") == 1).then_some(()));
}

#[test]
fn who_stops_in_the_handshake_is_not_waited_for() {
    let scene = Secure::open("");
    let hello = scene.silent().flight();
    let mut silent = connect(scene.address);
    let mut in_hello = connect(scene.address);
    in_hello.write_all(&hello[..40]).unwrap();
    let mut after_hello = connect(scene.address);
    after_hello.write_all(&hello).unwrap();
    for stream in [&mut silent, &mut in_hello, &mut after_hello] {
        // The reads end when the server closes.
        std::io::copy(stream, &mut std::io::sink()).unwrap();
    }
    assert_eq!(scene.value(None, "tlsgate_admin_handshakes_failed_total{reason=\"timeout\"}"), 3);
}

/// KiB. Listings that are held (16 MiB) and one that is made, records of 192 connections, and what the allocator keeps for a
/// while: three quarters of this were seen, after 6000 such clients as after 1000.
const MOST_GROWN: u64 = 96 << 10;
