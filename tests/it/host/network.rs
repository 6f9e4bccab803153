//! A network that loses every tenth packet, or carries one megabit in a second; and one with no source ports left. Each
//! test has a network of its own (network_namespaces(7)).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, patient};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, NAME, Stage};
use crate::support::stream::{Stream, bytes};

/// Runs `test` on a thread with a network of its own: what it starts, and the threads and programs of these, are in it.
fn alone(test: impl FnOnce() + Send + 'static) {
    let own = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root's rights");
        run("ip", "link set lo mtu 1500 up");
        test();
    };
    let ended = thread::Builder::new().name("network".into()).spawn(own).unwrap().join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Sends `size` bytes through terminated TLS and through a route that passes through, and gets them back.
fn echoed_in_full(size: usize) {
    let lines = Lines {
        listener: "idle_timeout = \"20s\"\nhandshake_timeout = \"30s\"\n\
                   route = [{ server_names = [\"through.test\"], mode = \"passthrough\" }]",
        ..Lines::default()
    };
    let stage = Stage::new(&[Backend::echo().address], lines);
    for tls in Tls::BOTH {
        let mut client = stage.client(tls);
        // In pieces that fit the buffers on the way, since the echo of one comes while the next is sent.
        let (mut sent, mut came) = (Stream::new(1), Stream::new(1));
        for _ in 0..size / PIECE {
            client.send(&taken(&mut sent, PIECE)).unwrap();
            came.check(&client.read_exact(PIECE));
        }
        client.close_notify().unwrap();
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify), "{tls:?}");
    }
    // The echo of a hello: nothing of it is TLS for the proxy.
    let mut through = Client::silent(stage.address(), stage.config(Tls::V13), "through.test");
    let mut sent = through.flight();
    sent.extend(bytes(size));
    let mut reader = through.tcp.try_clone().unwrap();
    let expected = sent.clone();
    let reading = thread::spawn(move || {
        let mut came = vec![0; expected.len()];
        reader.read_exact(&mut came).unwrap();
        assert!(came == expected, "wrong bytes");
    });
    through.tcp.write_all(&sent).unwrap();
    reading.join().unwrap();
}

fn taken(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        taken.extend_from_slice(stream.next(count - taken.len()));
    }
    taken
}

const PIECE: usize = 10_000;

#[test]
fn where_every_tenth_packet_is_lost_all_arrives() {
    alone(|| {
        run("nft", "add table inet lossy");
        run("nft", "add chain inet lossy input { type filter hook input priority 0 ; }");
        run("nft", "add rule inet lossy input meta l4proto tcp numgen random mod 10 0 drop");
        echoed_in_full(100_000);
    });
}

#[test]
fn where_one_megabit_is_carried_in_a_second_all_arrives() {
    alone(|| {
        run("tc", "qdisc add dev lo root tbf rate 1mbit burst 16kb latency 500ms");
        echoed_in_full(100_000);
    });
}

#[test]
fn with_no_source_ports_left_no_server_is_to_blame() {
    alone(|| {
        let backend = ByHand::new();
        let lines = Lines { top: "[admin]\nlisten=\"unix:admin.sock\"\n", ..Lines::default() };
        let stage = Stage::new(&[backend.address], lines);
        // For connections of tlsgate; those of the clients have ports that they name.
        std::fs::write(PORTS, "50000 50001").unwrap();
        let client = |port: u16| from(port, &stage);
        let held: Vec<_> = [40_001, 40_002].map(|port| (client(port), backend.accept())).into();
        let mut late = client(40_003);
        assert_ne!(late.read_to_end().1, Ending::CloseNotify);
        let record = stage.proxy.record(|record| record["client.port"] == 40_003);
        assert_eq!(record["outcome"], "backend_unreachable", "{record}");
        let metrics = stage.door().get("/metrics").body;
        let local = "tlsgate_backend_connect_failures_total{backend=\"servers\",reason=\"local\"";
        assert!(metrics.lines().any(|line| line.starts_with(local)), "{metrics}");
        drop(held);
        // At once: the server was not passed over.
        let mut port = 40_010;
        eventually("a client is served again", || {
            port += 1;
            let mut client = client(port);
            client.send(b"x").ok()?;
            stage.proxy.record(|record| record["client.port"] == 40_001);
            let mut served = [0];
            let mut server = backend.accept();
            (server.read(&mut served).ok()? == 1).then_some(())
        });
    });
}

#[test]
fn where_nobody_listens_nobody_is_connected_to_itself() {
    alone(|| {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
        for health in ["", "health = { type = \"tcp\", interval = \"50ms\", rise = 1 }\n"] {
            std::fs::write(PORTS, "40100 40199").unwrap();
            let stage = Stage::new(&[server], Lines { top, backend: health, ..Lines::default() });
            // The one port from which a connection can come is that of the server.
            std::fs::write(PORTS, "50000 50000").unwrap();
            if health.is_empty() {
                let mut client = from(40_001, &stage);
                assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
                let record = stage.proxy.record(|record| record["client.port"] == 40_001);
                assert_eq!(record["outcome"], "backend_unreachable", "{record}");
                assert!(std::net::TcpListener::bind(server).is_ok(), "its port is free");
                continue;
            }
            let shown = || stage.door().get("/api/v1/backends").json()["backends"][0]["servers"][0].clone();
            let mut times = std::collections::BTreeSet::new();
            eventually("some checks", || {
                let shown = shown();
                assert_ne!(shown["health"], "up", "{shown}");
                times.insert(shown["last_check"]["time"].as_str()?.to_owned());
                (times.len() > 5).then_some(())
            });
        }
    });
}

const PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A client that names its own port.
fn from(port: u16, stage: &Stage) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.connect_timeout(&stage.address().into(), PATIENCE).unwrap();
    let tcp = socket.into();
    patient(&tcp);
    let mut client = Client::on(tcp, stage.config(Tls::V13), NAME);
    client.handshake().unwrap();
    client
}
