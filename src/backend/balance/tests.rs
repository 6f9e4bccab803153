//! How connections are spread over servers.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::*;

const PICKS: usize = 10_000;

fn candidates(weights: &[u64]) -> Vec<Candidate> {
    let one = |(index, weight): (usize, &u64)| Candidate {
        index,
        weight: weight * 1000,
        active: 0,
        key: key(format!("10.0.0.{index}:389").as_bytes()),
    };
    weights.iter().enumerate().map(one).collect()
}

fn client(number: usize) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap()).into()
}

/// How often each server is picked; with `held`, each connection stays open.
fn spread(algorithm: Algorithm, weights: &[u64], held: bool) -> Vec<usize> {
    let (mut candidates, turns) = (candidates(weights), Turns::new(weights.len()));
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = vec![0; weights.len()];
    for number in 0..PICKS {
        let index = algorithm.choose(&candidates, client(number), &turns, &mut random).unwrap();
        counts[index] += 1;
        candidates[index].active += usize::from(held);
    }
    counts
}

#[test]
fn ten_thousand_picks_are_within_two_percent_of_the_weights() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::RandomTwo, Algorithm::SourceIp] {
        for weights in [&[1, 1, 1][..], &[1, 2, 5], &[100, 1, 50, 49], &[3; 20]] {
            for held in [false, true] {
                let total: u64 = weights.iter().sum();
                for (count, weight) in spread(algorithm, weights, held).iter().zip(weights) {
                    let (share, wanted) = (*count as f64 / PICKS as f64, *weight as f64 / total as f64);
                    assert!((share - wanted).abs() <= 0.02, "{algorithm:?} {weights:?} {held}: {share} not {wanted}");
                }
            }
        }
    }
}

#[test]
fn round_robin_is_exact_and_smooth() {
    let (candidates, turns) = (candidates(&[5, 1, 1]), Turns::new(3));
    let mut random = fastrand::Rng::with_seed(7);
    let mut next = || Algorithm::RoundRobin.choose(&candidates, client(0), &turns, &mut random).unwrap();
    // The example of nginx's commit 52327e0627f4 (2012), which introduced this.
    assert_eq!((0..14).map(|_| next()).collect::<Vec<_>>(), [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn least_connections_counts_for_the_weight_and_takes_turns_among_equals() {
    let (mut candidates, turns) = (candidates(&[1, 1, 2]), Turns::new(3));
    let mut random = fastrand::Rng::with_seed(7);
    let mut next = |candidates: &[Candidate]| {
        Algorithm::LeastConnections.choose(candidates, client(0), &turns, &mut random).unwrap()
    };
    let mut idle: Vec<usize> = (0..4).map(|_| next(&candidates)).collect();
    idle.sort_unstable();
    assert_eq!(idle, [0, 1, 2, 2]);
    (candidates[0].active, candidates[1].active, candidates[2].active) = (2, 3, 3);
    assert_eq!([(); 3].map(|()| next(&candidates)), [2, 2, 2]);
    candidates[2].active = 5;
    assert_eq!([(); 3].map(|()| next(&candidates)), [0, 0, 0]);
}

#[test]
fn random_two_never_picks_the_most_loaded() {
    let mut candidates = candidates(&[1; 5]);
    candidates[3].active = 1;
    let mut random = fastrand::Rng::with_seed(7);
    let turns = Turns::new(5);
    assert!((0..1000).all(|_| Algorithm::RandomTwo.choose(&candidates, client(0), &turns, &mut random) != Some(3)));
}

#[test]
fn first_is_the_first() {
    assert_eq!(spread(Algorithm::First, &[1, 5], false), [PICKS, 0]);
}

#[test]
fn adding_or_removing_a_server_moves_only_its_own_share_of_clients() {
    for weights in [vec![1; 10], vec![1, 2, 3, 4]] {
        let all = candidates(&weights);
        let place = |candidates: &[Candidate], number| rendezvous(candidates, client(number)).unwrap();
        let before: HashMap<usize, usize> = (0..PICKS).map(|number| (number, place(&all, number))).collect();
        for gone in 0..weights.len() {
            let rest: Vec<Candidate> = all.iter().copied().filter(|candidate| candidate.index != gone).collect();
            for (number, was) in &before {
                let is = place(&rest, *number);
                assert!(is == *was || *was == gone, "client {number} moved from {was} to {is} when {gone} left");
            }
        }
    }
}

#[test]
fn a_client_gets_the_same_server_in_either_form_of_its_address_and_after_restarts() {
    let all = candidates(&[1; 10]);
    let mapped: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
    assert_eq!(rendezvous(&all, mapped), rendezvous(&all, client(7)));
    // These numbers must not change: an upgrade would move every client to another server.
    let places: Vec<_> = (0..12).filter_map(|number| rendezvous(&all, client(number))).collect();
    assert_eq!(places, PLACES);
}

#[test]
fn without_candidates_none_is_chosen() {
    let (turns, mut random) = (Turns::new(0), fastrand::Rng::with_seed(7));
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::RandomTwo, Algorithm::SourceIp] {
        assert_eq!(algorithm.choose(&[], client(0), &turns, &mut random), None);
    }
}

const PLACES: [usize; 12] = [7, 1, 0, 9, 4, 7, 5, 5, 6, 7, 4, 7];
