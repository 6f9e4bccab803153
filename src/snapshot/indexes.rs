//! The indexes of certificates of the snapshot before, to be taken over. Must not know: how an index is built, routes.
//!
//! Connections keep the snapshot with which they began. With an index of its own for each reload, those of an hour would
//! keep 60, since all files are read again every minute: of 10,000 certificates, each takes a megabyte.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select::Certificates;
use crate::tls::handshake::Terminator;

/// The indexes of one listener and its routes, or of the admin server, each once, by their first certificates.
pub(super) struct Indexes<'a>(HashMap<Option<*const Certificate>, Vec<&'a Arc<Certificates>>>);

impl<'a> Indexes<'a> {
    /// Those of the same in the snapshot before.
    pub(super) fn of(same: impl IntoIterator<Item = &'a Terminator>) -> Self {
        let mut seen = HashSet::new();
        let mut indexes: HashMap<_, Vec<_>> = HashMap::new();
        for terminator in same {
            let index = &terminator.certificates;
            if seen.insert(Arc::as_ptr(index)) {
                indexes.entry(first(index)).or_default().push(index);
            }
        }
        Self(indexes)
    }

    /// The index from before where it is the same, and `fresh` otherwise.
    pub(super) fn taken_over(&self, fresh: Certificates) -> Arc<Certificates> {
        let similar = self.0.get(&first(&fresh)).map_or(&[][..], Vec::as_slice);
        let same = similar.iter().find(|before| before.is_same(&fresh));
        same.map_or_else(|| Arc::new(fresh), |before| Arc::clone(before))
    }
}

fn first(index: &Certificates) -> Option<*const Certificate> {
    index.all().first().map(Arc::as_ptr)
}
