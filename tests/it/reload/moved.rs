//! Addresses that get to another listener while clients connect to them: each client is served by one of the two.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::support::acme::own_address;
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, certified};

/// Some listeners, each with its addresses.
fn config(backend: &Backend, listeners: &[(&str, &[SocketAddr])]) -> String {
    let mut text = format!(
        "[admin]\nlisten = \"unix:admin.sock\"\n[runtime]\nworkers = 4\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    );
    for (name, addresses) in listeners {
        let listen: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        text += &format!(
            "[[listener]]\nname = \"{name}\"\nlisten = [{}]\ncertificates = [\"certs\"]\nbackend = \"echo\"\n",
            listen.join(", ")
        );
    }
    text
}

#[test]
fn no_client_is_lost_while_an_address_moves_from_one_listener_to_another() {
    let (pki, backend) = (certified(), Backend::echo());
    let [first, second] = [own_address(), own_address()].map(|host| SocketAddr::from((host, 1636)));
    let states = [
        config(&backend, &[("one", &[first, second])]),
        config(&backend, &[("two", &[first, second])]),
        config(&backend, &[("one", &[first]), ("two", &[second])]),
        config(&backend, &[("one", &[second]), ("two", &[first])]),
    ];
    let proxy = Proxy::start(pki.folder(), &states[0]);
    let door = Door::unix(pki.folder());
    let (trust, done, served) = (Arc::new(trusting(&pki.ca(), Tls::V13)), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for address in [first, second, first, second] {
            let (trust, done, served) = (&trust, &done, &served);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let mut client = Client::silent(address, trust, NAME);
                    let shaken = client.handshake();
                    if shaken.is_err() {
                        done.store(true, Ordering::Release);
                    }
                    shaken.unwrap_or_else(|error| panic!("a client of {address} is lost: {error}"));
                    client.send(b"ping").unwrap();
                    assert_eq!(client.read_exact(4), b"ping");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=RELOADS {
            std::fs::write(pki.folder().join("tlsgate.toml"), &states[round % states.len()]).unwrap();
            let answer = door.ask("POST", "/api/v1/reload", &[], "");
            assert_eq!(answer.status, 200, "{answer:?}");
            let before = served.load(Ordering::Relaxed);
            eventually("clients are served", || {
                (served.load(Ordering::Relaxed) > before + 4 || done.load(Ordering::Acquire)).then_some(())
            });
        }
        done.store(true, Ordering::Release);
    });
    assert!(!proxy.log().contains("cannot accept"), "{}", proxy.log());
}

const RELOADS: usize = 80;
