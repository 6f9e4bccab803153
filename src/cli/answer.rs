//! How a verb answers: what it prints, in which of two forms, and with which exit code. Must not know: any verb.

pub(super) mod exit;
pub(super) mod form;
pub(super) mod print;
