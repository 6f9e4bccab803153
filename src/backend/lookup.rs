//! The last good answer of a source of servers. It outlives reloads. Must not know: how names are
//! resolved.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::backend::discover::{Found, Source};

/// A source, and what was last found there.
#[derive(Debug)]
pub struct Lookup {
    pub source: Source,
    found: ArcSwap<Vec<Found>>,
    trouble: Mutex<Option<String>>,
    /// Whether it was looked up at least once, with whatever result.
    settled: watch::Sender<bool>,
}

impl Lookup {
    pub fn new(source: Source) -> Self {
        Self { source, found: ArcSwap::default(), trouble: Mutex::default(), settled: watch::Sender::new(false) }
    }

    pub fn found(&self) -> Arc<Vec<Found>> {
        self.found.load_full()
    }

    /// Why the last attempt failed, where it did.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a new answer; a failure leaves the last good one. Whether anything is different.
    pub(super) fn learn(&self, result: Result<Vec<Found>, String>) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let different = match result {
            Ok(found) => {
                *trouble = None;
                let different = *self.found.load_full() != found;
                self.found.store(Arc::new(found));
                different
            }
            Err(error) => {
                *trouble = Some(error);
                false
            }
        };
        self.settled.send_replace(true);
        different
    }

    /// Waits for the first result.
    pub(super) async fn settled(&self) {
        // The sender lives as long as this.
        let _ = self.settled.subscribe().wait_for(|settled| *settled).await;
    }

    pub(super) fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_what_was_found() {
        let lookup = Lookup::new(Source::Dns { name: "web".into(), port: 1 });
        assert!(!lookup.is_settled() && !lookup.learn(Err("no answer".into())) && lookup.is_settled());
        let found = vec![Found { priority: 0, address: ([10, 0, 0, 1], 1).into(), weight: 1, target: "web".into() }];
        assert!(lookup.learn(Ok(found.clone())) && !lookup.learn(Ok(found.clone())));
        assert_eq!(lookup.trouble(), None);
        assert!(!lookup.learn(Err("SERVFAIL".into())));
        assert_eq!((&*lookup.found(), lookup.trouble().as_deref()), (&found, Some("SERVFAIL")));
    }
}
