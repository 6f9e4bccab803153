//! Round trips of an open loop: each is counted from its moment, so a stall is seen by all that fall into it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::scene::{Scene, TLS13, Wrong, run};
use crate::load::Fault;
use crate::load::latencies::Latencies;
use crate::load::pings::Pings;
use crate::load::probe::Probe;

/// An order, and then 64 bytes for each round trip.
const ORDER: u64 = 16;
const SIZE: u64 = 64;
const RATE: f64 = 500.0;

/// Runs until the relay has passed so many round trips on.
async fn pinged(scene: &Scene, connections: usize, round_trips: u64) -> Result<Latencies, Fault> {
    let target = scene.target(&scene.material.ecdsa, TLS13).await;
    let pings = Pings::open(&target, connections).await?;
    let stop = AtomicBool::new(false);
    let enough = async {
        while scene.counted()[1] < connections as u64 * ORDER + round_trips * SIZE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.store(true, Ordering::Relaxed);
        std::future::pending().await
    };
    tokio::select! {
        found = pings.run(RATE, &stop) => found,
        () = enough => unreachable!(),
    }
}

#[test]
fn every_round_trip_is_counted() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let latencies = pinged(&scene, 4, 100).await.unwrap();
        let [connections, to_backend, to_client] = scene.counted();
        // One round trip on each connection shows that it works.
        let all = latencies.len() as u64 + 4;
        assert!(all >= 100);
        assert_eq!([connections, to_backend, to_client], [4, 4 * ORDER + all * SIZE, all * SIZE]);
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn a_stall_is_seen_by_every_round_trip_that_is_due_in_it() {
    run(async {
        let stall = Duration::from_millis(400);
        let scene = Scene::new(Wrong::WaitsAt(ORDER + 50 * SIZE, stall), Wrong::Nothing).await;
        let latencies = pinged(&scene, 1, 500).await.unwrap();
        assert!(latencies.longest().unwrap() >= stall);
        // A client that waits for each answer would see one. These are due in the first half of the stall.
        let long = latencies.iter().filter(|latency| **latency >= stall / 2).count();
        assert!(long > 30, "{long} of {}", latencies.len());
    });
}

#[test]
fn a_slow_relay_is_slow_in_every_figure() {
    run(async {
        let delay = Duration::from_millis(20);
        let scene = Scene::new(Wrong::Nothing, Wrong::Waits(delay)).await;
        let through = scene.target(&scene.material.ecdsa, TLS13).await;
        let mut direct = scene.passthrough();
        direct.address = scene.backend.address;
        let mut probe = Probe::prepare(through, direct, 16, RATE).await.unwrap();
        probe.start();
        while scene.counted()[1] < 16 * ORDER + 100 * SIZE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let probed = probe.stop().await.unwrap();
        assert!(probed.through.iter().all(|latency| *latency >= delay));
        // The floor does not contain the relay.
        assert!(probed.floor.iter().any(|latency| *latency < delay));
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn wrong_bytes_and_lost_connections_are_faults() {
    for (to_backend, to_client) in [
        (Wrong::Changes(ORDER + 30 * SIZE), Wrong::Nothing),
        (Wrong::Nothing, Wrong::Changes(30 * SIZE)),
        (Wrong::Nothing, Wrong::EndsAt(30 * SIZE)),
    ] {
        run(async {
            let scene = Scene::new(to_backend, to_client).await;
            let ended = pinged(&scene, 1, 100).await;
            assert!(ended.is_err() || scene.backend.fault().is_some());
        });
    }
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::EndsAt(0)).await;
        let target = scene.target(&scene.material.ecdsa, TLS13).await;
        let fault = Probe::prepare(target.clone(), target, 1, RATE).await.err().unwrap();
        assert!(matches!(fault, Fault::Short { .. }), "{fault}");
    });
}
