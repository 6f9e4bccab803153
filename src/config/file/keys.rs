//! `[keys]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::passphrase::Source;

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub passphrases: Option<Vec<Located<Source>>>,
}

impl Keys {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self { passphrases: table.list("passphrases") }
    }
}
