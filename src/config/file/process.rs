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
    /// The first of its keys that does not have its default.
    pub fn written(&self) -> Option<Located<()>> {
        let sandbox = Some(&self.sandbox).filter(|sandbox| sandbox.value != Sandbox::Auto).map(Located::place);
        let names = self.user.iter().chain(&self.group).chain(self.sandbox_paths.iter().flatten());
        sandbox.into_iter().chain(names.map(Located::place)).min_by_key(|place| place.at)
    }

    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            user: table.optional("user"),
            group: table.optional("group"),
            sandbox: table.or("sandbox", Sandbox::Auto),
            sandbox_paths: table.list("sandbox_paths"),
        }
    }
}
