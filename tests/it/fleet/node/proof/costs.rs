//! What a fleet costs: operations and bytes of etcd, and processor time of a node. It prints a table, of which `docs/fleet.md` has a
//! copy, and asserts that the cost of a change follows the change.
//!
//! One node is real. The others are simulated by this process: the real machines over the real client, each with connections,
//! leases and watches of its own. They fetch of a release what has changed, and load nothing; what a whole release costs, the
//! real node shows. `TLSGATE_TEST_FLEET=1000,10000,60` makes it that many nodes, certificates, and seconds of idleness.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::Scene;
use crate::support::etcd::{Etcd, Version};
use crate::support::pki::{Extra, Key, generate};
use crate::support::procfs::processor;

mod simulated;

use simulated::Crowd;

#[test]
fn the_cost_of_a_change_follows_the_change() {
    let wish = std::env::var("TLSGATE_TEST_FLEET").unwrap_or_else(|_| "20,200,5".into());
    let wish: Vec<u64> = wish.split(',').map(|number| number.parse().unwrap()).collect();
    let [nodes, certificates, seconds] = wish[..] else { panic!("found {wish:?}, expected three numbers") };

    let scene = Scene::on(Etcd::three(Version::Newer));
    let key = generate(Key::P256);
    for number in 0..certificates {
        let name = format!("host{number}.test");
        scene.write(&format!("gate/certs/{name}.crt"), &scene.pki.certificate(&[&name], &key, &Extra::default()));
        scene.write(&format!("gate/certs/{name}.key"), &key.serialize_pem());
    }
    let mut costs = Costs::new(&scene.store);

    let report = |what: &str, cost: Cost| println!("| {what} | {} |", cost.text());
    println!(
        "| {nodes} simulated nodes and 1 real one, {certificates} certificates | puts | reads | KiB into etcd | KiB out of etcd | ms of processor of the real node |"
    );
    scene.publishes();
    report("a first release", costs.since(None));
    let real = scene.node("real");
    real.is_connected();
    let pid = real.proxy.pid();
    let joined = costs.since(Some(pid));
    report("the real node joins with nothing", joined);
    let crowd = Crowd::new(&scene, usize::try_from(nodes).unwrap());
    report("all others join", costs.since(Some(pid)));
    let (begun, end) = (Instant::now(), Duration::from_secs(seconds));
    thread::sleep(end.saturating_sub(begun.elapsed()));
    report(&format!("{seconds} s of idleness"), costs.since(Some(pid)));

    // The first two are made beside what is on the disk, and the others out of what nobody needs any longer.
    for round in 1..=4 {
        let name = format!("host{}.test", 7 * round);
        let changed = scene.pki.certificate(&[&name], &key, &Extra::default());
        scene.write(&format!("gate/certs/{name}.crt"), &changed);
        costs.since(Some(pid));
        scene.publishes();
        real.serves(1 + round);
        crowd.serves(1 + round);
        let change = costs.since(Some(pid));
        report(&format!("one certificate is changed, change {round}"), change);
        // Parts, proposal and commit; of each node an answer and a registration. What nothing depends on: renewals, elections.
        assert!(change.puts <= 4 * (nodes + 1) + 100, "{change:?}");
        assert!(change.received <= (nodes + 1) * 10_000 + 1_000_000, "{change:?}");
        assert!(change.sent <= (nodes + 1) * 250_000 + 4_000_000, "{change:?}");
    }
    let release: u64 =
        fs::read_dir(scene.path("gate/certs")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(joined.sent > release, "{joined:?} for {release} bytes");
}

/// What etcd has done, and a process.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    puts: u64,
    reads: u64,
    /// Bytes.
    received: u64,
    sent: u64,
    processor: Duration,
}

impl Cost {
    fn text(&self) -> String {
        let Self { puts, reads, received, sent, processor } = self;
        format!("{puts} | {reads} | {} | {} | {}", received / 1024, sent / 1024, processor.as_millis())
    }
}

struct Costs<'s> {
    store: &'s Etcd,
    before: Cost,
}

impl<'s> Costs<'s> {
    fn new(store: &'s Etcd) -> Self {
        Self { store, before: Cost::default() }
    }

    /// Since it was asked last.
    fn since(&mut self, pid: Option<u32>) -> Cost {
        let metrics: Vec<String> = (0..3).map(|member| self.store.metrics(member)).collect();
        let of = |member: usize, name: &str| {
            let line = metrics[member].lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(0, |value| value.trim().parse::<f64>().unwrap() as u64)
        };
        let all = |name: &str| (0..3).map(|member| of(member, name)).sum();
        let now = Cost {
            // Each member does every write, and a read is done by one.
            puts: of(0, "etcd_mvcc_put_total"),
            reads: all("etcd_mvcc_range_total"),
            received: all("etcd_network_client_grpc_received_bytes_total"),
            sent: all("etcd_network_client_grpc_sent_bytes_total"),
            processor: pid.map_or(Duration::ZERO, processor),
        };
        let before = std::mem::replace(&mut self.before, now);
        Cost {
            puts: now.puts - before.puts,
            reads: now.reads - before.reads,
            received: now.received - before.received,
            sent: now.sent - before.sent,
            processor: now.processor.saturating_sub(before.processor),
        }
    }
}
