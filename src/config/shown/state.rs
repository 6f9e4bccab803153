//! `[state]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::shown::values::path;
use crate::config::validate::state::State;

pub(super) fn table(state: &State) -> Table {
    let State { directory } = state;
    Table::default().key("directory", directory.as_ref().map(|directory| path(&directory.value)))
}
