//! The result of a reload. Must not know: how a reload works.

use crate::config::located::ConfigError;

/// The result of a reload.
#[derive(Debug)]
pub enum Report {
    /// The new state is published; each line is a difference. Empty where there is none.
    Swapped(Vec<String>),
    /// Nothing was changed.
    Failed(Vec<ConfigError>),
}
