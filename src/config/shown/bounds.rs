//! `[limits]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::validate::bounds::Bounds;
use crate::config::values::bounds::shown;

pub(super) fn table(bounds: &Bounds) -> Table {
    let Bounds { memory } = bounds;
    Table::default().key("memory", shown(*memory))
}
