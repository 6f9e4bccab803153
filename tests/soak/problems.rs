//! What is wrong and unexplained: when, what, and the log around it. Must not know: how it was found.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::log::Log;

#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) at: Instant,
    pub(crate) what: String,
    /// The lines of the diagnostic log around it.
    pub(crate) log: String,
}

#[derive(Debug)]
pub(crate) struct Problems {
    log: Arc<Log>,
    found: Mutex<(Vec<Problem>, u64)>,
}

impl Problems {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log, found: Mutex::default() }
    }

    /// Something that happened at that time.
    pub(crate) fn add(&self, at: Instant, what: String) {
        let mut found = self.found.lock().unwrap();
        found.1 += 1;
        if found.0.len() < KEPT {
            eprintln!("soak: unexplained: {what}");
            let log = self.log.around(at, AROUND);
            found.0.push(Problem { at, what, log });
        }
    }

    /// The first ones, and how many there are.
    pub(crate) fn all(&self) -> (Vec<Problem>, u64) {
        self.found.lock().unwrap().clone()
    }
}

/// How many are kept: a fault that shows itself thousands of times is one fault.
const KEPT: usize = 50;
/// The lines of the log that are shown with each.
const AROUND: Duration = Duration::from_secs(5);
