//! `[keys]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::shown::values::texts;
use crate::config::validate::keys::Keys;

pub(super) fn table(keys: &Keys) -> Table {
    let Keys { passphrases, written: _ } = keys;
    Table::default().key("passphrases", texts(passphrases))
}
