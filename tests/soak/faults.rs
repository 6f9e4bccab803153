//! The faults that the soak has made, and when. Must not know: who made them, what they explain.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

/// A fault that can make an operation fail which would otherwise succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A server's listener and connections were closed.
    Killed(SocketAddr),
    /// From the signal until the process before has ended.
    Upgrade,
    /// Many clients do not read.
    Pressure,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) fault: Fault,
    pub(crate) from: Instant,
    /// `None` while it lasts.
    pub(crate) until: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Span>>);

impl Faults {
    /// Makes a fault known before it is made; returns its number.
    pub(crate) fn begin(&self, fault: Fault) -> usize {
        let mut spans = self.0.lock().unwrap();
        spans.push(Span { fault, from: Instant::now(), until: None });
        spans.len() - 1
    }

    /// It can make nothing fail any more that begins from now on.
    pub(crate) fn end(&self, number: usize) {
        self.0.lock().unwrap()[number].until = Some(Instant::now());
    }

    /// Those that lasted at any moment between the two.
    pub(crate) fn between(&self, from: Instant, until: Instant) -> Vec<Fault> {
        let spans = self.0.lock().unwrap();
        let lasted = |span: &&Span| span.from <= until && span.until.is_none_or(|end| end >= from);
        spans.iter().filter(lasted).map(|span| span.fault).collect()
    }

    pub(crate) fn is_on(&self, fault: Fault) -> bool {
        self.0.lock().unwrap().iter().any(|span| span.fault == fault && span.until.is_none())
    }

    pub(crate) fn all(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}
