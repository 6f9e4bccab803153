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
    /// Files and folders, without links: they are opened again for reading, and what is in the folders. Those of the start count.
    pub places: Vec<PathBuf>,
}

/// A user and groups, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
    /// All groups of the user.
    pub groups: Vec<u32>,
}
