//! The kinds of values of `[process]`.

use crate::words::words;

/// Whether the process gives up what it does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// As far as the kernel supports it.
    Auto,
    /// All of it, or the process does not start.
    Require,
    Off,
}

words! { Sandbox { Auto => "auto", Require => "require", Off => "off" } }
