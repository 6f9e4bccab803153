//! `[process]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::process::Sandbox;

/// `[process]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub user: Option<Located<String>>,
    pub group: Option<Located<String>>,
    pub sandbox: Located<Sandbox>,
    pub sandbox_paths: Option<Vec<Located<String>>>,
}

impl Process {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            user: table.optional("user"),
            group: table.optional("group"),
            sandbox: table.or("sandbox", Sandbox::Auto),
            sandbox_paths: table.list("sandbox_paths"),
        }
    }
}
