//! Releases ↔ etcd: puts the parts that are missing, children before parents, and fetches trees part by part, verified.
//!
//! Must not know: what files mean.

use std::collections::BTreeMap;

use crate::etcd::{Etcd, Trouble};
use crate::fleet::part::Parts;
use crate::fleet::record::Root;

/// What an upload took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub parts: usize,
    pub bytes: usize,
}

/// Why a release could not be put or fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("{0}")]
    Etcd(#[from] Trouble),
    #[error("{0}")]
    Release(String),
}

/// Puts files as a release. Looks from the root down: what is there has everything below it, so the cost follows what has
/// changed.
pub async fn put(etcd: &Etcd, parts: &Parts, files: &BTreeMap<String, Vec<u8>>) -> Result<(Root, Cost), TransferError> {
    todo!("{etcd:?} {parts:?} {}", files.len())
}

/// Fetches a release. `known` has parts that are here already, such as those of the release that is served.
pub async fn get(
    etcd: &Etcd,
    parts: &Parts,
    root: &Root,
    known: &(dyn Fn(&str) -> Option<Vec<u8>> + Sync),
) -> Result<BTreeMap<String, Vec<u8>>, TransferError> {
    todo!("{etcd:?} {parts:?} {root:?} {}", known("").is_some())
}
