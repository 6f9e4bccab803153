//! What a configuration names: what the monitor does without reading the configuration again. Must not know: how a
//! configuration is read.

use std::path::PathBuf;

use crate::net::address::Address;

/// What a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Where sockets may listen, as configured.
    pub addresses: Vec<Address>,
    /// A relative path starts from the working directory.
    pub programs: Vec<PathBuf>,
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
}
