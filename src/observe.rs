//! What tlsgate tells of itself: outcomes, the access log, the diagnostic log. Knows nothing of how things are done.

pub mod access;
mod line;
pub mod log;
pub mod metrics;
pub mod outcome;
