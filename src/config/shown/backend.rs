//! `[backend.NAME]` → what is shown of it.

use crate::backend::condition::Pauses;
use crate::backend::pool::{Entry, Settings};
use crate::config::shown::table::{Form, Table, Tables};
use crate::config::shown::values::{labels, most, time};
use crate::config::shown::{backend_tls, health};
use crate::config::validate::backend::Backend;

pub(super) fn tables(backends: &[Backend]) -> Tables {
    let all = backends.iter().map(|backend| (backend.settings.name.to_string(), table(backend)));
    Tables { one: "backend", form: Form::Named, all: all.collect() }
}

fn table(backend: &Backend) -> Table {
    let Backend { settings, source: _, health, tls } = backend;
    let Settings {
        name: _,
        labels: own,
        servers: entries,
        balance,
        connect_timeout,
        connect_attempts,
        pauses: Pauses { first, longest },
        slow_start,
        when_all_down,
        on_down,
        proxy_protocol,
        source,
    } = settings;
    Table::default()
        .key("labels", labels(own))
        .key("servers", servers(entries))
        .key("balance", balance.word())
        .key("connect_timeout", time(*connect_timeout))
        .key("connect_attempts", *connect_attempts)
        .key("proxy_protocol", proxy_protocol.word())
        .key("source", source.map(|source| source.to_string()))
        .key("fail_timeout", time(*first))
        .key("max_fail_timeout", time(*longest))
        .key("slow_start", slow_start.map(time))
        .key("when_all_down", when_all_down.word())
        .key("on_down", on_down.word())
        .table("health", health.as_ref().map(health::table))
        .table("tls", tls.as_ref().map(backend_tls::table))
}

/// Servers in their order, which the balance method `first` depends on.
fn servers(entries: &[Entry]) -> Tables {
    let all = entries.iter().map(|entry| {
        let Entry { place, weight, backup, max_connections } = entry;
        let table = Table::default()
            .key("address", place.to_string())
            .key("weight", *weight)
            .key("backup", *backup)
            .key("max_connections", most(*max_connections));
        (place.to_string(), table)
    });
    Tables { one: "server", form: Form::Ordered, all: all.collect() }
}
