//! Work of the start that reads files, which a signal can end. Must not know: what is read.

use crate::config::located::ConfigError;
use crate::reload::job::Job;
use crate::server::{Signals, StartError};

/// Does work that reads files, unless a signal comes first.
pub(super) fn waited_for<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Vec<ConfigError>> + Send + 'static,
    signals: &mut Signals,
) -> Result<T, StartError> {
    let mut job = Job::start("start", work).map_err(StartError::Worker)?;
    match signals.wait_for(&mut job) {
        Some(done) => done.map_err(StartError::Lost)?.map_err(StartError::Config),
        None => Err(StartError::Stopped),
    }
}
