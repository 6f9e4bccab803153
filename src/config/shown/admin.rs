//! `[admin]` → what is shown of it.

use crate::config::shown::client_auth;
use crate::config::shown::table::Table;
use crate::config::shown::values::{certificates, path, texts};
use crate::config::validate::admin::{Admin, Tls};

pub(super) fn table(admin: &Admin) -> Table {
    let Admin { listen, probes, socket_mode, token_file, hosts, tls } = admin;
    Table::default()
        .key("listen", listen.as_ref().map(|listen| listen.value.to_string()))
        .key("probes", probes.as_ref().map(|probes| probes.value.to_string()))
        .key("socket_mode", socket_mode.to_string())
        .key("token_file", token_file.as_ref().map(|file| path(&file.value)))
        .key("hosts", texts(hosts.iter().map(|host| &host.0)))
        .table("tls", tls.as_ref().map(tls_table))
}

fn tls_table(tls: &Tls) -> Table {
    let Tls { here: _, certificates: sources, policy, client_auth: auth } = tls;
    Table::default()
        .key("certificates", certificates(sources))
        .key("policy", &*policy.name)
        .key("client_auth", client_auth::table(auth.as_ref()))
}
