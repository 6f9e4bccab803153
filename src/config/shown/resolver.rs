//! `[resolver]` → what is shown of it.

use crate::backend::discover::settings::Settings;
use crate::config::shown::table::Table;
use crate::config::shown::values::{texts, time};

pub(super) fn table(resolver: &Settings) -> Table {
    let Settings { name_servers, timeout, min_ttl, max_ttl } = resolver;
    Table::default()
        .key("nameservers", texts(name_servers))
        .key("timeout", time(*timeout))
        .key("min_ttl", time(*min_ttl))
        .key("max_ttl", time(*max_ttl))
}
