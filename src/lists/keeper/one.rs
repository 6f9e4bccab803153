//! One list: what is kept of it, and what became of the attempts to get another. Must not know: how attempts are made.

use crate::lists::kept::Proved;
use crate::lists::memory::Memory;
use crate::lists::schedule;
use crate::lists::schedule::Demand;
use crate::lists::status::{Counts, Failure, Found, OfContent, OfList, State};
use crate::lists::targets::Target;
use crate::lists::trouble::Trouble;
use crate::tls::trust::lists::prove::Facts;

pub(super) struct One {
    pub(super) target: Target,
    /// SHA-256 of the CAs by which `kept` was proved.
    pub(super) by: [u8; 32],
    /// What the list that is kept says of itself; `None` where there is none that these CAs have signed.
    pub(super) kept: Option<Facts>,
    pub(super) memory: Memory,
    pub(super) under_way: bool,
    pub(super) failure: Option<Failure>,
    pub(super) counts: Counts,
}

impl One {
    /// When it is fetched next; `None` while it is.
    pub(super) fn due(&self, now: i64, refresh: i64) -> Option<i64> {
        if self.under_way {
            return None;
        }
        // Nothing has failed: it is new.
        if self.kept.is_none() && self.memory.failures == 0 {
            return Some(now);
        }
        Some(self.memory.due(now, refresh))
    }

    /// A list was fetched, or is still the same.
    pub(super) fn succeed(&mut self, new: Option<&Proved>, now: i64, refresh: i64) {
        if let Some(new) = new {
            self.kept = Some(new.facts.clone());
        }
        let ends = self.kept.as_ref().map_or(now, |kept| kept.next_update);
        let chance = fastrand::f64();
        let memory = &mut self.memory;
        (memory.fetched, memory.since, memory.ends) = (Some(now), now, Some(ends));
        // A list that is out of date helps nobody, but its server has answered: it will have another one soon.
        memory.failures = if ends < now { memory.failures.saturating_add(1) } else { 0 };
        memory.failing_since = if ends < now { memory.failing_since.or(Some(now)) } else { None };
        memory.next = match ends < now {
            true => schedule::after_failure(now, memory.failures, refresh, None, chance),
            false => schedule::after_success(now, ends, refresh, chance),
        };
        match new {
            Some(_) => self.counts.fetched += 1,
            None => self.counts.unchanged += 1,
        }
        self.failure = None;
    }

    /// Nothing came that could be used. Whether this is something else than before.
    pub(super) fn fail(&mut self, trouble: Trouble, now: i64, refresh: i64) -> bool {
        let memory = &mut self.memory;
        memory.failures = memory.failures.saturating_add(1);
        memory.failing_since = memory.failing_since.or(Some(now));
        memory.since = now;
        let ends = self.kept.as_ref().map(|kept| kept.next_update);
        let demand = trouble.retry_after.map(|pause| Demand { pause, ends });
        memory.next = schedule::after_failure(now, memory.failures, refresh, demand, fastrand::f64());
        self.counts.failed += 1;
        let other = self.failure.as_ref().is_none_or(|before| before.message != trouble.message);
        self.failure = Some(Failure { at: now, message: trouble.message });
        other
    }

    /// For who shows it.
    pub(super) fn shown(&self, now: i64, refresh: i64) -> Option<OfList> {
        let state = match &self.kept {
            None => State::Pending,
            Some(kept) if kept.next_update < now => State::Outdated,
            Some(_) => State::Current,
        };
        let content = |facts: &Facts| OfContent {
            issuer: facts.issuer.clone(),
            this_update: facts.this_update,
            next_update: facts.next_update,
            entries: facts.entries,
        };
        Some(OfList {
            url: self.target.url()?.clone(),
            found: match (self.target.named, &self.target.shown) {
                (true, _) => Found::Url,
                (false, None) => Found::Authority,
                (false, Some(_)) => Found::Peer,
            },
            state,
            list: self.kept.as_ref().map(content),
            fetched: self.memory.fetched,
            next: self.due(now, refresh),
            failures: self.memory.failures,
            last_failure: self.failure.clone(),
            counts: self.counts,
        })
    }
}
