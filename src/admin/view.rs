//! What the admin API shows. Must not know: the caller, how anything is changed.

pub(super) mod acme;
pub(super) mod connections;
pub(super) mod errors;
pub(super) mod explain;
pub(super) mod limits;
pub(super) mod listing;
pub(super) mod node;
pub(super) mod openapi;
pub(super) mod renderings;
pub(super) mod revocation;
pub(super) mod state;
