//! The configuration in force → what is shown of it, with the words in which it is written. Must not know: HTTP.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::backend::balance::Algorithm;
use crate::backend::pool::{OnDown, WhenAllDown};
use crate::config::located::Located;
use crate::config::validate::Config;
use crate::config::validate::backend::Backend;
use crate::config::validate::backend_tls::Tls;
use crate::config::validate::client_auth::{ClientAuth, shown_pin};
use crate::config::validate::health::Health;
use crate::config::validate::listener::Listener;
use crate::config::validate::reference::BackendRef;
use crate::config::validate::route::Route;
use crate::config::values::Workers;
use crate::config::values::limits;
use crate::limit::rate::Rate;
use crate::net::proxy_protocol::write::Version;
use crate::observe::access::format::Format;
use crate::observe::access::target::Target;
use crate::observe::log::Level;
use crate::route::index::{Mode, shown};
use crate::starttls;
use crate::tls::certificate::select::UnknownName;
use crate::tls::handshake::connect::Alpn;
use crate::tls::policy::{CipherOrder, Policy};
use crate::tls::record::Layer;
use crate::tls::trust::clients::settings::{Demand, ExpiredCrl};
use crate::tls::wire::codes;

/// The configuration in force, with every default. Paths of secrets are shown, secrets are not in it.
pub(super) fn config(config: &Config) -> Value {
    let admin = &config.admin;
    json!({
        "admin": {
            "listen": admin.listen.as_ref().map(|listen| listen.value.to_string()),
            "socket_mode": admin.socket_mode.to_string(),
            "token_file": admin.token_file.as_ref().map(|file| file.value.display().to_string()),
            "hosts": admin.hosts.iter().map(|host| &host.0).collect::<Vec<_>>(),
        },
        "log": {
            "level": level(config.log.level),
            "access": target(&config.log.access),
            "access_format": match config.log.access_format {
                Format::Json => "json",
                Format::Text => "text",
                Format::Nlb => "nlb",
            },
        },
        "runtime": {
            "workers": match config.runtime.workers { Workers::Auto => json!("auto"), Workers::Count(count) => json!(count) },
            "record_layer": match config.runtime.record_layer { Layer::Tlsgate => "tlsgate", Layer::Rustls => "rustls" },
            "shutdown_timeout": humantime::format_duration(config.runtime.shutdown_timeout).to_string(),
        },
        "resolver": {
            "nameservers": config.resolver.name_servers,
            "timeout": humantime::format_duration(config.resolver.timeout).to_string(),
            "min_ttl": humantime::format_duration(config.resolver.min_ttl).to_string(),
            "max_ttl": humantime::format_duration(config.resolver.max_ttl).to_string(),
        },
        "listener": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "backend": config.backends.iter().map(|one| (one.settings.name.to_string(), backend(one)))
            .collect::<serde_json::Map<_, _>>(),
        "policy": config.policies.iter().map(|own| (own.name.to_string(), policy(own))).collect::<serde_json::Map<_, _>>(),
    })
}

