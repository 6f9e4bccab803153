//! `tlsgate demo`.
use std::process::ExitCode;
pub(super) fn demo(_port: u16) -> ExitCode { ExitCode::SUCCESS }
