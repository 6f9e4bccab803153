//! The exit codes of the program, besides 0. They are part of its interface (README).

/// Bad configuration, a failed start, or a `no` to what was asked.
pub(in crate::cli) const FAILED: u8 = 1;
/// What was typed has no meaning.
pub(in crate::cli) const USAGE: u8 = 2;
/// `shutdown_timeout` passed before every connection had ended.
pub(in crate::cli) const CUT: u8 = 3;