fn listener(listener: &Listener) -> Value {
    let (tickets, limits) = (&listener.tickets, &listener.limits);
    json!({
        "name": listener.name,
        "listen": listener.listen.iter().map(|listen| listen.value.to_string()).collect::<Vec<_>>(),
        "socket_mode": listener.socket_mode.to_string(),
        "policy": listener.policy.name,
        "certificates": listener.certificates.iter().map(|source| source.value.shown()).collect::<Vec<_>>(),
        "unknown_name": unknown_name(listener.unknown_name),
        "require_sni": listener.require_sni,
        "allow": limits.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "deny": limits.deny.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "max_connections": limits.max_connections,
        "max_connections_per_client": limits.max_connections_per_client,
        "connection_rate": limits.connection_rate.map(rate),
        "connection_rate_per_client": limits.connection_rate_per_client.map(rate),
        "handshake_failures": limits.handshake_failures.map(|failures| json!({
            "limit": failures.rate.count,
            "window": humantime::format_duration(failures.rate.per).to_string(),
            "block": humantime::format_duration(failures.block).to_string(),
        })),
        "proxy_protocol": if listener.trusted_proxies.is_some() { "require" } else { "off" },
        "trusted_proxies": listener.trusted_proxies.iter().flatten().map(ToString::to_string).collect::<Vec<_>>(),
        "starttls": listener.starttls.map(|protocol| match protocol {
            starttls::Protocol::Ldap => "ldap",
            starttls::Protocol::Postgres => "postgres",
        }),
        "handshake_timeout": humantime::format_duration(listener.handshake_timeout).to_string(),
        "idle_timeout": humantime::format_duration(listener.idle_timeout).to_string(),
        "half_close_timeout": humantime::format_duration(listener.half_close_timeout).to_string(),
        "session_tickets": tickets.on,
        "ticket_lifetime": humantime::format_duration(tickets.settings.lifetime).to_string(),
        "ticket_rotation": humantime::format_duration(tickets.settings.rotation).to_string(),
        "ticket_keys": tickets.keys.iter().map(|file| file.value.display().to_string()).collect::<Vec<_>>(),
        "client_auth": client_auth(listener.client_auth.as_ref()),
        "alpn": protocols(&listener.alpn),
        "mode": listener.mode.word(),
        "backend": backend_name(&listener.backend),
        "not_tls": backend_name(&listener.not_tls),
        "route": listener.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

fn route(route: &Route) -> Value {
    let mut shown = json!({
        "name": route.name,
        "server_names": route.matching.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "no_server_name": route.matching.nameless,
        "client_alpn": protocols(&route.matching.protocols),
        "mode": route.mode.word(),
        "backend": backend_name(&route.backend),
    });
    if let (Mode::Terminate, Some(shown)) = (route.mode, shown.as_object_mut()) {
        let certificates = route.certificates.iter().map(|source| source.value.shown()).collect();
        shown.insert("policy".into(), (&*route.policy.name).into());
        shown.insert("certificates".into(), certificates);
        shown.insert("client_auth".into(), client_auth(route.client_auth.as_ref()));
        shown.insert("alpn".into(), protocols(&route.alpn).into());
    }
    shown
}

fn backend(backend: &Backend) -> Value {
    let (health, tls) = (backend.health.as_ref().map(health), backend.tls.as_ref().map(backend_tls));
    let backend = &backend.settings;
    let time = |time| humantime::format_duration(time).to_string();
    json!({
        "servers": backend.servers.iter().map(|entry| json!({
            "address": entry.place.to_string(),
            "weight": entry.weight,
            "backup": entry.backup,
            "max_connections": most(entry.max_connections),
        })).collect::<Vec<_>>(),
        "balance": balance(backend.balance),
        "connect_timeout": time(backend.connect_timeout),
        "connect_attempts": backend.connect_attempts,
        "proxy_protocol": match backend.proxy_protocol {
            Version::Off => "off",
            Version::V1 => "v1",
            Version::V2 => "v2",
        },
        "fail_timeout": time(backend.pauses.first),
        "max_fail_timeout": time(backend.pauses.longest),
        "slow_start": backend.slow_start.map(time),
        "when_all_down": match backend.when_all_down { WhenAllDown::Fail => "fail", WhenAllDown::Any => "any" },
        "on_down": match backend.on_down { OnDown::Keep => "keep", OnDown::Close => "close" },
        "health": health,
        "tls": tls,
    })
}

fn backend_tls(tls: &Tls) -> Value {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let certificate = tls.certificate.as_ref().map(|source| source.value.shown());
    let half = |key| certificate.as_ref().and_then(|shown| shown.get(key));
    json!({
        "ca": tls.ca.as_ref().map(|file| file.value.display().to_string()),
        "pins": tls.pins.iter().map(|pin| pin.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).collect::<Vec<_>>(),
        "server_name": tls.server_name.to_str(),
        "cert": half("cert"),
        "key": half("key"),
        "policy": tls.policy.name,
        "alpn": match &tls.alpn {
            Alpn::Client => json!("client"),
            Alpn::Fixed(protocols) => json!(protocols.iter().map(text).collect::<Vec<_>>()),
        },
    })
}

fn health(health: &Health) -> Value {
    let time = |time| humantime::format_duration(time).to_string();
    let mut shown = json!({
        "type": health.kind.word(),
        "interval": time(health.interval),
        "timeout": time(health.timeout),
        "rise": health.rise,
        "fall": health.fall,
        "jitter": time(health.jitter),
        "port": health.port,
    });
    let mut add = |more: Value| {
        if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
            shown.extend(more);
        }
    };
    let hex = |pin: &[u8; 32]| pin.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if let Some(tls) = &health.tls {
        add(json!({
            "tls": !tls.start_tls,
            "start_tls": tls.start_tls,
            "ca": tls.ca.as_ref().map(|file| file.value.display().to_string()),
            "pins": tls.pins.iter().map(hex).collect::<Vec<_>>(),
            "server_name": tls.server_name.as_ref().map(|name| name.to_str()),
            "verify": tls.verify,
        }));
    }
    if let Some(http) = &health.http {
        add(json!({
            "method": http.method,
            "path": http.path,
            "host": http.host,
            "status": http.status.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "body": http.body,
        }));
    }
    if let Some(bind) = &health.bind {
        add(json!({ "bind_dn": bind.dn, "password_file": bind.password_file.value.display().to_string() }));
    }
    shown
}

fn client_auth(auth: Option<&ClientAuth>) -> Value {
    let Some(auth) = auth else { return json!({ "mode": "off" }) };
    let paths =
        |files: &[Located<PathBuf>]| files.iter().map(|file| file.value.display().to_string()).collect::<Vec<_>>();
    json!({
        "mode": match auth.settings.demand {
            Demand::Optional => "optional",
            Demand::Require => "require",
        },
        "ca": paths(&auth.ca),
        "crl": paths(&auth.crl),
        "crl_expired": match auth.settings.expired_crl {
            ExpiredCrl::Refuse => "refuse",
            ExpiredCrl::Ignore => "ignore",
        },
        "names": auth.settings.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pins": auth.settings.pins.iter().map(shown_pin).collect::<Vec<_>>(),
    })
}

pub(super) fn protocols(list: &[Box<[u8]>]) -> Vec<String> {
    list.iter().map(|protocol| shown(protocol)).collect()
}

fn backend_name(backend: &Option<BackendRef>) -> Option<&str> {
    backend.as_ref().map(|backend| &*backend.name)
}

/// A limit; `null` where there is none.
pub(super) fn most(limit: usize) -> Option<usize> {
    (limit != usize::MAX).then_some(limit)
}

fn rate(rate: Rate) -> Value {
    json!({ "rate": limits::shown(rate), "burst": rate.burst })
}

fn policy(policy: &Policy) -> Value {
    json!({
        "versions": policy.versions.iter().map(|version| codes::version_name(*version)).collect::<Vec<_>>(),
        "ciphers": policy.suites.iter().map(|suite| codes::suite_name(*suite)).collect::<Vec<_>>(),
        "groups": policy.groups.iter().map(|group| codes::group_name(*group)).collect::<Vec<_>>(),
        "cipher_order": cipher_order(policy.cipher_order),
    })
}

pub(super) fn cipher_order(order: CipherOrder) -> &'static str {
    match order {
        CipherOrder::Server => "server",
        CipherOrder::Client => "client",
    }
}

pub(super) fn unknown_name(unknown: UnknownName) -> &'static str {
    match unknown {
        UnknownName::Default => "default",
        UnknownName::Reject => "reject",
    }
}

pub(super) fn balance(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin => "round_robin",
        Algorithm::LeastConnections => "least_connections",
        Algorithm::RandomTwo => "random_two",
        Algorithm::SourceIp => "source_ip",
        Algorithm::First => "first",
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Stdout => "stdout".into(),
        Target::Stderr => "stderr".into(),
        Target::Off => "off".into(),
        Target::File(path) => path.display().to_string(),
    }
}
