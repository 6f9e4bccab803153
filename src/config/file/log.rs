//! `[log]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::observe::access::format::Format;
use crate::observe::access::target::Target;
use crate::observe::log::Level;

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Located<Level>,
    pub access: Located<Target>,
    pub access_format: Located<Format>,
}

impl Log {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            level: table.or("level", Level::Info),
            access: table.or("access", Target::Stdout),
            access_format: table.or("access_format", Format::Json),
        }
    }
}
