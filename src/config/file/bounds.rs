//! `[limits]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::pressure::bound::Setting;

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    pub memory: Located<Setting>,
}

impl Bounds {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self { memory: table.or("memory", Setting::Auto) }
    }
}
