//! `[process]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::shown::values::files;
use crate::config::validate::process::Process;

pub(super) fn table(process: &Process) -> Table {
    let Process { user, group, sandbox, sandbox_paths } = process;
    Table::default()
        .key("user", user.as_ref().map(|user| user.value.clone()))
        .key("group", group.as_ref().map(|group| group.value.clone()))
        .key("sandbox", sandbox.value.word())
        .key("sandbox_paths", files(sandbox_paths))
}
