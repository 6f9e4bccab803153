//! The access log: one record for each connection.

pub mod format;
pub mod log;
pub mod record;
pub mod target;
