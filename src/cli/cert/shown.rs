//! What `tlsgate cert` shows: a certificate with its chain, and where it comes from. Must not know: how it is shown.

use crate::tls::certificate::inventory::Item;

/// A certificate, with where it comes from.
pub(super) struct Shown {
    pub(super) path: String,
    /// Where it is served; `None` for a certificate from a file.
    pub(super) served: Option<Served>,
    pub(super) item: Item,
}

/// Who serves a certificate, and the names for which it does.
pub(super) struct Served {
    /// `None` is the admin server.
    pub(super) listener: Option<String>,
    pub(super) names: Vec<String>,
}
