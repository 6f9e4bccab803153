//! One open connection: the record that its log line is written from, what it has moved so far, and where it is asked to
//! end. Must not know: the other connections, how a record is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::live::call::Call;
use crate::observe::access::record::Record;
use crate::observe::metrics::Traffic;
use crate::tls::certificate::certified::Certificate;

/// An open connection. Its own task writes; everybody may read.
#[derive(Debug)]
pub struct Row {
    pub call: Call,
    /// The bytes so far.
    pub traffic: Traffic,
    /// When the connection was accepted.
    pub accepted: Instant,
    facts: Mutex<Facts>,
}

/// What is known of a connection so far.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the access log will report.
    pub record: Record,
    /// The certificate that is served to the client.
    // Not a copy of what is shown of it: the connection's listener keeps the certificate in any case.
    pub certificate: Option<Arc<Certificate>>,
}

impl Row {
    /// A connection that was just accepted.
    pub fn new(record: Record, traffic: Traffic) -> Self {
        let facts = Mutex::new(Facts { record, certificate: None });
        Self { call: Call::default(), traffic, accepted: Instant::now(), facts }
    }

    /// What is known so far. Nobody may wait while it is locked.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        // The facts are valid even if a thread panicked while it held the lock.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what is known so far, for whoever takes longer: the connection's task needs the lock.
    pub fn copied(&self) -> Facts {
        self.facts().clone()
    }
}
