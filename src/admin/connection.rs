//! The admin server's connections: accepted, bounded, and closed where a peer stalls. Must not know: what is requested.

pub(super) mod caller;
pub(super) mod door;
pub(super) mod permits;
mod progress;
pub(super) mod secure;
pub(super) mod serve;
mod wire;
