//! Whether the store is still the one that it was, or was restored from a backup: told from its headers. Must not know: what
//! it is asked for.

use std::sync::{Mutex, PoisonError};

use super::message::Header;
use crate::fleet::store::Revision;

/// What has been seen of the store.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// 0: nothing yet.
    cluster: u64,
    /// The highest.
    revision: Revision,
}

impl History {
    /// Every answer to what is asked from now on has this revision at least, if it is up to date.
    pub(super) fn revision(&self) -> Revision {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).revision
    }

    /// Takes note of the header of an answer that is up to date, to a question that was asked when `before` was the highest
    /// revision. `Err`: this is not the store that it was.
    pub(super) fn current(&self, header: &Header, before: Revision) -> Result<(), String> {
        self.cluster(header)?;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = header.revision.0;
        if found >= before {
            seen.revision = seen.revision.max(found);
            return Ok(());
        }
        seen.revision = found;
        Err(format!("found the revision {found}, expected at least {before}: the store was restored from a backup"))
    }

    /// Takes note of the header of an answer that counts whatever store it is from: the next who reads finds that out.
    pub(super) fn note(&self, header: &Header) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.cluster == 0 {
            seen.cluster = header.cluster_id.0;
        }
        if seen.cluster == header.cluster_id.0 {
            seen.revision = seen.revision.max(header.revision.0);
        }
    }

    /// As [`Self::current`], for an answer that may be behind others.
    pub(super) fn cluster(&self, header: &Header) -> Result<(), String> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, found) = (seen.cluster, header.cluster_id.0);
        if found == 0 || before == found {
            return Ok(());
        }
        (seen.cluster, seen.revision) = (found, header.revision.0);
        if before == 0 {
            return Ok(());
        }
        Err(format!(
            "found the cluster {found:x}, expected {before:x}: the store was made anew, or restored from a backup"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::{Int, Uint};
    use super::*;

    #[test]
    fn a_revision_that_goes_back_and_another_cluster_are_noticed_once() {
        let header =
            |cluster, revision| Header { cluster_id: Uint(cluster), member_id: Uint(1), revision: Int(revision) };
        let history = History::default();
        history.current(&header(7, 10), history.revision()).unwrap();
        // An older answer that comes late.
        history.current(&header(7, 9), 8).unwrap();
        assert_eq!(history.revision(), 10);
        assert!(history.current(&header(7, 9), 10).unwrap_err().contains("found the revision 9"));
        history.current(&header(7, 9), history.revision()).unwrap();
        assert!(history.cluster(&header(8, 50)).unwrap_err().contains("found the cluster 8, expected 7"));
        history.current(&header(8, 51), history.revision()).unwrap();
        history.note(&header(8, 60));
        history.note(&header(9, 70));
        assert_eq!(history.revision(), 60);
        assert!(history.current(&header(9, 70), 60).is_err());
    }
}
