//! Many publishes under load. `TLSGATE_TEST_PUBLISHES=200` makes it that many.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Proof;

#[test]
fn no_handshake_fails_while_releases_are_published() {
    let count = std::env::var("TLSGATE_TEST_PUBLISHES").map_or(PUBLISHES, |count| count.parse().unwrap());
    let mut proof = Proof::of_five();
    let first = proof.newest;
    let mut refused = Vec::new();
    for number in 1..=count {
        proof.publishes();
        // In between, one that a node refuses: not one client may see it.
        if number % 7 == 0 {
            proof.port_is_taken_at("e");
            refused.push(proof.newest);
        }
    }
    let numbers = (first + 1..=proof.newest).filter(|number| !refused.contains(number));
    let numbers: Vec<u64> = numbers.collect();
    assert_eq!(numbers.len(), count);
    let moments = moments(&proof.ends(), &numbers);
    println!(
        "{count} publishes, {} refused; from the first node's handshake to the last node's: median {:?}, worst {:?}",
        refused.len(),
        moments[moments.len() / 2],
        moments[moments.len() - 1]
    );
}

/// How long some nodes served each certificate, and others did not yet; from the shortest to the longest.
fn moments(seen: &[BTreeMap<u64, Instant>], numbers: &[u64]) -> Vec<Duration> {
    let moment = |number: &u64| {
        let times: Vec<Instant> = seen.iter().map(|seen| seen[number]).collect();
        times.iter().max().unwrap().duration_since(*times.iter().min().unwrap())
    };
    let mut moments: Vec<Duration> = numbers.iter().map(moment).collect();
    moments.sort_unstable();
    moments
}

const PUBLISHES: usize = 20;
