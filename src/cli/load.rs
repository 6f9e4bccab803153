//! Reads configurations and other files for the verbs, on a thread of its own and with a time limit, since a file system
//! may not answer. Must not know: what a verb does with them.

use std::io;
use std::path::Path;

use crate::config;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::reload::job::Job;

/// Reads and validates a configuration.
pub(super) fn load(path: &Path) -> Result<Config, Vec<ConfigError>> {
    let path = path.to_owned();
    reading(move || config::load(&path))
}

/// Does work that waits for files. An error where that takes longer than the time limit of a job.
pub(super) fn reading<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Vec<ConfigError>> + Send + 'static,
) -> Result<T, Vec<ConfigError>> {
    let failed = |error: io::Error| {
        let message = format!("cannot start a thread to read files: {error}");
        vec![ConfigError { path: String::new(), position: None, message }]
    };
    // A thread that waits for a file cannot be stopped. It ends with the process.
    let result = Job::start("reading", work).and_then(Job::wait).map_err(failed)?;
    result.unwrap_or_else(|lost| Err(vec![lost.error()]))
}
