//! What tlsgate tells of itself: outcomes, the access log, the diagnostic log. Knows nothing of how things are done.

pub mod access;
pub mod log;
pub mod metrics;
pub mod outcome;
