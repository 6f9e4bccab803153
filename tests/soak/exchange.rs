//! What good clients and servers say to each other, so that each byte is checked in both directions, and the client
//! knows which server it has. Must not know: how either side has come to its connection.
//!
//! The server begins with its own address. The client sends a task, and then both send what it says, from streams that
//! both can compute. At the end the server reports how many bytes it has received and found right; then the client ends
//! its data, and the server ends its own.

use crate::support::client::RECORD;
use crate::support::stream::Stream;

/// How the two directions are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `up` messages of any size, each of which is answered by one of the same size.
    Messages,
    /// `up` bytes, then `down` bytes.
    InTurn,
    /// The same, but the server waits for the end of the client's data, not for their number.
    AfterEnd,
    /// `up` and `down` bytes at the same time. For servers without TLS.
    AtOnce,
}

const SHAPES: [Shape; 4] = [Shape::Messages, Shape::InTurn, Shape::AfterEnd, Shape::AtOnce];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) shape: Shape,
    /// Of the client's bytes; the server's are those of the complement.
    pub(crate) seed: u8,
    pub(crate) up: u32,
    pub(crate) down: u32,
}

impl Task {
    pub(crate) fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(MAGIC);
        (head[4], head[5]) = (self.shape as u8, self.seed);
        head[6..10].copy_from_slice(&self.up.to_be_bytes());
        head[10..].copy_from_slice(&self.down.to_be_bytes());
        head
    }

    pub(crate) fn parse(head: &[u8; HEAD]) -> Option<Self> {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let shape = *SHAPES.get(usize::from(head[4]))?;
        let task = Self { shape, seed: head[5], up: number(&head[6..10]), down: number(&head[10..]) };
        (head[..4] == *MAGIC).then_some(task)
    }

    /// The sizes of its messages: most are small; around the sizes of records and buffers, mistakes are most likely.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> {
        let mut random = fastrand::Rng::with_seed(self.seed.into());
        (0..self.up).map(move |_| match random.u8(..20) {
            0 => random.usize(RECORD - 2..RECORD + 3),
            1 => random.usize(65_534..65_539),
            _ => random.usize(1..2000),
        })
    }
}

/// Why a client's operation failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What it was doing.
    pub(crate) stage: &'static str,
    pub(crate) what: String,
    /// Wrong, missing or surplus bytes were taken for right ones.
    pub(crate) is_corruption: bool,
}

impl Failure {
    pub(crate) fn new(stage: &'static str, what: impl ToString) -> Self {
        Self { stage, what: what.to_string(), is_corruption: false }
    }

    pub(crate) fn corruption(stage: &'static str, what: impl ToString) -> Self {
        Self { is_corruption: true, ..Self::new(stage, what) }
    }
}

/// The bytes of one direction, checked as they come.
pub(crate) struct Check {
    stream: Stream,
    /// The right ones so far.
    pub(crate) count: u64,
}

impl Check {
    pub(crate) fn new(seed: u8) -> Self {
        Self { stream: Stream::new(seed), count: 0 }
    }

    /// Whether these are the next bytes.
    pub(crate) fn is_next(&mut self, mut received: &[u8]) -> bool {
        while !received.is_empty() {
            let expected = self.stream.next(received.len());
            let (front, rest) = received.split_at(expected.len());
            if front != expected {
                return false;
            }
            self.count += front.len() as u64;
            received = rest;
        }
        true
    }
}

/// The length of a server's name: its address, filled up with spaces.
pub(crate) const NAME: usize = 24;
pub(crate) const HEAD: usize = 14;
const MAGIC: &[u8; 4] = b"soak";
