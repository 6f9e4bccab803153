//! `[log]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::shown::values::path;
use crate::config::validate::log::Log;
use crate::observe::access::target::Target;

pub(super) fn table(log: &Log) -> Table {
    let Log { level, access, access_format } = log;
    Table::default()
        .key("level", level.word())
        .key("access", target(&access.value))
        .key("access_format", access_format.word())
}

fn target(target: &Target) -> String {
    match target {
        Target::Stdout => "stdout".into(),
        Target::Stderr => "stderr".into(),
        Target::Off => "off".into(),
        Target::File(file) => path(file),
    }
}
