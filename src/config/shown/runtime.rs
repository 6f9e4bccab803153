//! `[runtime]` → what is shown of it.

use crate::config::shown::table::{Shown, Table};
use crate::config::shown::values::time;
use crate::config::validate::runtime::Runtime;
use crate::config::values::Workers;

pub(super) fn table(runtime: &Runtime) -> Table {
    let Runtime { workers, record_layer, shutdown_timeout } = runtime;
    let workers: Shown = match workers {
        Workers::Auto => "auto".into(),
        Workers::Count(count) => (*count).into(),
    };
    Table::default()
        .key("workers", workers)
        .key("record_layer", record_layer.word())
        .key("shutdown_timeout", time(*shutdown_timeout))
}
