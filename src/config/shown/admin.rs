//! `[admin]` → what is shown of it.

use crate::config::shown::table::Table;
use crate::config::shown::values::{path, texts};
use crate::config::validate::admin::Admin;

pub(super) fn table(admin: &Admin) -> Table {
    let Admin { listen, socket_mode, token_file, hosts } = admin;
    Table::default()
        .key("listen", listen.as_ref().map(|listen| listen.value.to_string()))
        .key("socket_mode", socket_mode.to_string())
        .key("token_file", token_file.as_ref().map(|file| path(&file.value)))
        .key("hosts", texts(hosts.iter().map(|host| &host.0)))
}
