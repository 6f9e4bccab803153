//! The addresses from which a configuration lets backends be connected to → what a process needs for that. Must not know: how
//! it is kept.

use crate::backend::pool::outgoing::Outgoing;
use crate::config::located::Located;
use crate::config::validate::Config;

/// What is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources {
    /// To bind the sockets of connections.
    pub any: bool,
    /// To bind them to addresses of other machines.
    pub foreign: bool,
}

impl Sources {
    pub(super) fn of(config: &Config) -> Self {
        let written = || config.backends.iter().filter_map(|backend| backend.source.as_ref());
        Self { any: written().next().is_some(), foreign: written().any(is_foreign) }
    }
}

pub(super) fn is_foreign(source: &Located<Outgoing>) -> bool {
    source.value == Outgoing::Client
}

/// An error of a source, for a process without the right.
pub(super) const NO_RIGHT: &str = "found \"client\", which needs the capability CAP_NET_RAW, and this process does not have it \
    (start it as root, or with AmbientCapabilities=CAP_NET_RAW in the systemd unit; a process that has given it up takes a restart)";
