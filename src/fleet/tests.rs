//! Nodes, publishers and a store in virtual time, with everything that goes wrong between them: lost and late messages,
//! partitions, crashes, leases that end, a store that is restored from a backup or changed by somebody else. One seed is one
//! schedule; what must hold is checked in each, and a failure prints its seed.
//!
//! `TLSGATE_SIMULATION_SEED=7` runs one schedule and prints its events, `TLSGATE_SIMULATION=100000` so many.

mod checks;
mod etcd;
mod event;
mod faults;
mod mirrors;
mod network;
mod parts;
mod world;

use world::{Kind, World};

/// How many schedules are run, unless the environment has another number.
const SCHEDULES: u64 = 400;

fn run(kind: Kind) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    if let Some(seed) = number("TLSGATE_SIMULATION_SEED") {
        return World::new(seed, kind, true).run();
    }
    let (schedules, next) = (number("TLSGATE_SIMULATION").unwrap_or(SCHEDULES), std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let work = || {
            loop {
                let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if seed >= schedules {
                    return;
                }
                let result = std::panic::catch_unwind(|| World::new(seed, kind, false).run());
                assert!(result.is_ok(), "{kind:?}: TLSGATE_SIMULATION_SEED={seed} repeats it");
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        assert!(workers.into_iter().all(|worker| worker.join().is_ok()), "a schedule failed");
    });
}

#[test]
fn a_release_is_prepared_everywhere_or_nothing_changes_whatever_is_lost_or_dies() {
    run(Kind::Faults);
}

#[test]
fn a_store_that_was_restored_gets_back_what_it_has_forgotten() {
    run(Kind::Restored);
}

#[test]
fn a_store_that_somebody_changes_has_nothing_accepted() {
    run(Kind::Tampered);
}
