//! What there is to say about the lists by which servers are judged. Must not know: how that is found, who shows it.

use crate::tls::trust::lists::ListFault;
use crate::tls::trust::lists::held::Used;
use crate::tls::trust::lists::remarks;
use crate::tls::trust::lists::remarks::{At, Whose};

/// Nothing, where there are no lists.
#[derive(Debug, Clone, Default)]
pub struct Review {
    pub(super) remarks: Vec<(At, String)>,
    /// For each list: the CA's subject, and when it ends.
    pub(super) ends: Vec<(At, String, i64)>,
    pub(super) used: Vec<Used>,
    pub(super) left_out: Vec<(usize, ListFault)>,
}

impl Review {
    /// All warnings at that time (seconds since 1970).
    pub fn warnings(&self, now: i64) -> Vec<(At, String)> {
        let past = self.ends.iter().filter(|(_, _, end)| *end < now);
        let past = past.map(|(at, issuer, end)| (*at, remarks::outdated(issuer, *end, Whose::Servers)));
        self.remarks.iter().cloned().chain(past).collect()
    }

    /// What the lists that are used say of themselves.
    pub fn used(&self) -> &[Used] {
        &self.used
    }

    /// Lists that came over the network and cannot be used, by their indexes.
    pub fn left_out(&self) -> &[(usize, ListFault)] {
        &self.left_out
    }
}
