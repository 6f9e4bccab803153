//! What `tlsgate cert` shows: a certificate with its chain, and where it comes from. Must not know: how it is shown.

use crate::tls::certificate::inventory::Item;

/// Certificates with where they come from.
pub(super) struct Shown {
    pub(super) path: String,
    /// Where it is served, and under which names there.
    pub(super) served: Option<Served>,
    pub(super) item: Item,
}

pub(super) struct Served {
    pub(super) listener: String,
    pub(super) names: Vec<String>,
}
