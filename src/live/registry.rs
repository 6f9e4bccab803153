//! All open connections, spread over the workers: a worker locks only its own part, when a connection begins and ends, besides
//! the alarm where a client has to be judged again earlier than all others. Whoever lists or closes connections goes through
//! the parts, and holds each lock for a bounded number of rows. Must not know: what is known of a connection.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::pki_types::CertificateDer;

use crate::live::alarm::Alarm;
use crate::live::call::Mode;
use crate::live::filter::Filter;
use crate::live::presented::{Chains, Judged, Presented};
use crate::live::row::Row;
use crate::observe::access::record::ConnectionId;

/// The connections of one worker, by their numbers.
#[derive(Debug)]
struct Part {
    rows: Connections<Row>,
    /// Those whose clients can be judged again.
    presented: Connections<Presented>,
    /// What these have presented.
    chains: Chains,
    alarm: Arc<Alarm>,
}

type Connections<T> = Mutex<BTreeMap<u64, Arc<T>>>;

/// All open connections.
#[derive(Debug)]
pub struct Registry {
    /// Of the ids of all of them.
    run: u32,
    parts: Box<[Arc<Part>]>,
    alarm: Arc<Alarm>,
}

/// A connection's place in the registry. Dropping it takes the connection off.
#[derive(Debug)]
pub struct Listed {
    part: Arc<Part>,
    number: u64,
}

/// Some of the connections, in the order in which they were accepted.
#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Arc<Row>>,
    /// Whether more follow.
    pub more: bool,
}

/// The id is one of another process, so that what follows it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found an id of another process, expected one of this listing (it begins without after)")]
pub struct OtherRun;

impl Registry {
    /// For so many workers; at least one. `run` identifies the process, in the ids of its connections.
    pub fn new(run: u32, workers: usize) -> Self {
        let alarm = Arc::<Alarm>::default();
        let part = |_| Part {
            rows: Mutex::default(),
            presented: Mutex::default(),
            chains: Chains::default(),
            alarm: Arc::clone(&alarm),
        };
        Self { run, parts: (0..workers.max(1)).map(part).map(Arc::new).collect(), alarm }
    }

    /// Wakes who judges connections again.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Whether there is a connection whose client can be judged again.
    pub fn has_presented(&self) -> bool {
        self.parts.iter().any(|part| !lock(&part.presented).is_empty())
    }

    /// The connections whose clients can be judged again, in no order.
    pub fn presented(&self) -> impl Iterator<Item = Arc<Presented>> {
        self.parts.iter().flat_map(|part| walk(&part.presented, 0)).map(|(_, one)| one)
    }

    /// What all connections have in their ids.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Adds a connection, which that worker serves.
    pub fn list(&self, worker: usize, row: Arc<Row>) -> Listed {
        let part = Arc::clone(&self.parts[worker % self.parts.len()]);
        let number = row.facts().record.connection_id.number;
        lock(&part.rows).insert(number, row);
        Listed { part, number }
    }

    /// The first connections after that one, or from the beginning, that the filter matches: at most `most` of them.
    ///
    /// A connection that is open while all pages are read, from the first to the last, is on exactly one of them.
    pub fn page(&self, filter: &Filter, after: Option<ConnectionId>, most: usize) -> Result<Page, OtherRun> {
        let after = match after {
            None => 0,
            Some(id) if id.run == self.run => id.number,
            Some(_) => return Err(OtherRun),
        };
        let now = Instant::now();
        let mut found = Vec::new();
        for part in &self.parts {
            // One more than a page has, to know whether another one follows.
            let rows = walk(&part.rows, after).filter(|(_, row)| filter.matches(row, now));
            found.extend(rows.take(most.saturating_add(1)));
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        let more = found.len() > most;
        Ok(Page { rows: found.into_iter().take(most).map(|(_, row)| row).collect(), more })
    }

    /// Asks all connections that the filter matches to end. Returns how many.
    pub fn close(&self, filter: &Filter, mode: Mode) -> usize {
        let now = Instant::now();
        let all = self.parts.iter().flat_map(|part| walk(&part.rows, 0));
        all.filter(|(_, row)| filter.matches(row, now)).inspect(|(_, row)| row.call.ask(mode)).count()
    }
}

/// Those of one part with numbers above `after`. The lock is held for [`AT_ONCE`] rows at most.
fn walk<T>(connections: &Connections<T>, after: u64) -> impl Iterator<Item = (u64, Arc<T>)> {
    let mut from = Some(after);
    std::iter::from_fn(move || {
        let after = from?;
        let some: Vec<_> = {
            let rows = lock(connections);
            let later = rows.range((Bound::Excluded(after), Bound::Unbounded));
            later.take(AT_ONCE).map(|(number, row)| (*number, Arc::clone(row))).collect()
        };
        from = some.last().map(|(number, _)| *number);
        from.is_some().then_some(some)
    })
    .flatten()
}

impl Listed {
    /// Its client has presented these certificates, which were judged so: from now on they can be judged again. `row` is this
    /// connection's.
    pub fn presented(&self, row: Arc<Row>, certificates: Vec<CertificateDer<'static>>, judged: Judged) {
        let Judged { good_until, generation, .. } = judged;
        let presented = Arc::new(Presented::new(row, certificates, judged, &self.part.chains));
        lock(&self.part.presented).insert(self.number, presented);
        // Only now: who is woken finds it.
        self.part.alarm.joined(generation, good_until);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.part.rows).remove(&self.number);
        let presented = lock(&self.part.presented).remove(&self.number);
        // After the lock: it may take the last chain out.
        drop(presented);
    }
}

fn lock<T>(connections: &Connections<T>) -> MutexGuard<'_, BTreeMap<u64, Arc<T>>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copying so many pointers takes some microseconds, for which a worker may have to wait.
const AT_ONCE: usize = 256;

#[cfg(test)]
mod tests;
