//! `[[listener]]` → what is shown of it.

use crate::config::shown::table::{Form, Table, Tables};
use crate::config::shown::values::{backend, backends, certificates, files, labels, protocols, texts, time};
use crate::config::shown::{client_auth, limits, route};
use crate::config::validate::listener::{Handling, Listener, Tickets};
use crate::config::values::limits::ProxyHeader;
use crate::tls::tickets::Settings;

fn table(listener: &Listener) -> Table {
    let Listener {
        here: _,
        name,
        labels: own,
        listen,
        socket_mode,
        policy,
        certificates: sources,
        unknown_name,
        require_sni,
        limits: limited,
        trusted_proxies,
        handling: Handling { starttls, handshake_timeout, idle_timeout, half_close_timeout, max_age },
        tickets,
        alpn,
        client_auth: auth,
        mode,
        backends: shares,
        not_tls,
        routes,
    } = listener;
    Table::default()
        .key("name", &**name)
        .key("labels", labels(own))
        .key("listen", texts(listen.iter().map(|listen| &listen.value)))
        .key("socket_mode", socket_mode.to_string())
        .key("policy", &*policy.name)
        .key("certificates", certificates(sources))
        .key("unknown_name", unknown_name.word())
        .key("require_sni", *require_sni)
        .and(limits::table(limited))
        .and(proxies(trusted_proxies.as_deref()))
        .key("starttls", starttls.map(|protocol| protocol.word()))
        .key("handshake_timeout", time(*handshake_timeout))
        .key("idle_timeout", time(*idle_timeout))
        .key("half_close_timeout", time(*half_close_timeout))
        .key("max_connection_age", max_age.map(time))
        .and(resumption(tickets))
        .key("client_auth", client_auth::table(auth.as_ref()))
        .key("alpn", protocols(alpn))
        .key("mode", mode.word())
        .and(backends(shares))
        .key("not_tls", backend(not_tls.as_ref()))
        .key("route", route::tables(routes))
}

fn proxies(trusted: Option<&[ipnet::IpNet]>) -> Table {
    let header = if trusted.is_some() { ProxyHeader::Require } else { ProxyHeader::Off };
    Table::default().key("proxy_protocol", header.word()).key("trusted_proxies", texts(trusted.unwrap_or_default()))
}

fn resumption(tickets: &Tickets) -> Table {
    let Tickets { on, settings: Settings { lifetime, rotation }, keys, of_fleet: _ } = tickets;
    Table::default()
        .key("session_tickets", *on)
        .key("ticket_lifetime", time(*lifetime))
        .key("ticket_rotation", time(*rotation))
        .key("ticket_keys", files(keys))
}

pub(super) fn tables(listeners: &[Listener]) -> Tables {
    let all = listeners.iter().map(|listener| (listener.name.to_string(), table(listener)));
    Tables { one: "listener", form: Form::List, all: all.collect() }
}
