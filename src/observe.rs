//! What tlsgate reports about itself: outcomes, the access log, the diagnostic log, metrics. Must not know: how
//! connections work.

pub mod access;
pub mod line;
pub mod log;
pub mod metrics;
pub mod outcome;
