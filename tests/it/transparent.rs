//! `source` of a backend: servers are connected to from the client's own address, or from a given one. Clients, tlsgate and
//! servers have networks of their own (network_namespaces(7)), with tlsgate's between the two others. This file: these networks.

use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::sched::{CloneFlags, unshare};

mod faults;
mod ipv6;
mod kept;
mod seen;

/// The addresses of clients; the second one is nobody to the servers' rules.
const CLIENT: &str = "10.77.1.2";
const OTHER: &str = "10.77.1.3";
/// tlsgate's, towards clients and towards servers, with one more for the source.
const FRONT: &str = "10.77.1.1";
const BACK: &str = "10.77.2.1";
const SPARE: &str = "10.77.2.9";
const SERVER: &str = "10.77.2.2";

/// A network of its own, and a thread in it.
struct Network {
    tid: i32,
    jobs: Sender<Box<dyn FnOnce() + Send>>,
}

impl Network {
    fn new() -> Self {
        let (jobs, coming) = channel::<Box<dyn FnOnce() + Send>>();
        let (ready, is_ready) = channel();
        let work = move || {
            alone();
            ready.send(nix::unistd::gettid().as_raw()).unwrap();
            coming.into_iter().for_each(|job| job());
        };
        thread::Builder::new().name("network".into()).spawn(work).unwrap();
        Self { tid: is_ready.recv().unwrap(), jobs }
    }

    /// Sockets that this opens, and programs that it starts, are in the network.
    fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = channel();
        self.jobs.send(Box::new(move || done.send(work()).unwrap())).unwrap();
        result.recv().expect("it has failed in its network")
    }
}

/// The calling thread gets a network of its own.
fn alone() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root's rights");
    ip("link set lo up");
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Clients, and servers that reach them by way of the network in between.
struct Between {
    clients: Network,
    servers: Network,
}

/// Runs `test` on a thread whose network is between the two others. `way_back`: what comes from servers is for this machine,
/// whatever its destination.
fn between(way_back: bool, test: impl FnOnce(&Between) + Send + 'static) {
    let own = move || {
        alone();
        let both = Between { clients: Network::new(), servers: Network::new() };
        for (network, ours, address) in [(&both.clients, "front", FRONT), (&both.servers, "back", BACK)] {
            ip(&format!("link add {ours} type veth peer name eth0 netns {}", network.tid));
            ip(&format!("addr add {address}/24 dev {ours}"));
            ip(&format!("link set {ours} up"));
        }
        ip(&format!("addr add {SPARE}/24 dev back"));
        both.clients.within(|| {
            ip(&format!("addr add {CLIENT}/24 dev eth0"));
            ip(&format!("addr add {OTHER}/24 dev eth0"));
            ip("link set eth0 up");
        });
        both.servers.within(|| {
            ip(&format!("addr add {SERVER}/24 dev eth0"));
            ip("link set eth0 up");
            ip(&format!("route add default via {BACK}"));
        });
        if way_back {
            // As docs/transparent.md has it.
            ip("rule add iif back lookup 100");
            ip("route add local 0.0.0.0/0 dev lo table 100");
        }
        test(&both);
    };
    let ended = thread::Builder::new().name("between".into()).spawn(own).unwrap().join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
