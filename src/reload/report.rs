//! What came of a reload, for whoever asked for it. Must not know: how a reload works.

use crate::config::located::ConfigError;

/// What came of a reload.
#[derive(Debug)]
pub enum Report {
    /// The new state is published; each line says what is different. Empty where nothing is.
    Swapped(Vec<String>),
    /// Nothing was changed.
    Failed(Vec<ConfigError>),
}
