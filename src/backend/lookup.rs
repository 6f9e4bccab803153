//! The last good answer of a source of servers. It outlives reloads. Must not know: how names are resolved.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::backend::discover::{Found, Source};

/// A source, and the servers that were last found there.
#[derive(Debug)]
pub struct Lookup {
    pub source: Source,
    found: ArcSwap<Vec<Found>>,
    trouble: Mutex<Option<String>>,
    /// Whether at least one look-up has ended, with any result.
    settled: watch::Sender<bool>,
}

impl Lookup {
    /// A source that was not looked up yet.
    pub fn new(source: Source) -> Self {
        Self { source, found: ArcSwap::default(), trouble: Mutex::default(), settled: watch::Sender::new(false) }
    }

    /// The servers of the last good answer; empty before the first.
    pub fn found(&self) -> Arc<Vec<Found>> {
        self.found.load_full()
    }

    /// Why the last look-up failed; `None` where it did not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a result; a failure keeps the last good answer. Returns whether the servers are different.
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
        // It cannot fail: `self` owns the sender.
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
