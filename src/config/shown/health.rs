//! `[backend.NAME.health]` → what is shown of it: the keys of every check, and those of its type.

use crate::config::shown::crl;
use crate::config::shown::table::Table;
use crate::config::shown::values::{hex, path, texts, time};
use crate::config::validate::health::{Bind, Health, Http, Tls};

pub(super) fn table(health: &Health) -> Table {
    let Health { here: _, kind, interval, timeout, rise, fall, jitter, port, tls, http, bind } = health;
    let table = Table::default()
        .key("type", kind.word())
        .key("interval", time(*interval))
        .key("timeout", time(*timeout))
        .key("rise", *rise)
        .key("fall", *fall)
        .key("jitter", time(*jitter))
        .key("port", *port);
    let parts = [tls.as_ref().map(of_tls), http.as_ref().map(of_http), bind.as_ref().map(of_bind)];
    parts.into_iter().flatten().fold(table, Table::and)
}

fn of_tls(tls: &Tls) -> Table {
    let Tls { start_tls, ca, lists, pins, server_name, verify } = tls;
    Table::default()
        .key("tls", !start_tls)
        .key("start_tls", *start_tls)
        .key("ca", ca.as_ref().map(|file| path(&file.value)))
        .and(crl::keys(lists))
        .key("pins", texts(pins.iter().map(hex)))
        .key("server_name", server_name.as_ref().map(|name| name.to_str()))
        .key("verify", *verify)
}

fn of_http(http: &Http) -> Table {
    let Http { method, path, host, status, body } = http;
    Table::default()
        .key("method", method.as_str())
        .key("path", path.as_str())
        .key("host", host.clone())
        .key("status", texts(status))
        .key("body", body.clone())
}

fn of_bind(bind: &Bind) -> Table {
    let Bind { dn, password_file } = bind;
    Table::default().key("bind_dn", dn.as_str()).key("password_file", path(&password_file.value))
}
