//! The admin server's connections: accepted, bounded, and given up where a peer stalls. Must not know: what is asked.

pub(super) mod caller;
pub(super) mod door;
pub(super) mod places;
mod progress;
pub(super) mod serve;
