//! Chooses the next of several servers. Its only state is the round-robin turns. Must not know: how to connect, why a
//! server is not among the candidates.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::words::words;

/// How the next server is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other, in proportion to their weights, evenly spread.
    RoundRobin,
    /// The server with the fewest connections in proportion to its weight; among equals, one after the other.
    LeastConnections,
    /// Two servers at random, and of these the one with fewer connections in proportion to its weight.
    RandomTwo,
    /// The same server for the same client address, as long as it can be used.
    SourceIp,
    /// The first server that has room.
    First,
}

words! {
    Algorithm {
        LeastConnections => "least_connections",
        RoundRobin => "round_robin",
        RandomTwo => "random_two",
        SourceIp => "source_ip",
        First => "first",
    }
}

/// A server, or a backend, to choose from.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub index: usize,
    /// Never zero.
    pub weight: u64,
    /// Its connections now.
    pub active: usize,
    /// A hash of its address, or name.
    pub key: u64,
}

/// The round-robin credit of each server, by index.
#[derive(Debug)]
pub(super) struct Turns(Mutex<Vec<i64>>);

impl Turns {
    pub(super) fn new(servers: usize) -> Self {
        Self(Mutex::new(vec![0; servers]))
    }

    /// nginx's smooth weighted round robin: each candidate gains its weight; the one with the most credit is chosen and
    /// loses the sum of all gains.
    fn next<'c>(&self, candidates: impl Iterator<Item = &'c Candidate>) -> Option<usize> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut total, mut richest) = (0, None::<usize>);
        for candidate in candidates {
            let weight = i64::try_from(candidate.weight).unwrap_or(i64::MAX);
            total += weight;
            let Some(turn) = turns.get_mut(candidate.index) else { continue };
            *turn += weight;
            let turn = *turn;
            if richest.is_none_or(|other| turns.get(other).is_some_and(|other| turn > *other)) {
                richest = Some(candidate.index);
            }
        }
        if let Some(turn) = richest.and_then(|index| turns.get_mut(index)) {
            *turn -= total;
        }
        richest
    }
}

impl Algorithm {
    /// The index of the next server; `None` only where there are no candidates.
    pub(super) fn choose(
        self,
        candidates: &[Candidate],
        client: IpAddr,
        turns: &Turns,
        random: &mut fastrand::Rng,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin => turns.next(candidates.iter()),
            Self::LeastConnections => {
                // Round robin among equals: otherwise the first of several idle servers would get every connection.
                let least = candidates.iter().min_by(|a, b| compare_load(a, b))?;
                turns.next(candidates.iter().filter(|other| compare_load(other, least).is_eq()))
            }
            Self::RandomTwo => {
                let one = draw(candidates.iter(), random)?;
                let other = draw(candidates.iter().filter(|other| other.index != one.index), random);
                Some(other.filter(|other| compare_load(other, one).is_lt()).unwrap_or(one).index)
            }
            Self::SourceIp => rendezvous(candidates, client),
            Self::First => candidates.first().map(|first| first.index),
        }
    }
}

/// Compares connections in proportion to weights.
fn compare_load(a: &Candidate, b: &Candidate) -> Ordering {
    // active / weight on both sides, multiplied out: exact, and without overflow in 128 bits.
    (a.active as u128 * u128::from(b.weight)).cmp(&(b.active as u128 * u128::from(a.weight)))
}

/// One at random, with probabilities in proportion to the weights.
pub fn draw<'c>(
    candidates: impl Iterator<Item = &'c Candidate> + Clone,
    random: &mut fastrand::Rng,
) -> Option<&'c Candidate> {
    let total: u64 = candidates.clone().map(|candidate| candidate.weight).sum();
    if total == 0 {
        return None;
    }
    let mut left = random.u64(0..total);
    for candidate in candidates {
        match left.checked_sub(candidate.weight) {
            Some(rest) => left = rest,
            None => return Some(candidate),
        }
    }
    None
}

/// Weighted rendezvous hashing. A server's score for a client depends on nothing else, so that adding or removing a server
/// only moves the clients of that server. `None` only where there are no candidates.
pub fn rendezvous(candidates: &[Candidate], client: IpAddr) -> Option<usize> {
    let client = client_key(client);
    let score = |candidate: &Candidate| {
        // Uniform in (0, 1): the upper 53 bits, which an f64 holds exactly, and a half, since ln(0) is infinite.
        let uniform = ((mix(client ^ candidate.key) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln() / candidate.weight as f64
    };
    candidates.iter().min_by(|a, b| score(a).total_cmp(&score(b))).map(|candidate| candidate.index)
}

fn client_key(client: IpAddr) -> u64 {
    // A client of a dual-stack listener has an IPv4-mapped address, and must get the same server.
    match client.to_canonical() {
        IpAddr::V4(ip) => key(&ip.octets()),
        IpAddr::V6(ip) => key(&ip.octets()),
    }
}

/// A hash that is the same in every process and every version, so that several tlsgates choose the same server: FNV-1a,
/// then mixed.
pub fn key(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the input.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
