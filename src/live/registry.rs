//! All open connections, spread over the workers: a worker locks only its own part, when a connection begins and ends.
//! Whoever lists or closes connections goes through the parts, and holds each lock for a bounded number of rows. Must not
//! know: what is known of a connection.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::live::call::Mode;
use crate::live::filter::Filter;
use crate::live::row::Row;
use crate::observe::access::record::ConnectionId;

/// The connections of one worker, by their numbers.
type Part = Mutex<BTreeMap<u64, Arc<Row>>>;

/// All open connections.
#[derive(Debug)]
pub struct Registry {
    /// Of the ids of all of them.
    run: u32,
    parts: Box<[Arc<Part>]>,
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
        Self { run, parts: (0..workers.max(1)).map(|_| Arc::default()).collect() }
    }

    /// What all connections have in their ids.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Adds a connection, which that worker serves.
    pub fn list(&self, worker: usize, row: Arc<Row>) -> Listed {
        let part = Arc::clone(&self.parts[worker % self.parts.len()]);
        let number = row.facts().record.connection_id.number;
        lock(&part).insert(number, row);
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
            let rows = walk(part, after).filter(|(_, row)| filter.matches(row, now));
            found.extend(rows.take(most.saturating_add(1)));
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        let more = found.len() > most;
        Ok(Page { rows: found.into_iter().take(most).map(|(_, row)| row).collect(), more })
    }

    /// Asks all connections that the filter matches to end. Returns how many.
    pub fn close(&self, filter: &Filter, mode: Mode) -> usize {
        let now = Instant::now();
        let all = self.parts.iter().flat_map(|part| walk(part, 0));
        all.filter(|(_, row)| filter.matches(row, now)).inspect(|(_, row)| row.call.ask(mode)).count()
    }
}

/// The rows of one part with numbers above `after`. The lock is held for [`AT_ONCE`] rows at most.
fn walk(part: &Part, after: u64) -> impl Iterator<Item = (u64, Arc<Row>)> {
    let mut from = Some(after);
    std::iter::from_fn(move || {
        let after = from?;
        let some: Vec<_> = {
            let rows = lock(part);
            let later = rows.range((Bound::Excluded(after), Bound::Unbounded));
            later.take(AT_ONCE).map(|(number, row)| (*number, Arc::clone(row))).collect()
        };
        from = some.last().map(|(number, _)| *number);
        from.is_some().then_some(some)
    })
    .flatten()
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.part).remove(&self.number);
    }
}

fn lock(part: &Part) -> MutexGuard<'_, BTreeMap<u64, Arc<Row>>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copying so many pointers takes some microseconds, for which a worker may have to wait.
const AT_ONCE: usize = 256;

#[cfg(test)]
mod tests;
