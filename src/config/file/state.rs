//! `[state]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;

/// `[state]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub directory: Option<Located<String>>,
}

impl State {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self { directory: table.optional("directory") }
    }
}
