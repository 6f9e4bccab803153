//! The exit codes of the program, besides 0. They are part of its interface (README).

/// A bad configuration, a failed start, or a negative result.
pub(in crate::cli) const FAILED: u8 = 1;
/// Wrong usage.
pub(in crate::cli) const USAGE: u8 = 2;
/// `shutdown_timeout` passed before every connection had ended.
pub(in crate::cli) const CUT: u8 = 3;
/// A release counts, and not every node is seen to serve it yet.
pub(in crate::cli) const BEHIND: u8 = 3;
/// `convert` has not taken over something that matters.
pub(in crate::cli) const PARTLY: u8 = 3;
