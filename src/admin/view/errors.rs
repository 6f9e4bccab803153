//! Errors of a configuration → JSON. Must not know: why they are shown.

use serde::Serialize;

use crate::config::located::ConfigError;

/// One error, as an object and as the text in the log.
#[derive(Serialize)]
pub(in crate::admin) struct ShownError<'a> {
    text: String,
    #[serde(flatten)]
    error: &'a ConfigError,
}

impl<'a> ShownError<'a> {
    pub(in crate::admin) fn all(errors: &'a [ConfigError]) -> Vec<Self> {
        errors.iter().map(|error| Self { text: error.to_string(), error }).collect()
    }
}
