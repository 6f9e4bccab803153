//! Servers of a backend that are down are skipped, and no client notices while another one is up.

use std::net::{SocketAddr, TcpListener};

use crate::support::backend::Backend;
use crate::support::by_hand::{ByHand, Refusing};
use crate::support::client::{Client, Ending, Tls, connect};
use crate::support::stage::{Lines, Stage};

const ALGORITHMS: [&str; 2] = ["balance = \"round_robin\"", "balance = \"least_connections\""];

#[test]
fn a_server_that_is_down_is_passed_over() {
    let (up, down) = (Backend::echo(), [Refusing::new(), Refusing::new()]);
    for backend in ALGORITHMS {
        for servers in [vec![up.address, down[0].address], vec![down[0].address, down[1].address, up.address]] {
            let stage = Stage::new(&servers, Lines { backend, ..Lines::default() });
            all_are_served(&stage, 30);
            let records = stage.proxy.records(30);
            let good = |record: &serde_json::Value| {
                record["outcome"] == "completed" && record["backend.address"] == up.address.to_string()
            };
            assert!(records.iter().all(good), "{records:?}");
        }
    }
}

#[test]
fn a_server_that_goes_down_while_it_runs_is_passed_over() {
    let up = Backend::echo();
    for backend in ALGORITHMS {
        let fails = ByHand::new();
        let stage = Stage::new(&[fails.address, up.address], Lines { backend, ..Lines::default() });
        let (client, server) = stage.joined(&fails, Tls::V13);
        drop((fails, client, server));
        all_are_served(&stage, 30);
    }
}

#[test]
fn a_server_that_does_not_answer_is_passed_over() {
    let up = Backend::echo();
    for algorithm in ALGORITHMS {
        let hole = BlackHole::new();
        let backend = format!("{algorithm}\nconnect_timeout = \"200ms\"");
        let stage = Stage::new(&[hole.address, up.address], Lines { backend: &backend, ..Lines::default() });
        all_are_served(&stage, 10);
    }
}

#[test]
fn with_every_server_down_the_client_is_closed_and_the_log_names_them() {
    let (down, hole) = (Refusing::new(), BlackHole::new());
    for algorithm in ALGORITHMS {
        let backend = format!("{algorithm}\nconnect_timeout = \"200ms\"");
        let stage = Stage::new(&[down.address, hole.address], Lines { backend: &backend, ..Lines::default() });
        for tls in Tls::BOTH {
            let mut client = stage.client(tls);
            client.send(b"?").unwrap();
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin), "{tls:?}");
            let port = client.close();
            let record = stage.proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["outcome"], "backend_unreachable");
            let reason = record["reason"].as_str().unwrap();
            for address in [down.address, hole.address] {
                assert!(reason.contains(&address.to_string()), "{reason}");
            }
        }
    }
}

fn all_are_served(stage: &Stage, count: usize) {
    for round in 0..count {
        let mut client: Client = stage.client(Tls::BOTH[round % 2]);
        client.send(b"hello").unwrap();
        client.close_notify().unwrap();
        assert_eq!(client.read_to_end(), (b"hello".to_vec(), Ending::CloseNotify), "client {round}");
    }
}

/// An address that does not answer: the queue of its listening socket is full, and the kernel drops new connections.
struct BlackHole {
    address: SocketAddr,
    _held: (TcpListener, Vec<std::net::TcpStream>),
}

impl BlackHole {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        // A queue of length 0 has room for one.
        Self { address, _held: (listener, vec![connect(address)]) }
    }
}
