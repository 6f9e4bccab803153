//! JA4 → refused or not. Must not know: how a JA4 is computed.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ja4::Ja4;

/// Lists of JA4s that are refused.
#[derive(Debug, Clone, Default)]
pub struct Fingerprints(Vec<Arc<HashSet<Ja4>>>);

impl Fingerprints {
    /// Those in any of these lists.
    pub fn of(lists: impl IntoIterator<Item = Arc<HashSet<Ja4>>>) -> Self {
        Self(lists.into_iter().filter(|list| !list.is_empty()).collect())
    }

    /// Whether it is in one of the lists.
    pub fn has(&self, ja4: &Ja4) -> bool {
        self.0.iter().any(|list| list.contains(ja4))
    }

    /// Whether none is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
