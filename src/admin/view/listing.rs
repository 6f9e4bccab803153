//! Listeners, certificates, policies and backends → JSON. Must not know: HTTP, how they are used.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::backend::pool::Member;
use crate::config::shown::values::{most, protocols, time};
use crate::config::validate::Config;
use crate::config::validate::reference::Share;
use crate::reload::control::Status;
use crate::route::ways::Route;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::expiry;
use crate::tls::certificate::x509::rfc3339;
use crate::tls::policy::{Policy, aws};
use crate::tls::wire::codes;

/// The listeners, in the order of the configuration.
pub(in crate::admin) fn listeners(status: &Status, snapshot: &Snapshot) -> Value {
    let pairs =
        status.config.listeners.iter().filter_map(|settings| Some((settings, snapshot.listener(&settings.name)?)));
    let shown = pairs.map(|(settings, listener)| {
        json!({
            "name": listener.name,
            "labels": settings.labels,
            "listen": settings.listen.iter().map(|listen| listen.value.to_string()).collect::<Vec<_>>(),
            "addresses": addresses(status, &settings.name),
            "policy": settings.policy.name,
            "unknown_name": settings.unknown_name.word(),
            "require_sni": settings.require_sni,
            "certificates": listener.ways.certificates().len(),
            "max_connections": listener.admission.limits.max_connections,
            "connections_active": listener.admission.active(),
            "clients_blocked": listener.admission.clients.blocked(),
            "session_tickets": settings.tickets.on,
            "mode": settings.mode.word(),
            "backend": sole(&settings.backends),
            "backends": shares(listener.ways.default()),
            "routes": settings.routes.iter().zip(listener.ways.all()).map(|(route, built)| json!({
                "name": route.name,
                "labels": route.labels,
                "server_names": route.matching.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "no_server_name": route.matching.nameless,
                "client_alpn": protocols(&route.matching.protocols),
                "mode": route.mode.word(),
                "backend": sole(&route.backends),
                "backends": shares(built),
                "max_connection_age": route.max_age.map(time),
                "limits": built.portion.as_ref().map(|portion| json!({
                    "max_connections": most(portion.limits.max_connections),
                    "connections_active": portion.active(),
                    "clients_blocked": portion.clients.blocked(),
                })),
            })).collect::<Vec<_>>(),
        })
    });
    json!({ "listeners": shown.collect::<Vec<_>>() })
}

/// The backend, where it is the only one.
fn sole(shares: &[Share]) -> Option<&str> {
    match shares {
        [only] => Some(&only.backend.name),
        _ => None,
    }
}

/// The backends that share a route's connections.
pub(in crate::admin) fn shares(route: &Route) -> Vec<Value> {
    let split = route.way.split();
    let shares = split.iter().flat_map(|split| split.shares().iter().zip(split.weights()));
    let shown = shares.map(|(share, weight)| {
        json!({ "backend": share.pool.name(), "weight": weight, "configured_weight": share.configured })
    });
    shown.collect()
}

/// Where a listener really listens: with the ports that the kernel has chosen, and of sockets that systemd has passed.
fn addresses(status: &Status, listener: &str) -> Vec<String> {
    let own = status.addresses.iter().filter(|(name, _)| **name == *listener);
    own.map(|(_, address)| address.to_string()).collect()
}

/// The certificates of each listener, in the order in which they were loaded, and then those of the admin server.
pub(in crate::admin) fn certificates(config: &Config, snapshot: &Snapshot) -> Value {
    let now = Timestamp::now().as_second();
    let shown = |found: &Certificate, listener: Option<&str>| {
        let mut shown = certificate(found, now);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("listener".into(), json!(listener));
        }
        shown
    };
    let listeners = config.listeners.iter().filter_map(|settings| snapshot.listener(&settings.name));
    let of_listeners = listeners
        .flat_map(|listener| listener.ways.certificates().into_iter().map(|found| shown(found, Some(&listener.name))));
    let own = snapshot.admin().into_iter().flat_map(|admin| admin.certificates.all());
    let all = of_listeners.chain(own.map(|found| shown(found, None)));
    json!({ "certificates": all.collect::<Vec<_>>() })
}

/// One certificate; `now` in seconds since 1970.
pub(in crate::admin) fn certificate(certificate: &Certificate, now: i64) -> Value {
    json!({
        "certificate": certificate.label,
        "names": certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "key_type": certificate.key_type.to_string(),
        "key_bits": certificate.key_bits,
        "token": certificate.token.as_ref().map(ToString::to_string),
        "serial_number": certificate.serial,
        "sha256": certificate.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "chain_length": certificate.key.cert.len(),
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "chain_not_after": rfc3339(certificate.chain_not_after),
        "ends_soon": expiry::ends_soon(certificate, now),
        "addresses": certificate.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "valid": certificate.is_valid_at(now),
    })
}

/// Every policy, and which listeners use it.
pub(in crate::admin) fn policies(config: &Config) -> Value {
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for listener in &config.listeners {
        let used: BTreeSet<&str> = listener.policies().map(|(_, policy)| &*policy.name).collect();
        used.into_iter().for_each(|policy| users.entry(policy).or_default().push(&listener.name));
    }
    let shown = aws::policies().iter().chain(&config.policies).map(|known| {
        json!({
            "name": known.name,
            "versions": known.versions.iter().map(|version| codes::version_name(*version)).collect::<Vec<_>>(),
            "ciphers": known.suites.iter().map(|suite| codes::suite_name(*suite)).collect::<Vec<_>>(),
            "cipher_order": known.cipher_order.word(),
            "groups": known.groups.iter().map(|group| codes::group_name(*group)).collect::<Vec<_>>(),
            "built_in": aws::definition(&known.name).is_some(),
            "left_out": left_out(known),
            "listeners": users.get(&*known.name).map_or(&[][..], Vec::as_slice),
        })
    });
    json!({ "policies": shown.collect::<Vec<_>>() })
}

/// What the AWS policy of that name has, and this one does not.
fn left_out(policy: &Policy) -> Vec<Value> {
    let all = aws::definition(&policy.name).map(|definition| definition.left_out()).unwrap_or_default();
    all.into_iter().flat_map(|left_out| left_out.names).map(Value::from).collect()
}

pub(in crate::admin) fn backends(config: &Config, snapshot: &Snapshot) -> Value {
    let pools = config.backends.iter().filter_map(|backend| snapshot.pool(&backend.settings.name));
    let shown = pools.map(|pool| {
        json!({
            "name": pool.name(),
            "labels": pool.settings.labels,
            "balance": pool.settings.balance.word(),
            "servers": pool.members().list.iter().map(server).collect::<Vec<_>>(),
            "sources": pool.lookups.iter().map(|lookup| json!({
                "source": lookup.source.to_string(),
                "servers": lookup.found().len(),
                "trouble": lookup.trouble(),
            })).collect::<Vec<_>>(),
        })
    });
    json!({ "backends": shown.collect::<Vec<_>>() })
}

/// One server of a backend.
pub(in crate::admin) fn server(member: &Member) -> Value {
    let server = &member.server;
    let (health, verdict) = server.judged();
    json!({
        "address": server.address.to_string(),
        "weight": member.weight,
        "backup": member.tier.backup,
        "max_connections": most(member.max_connections),
        "connections_active": server.active(),
        "state": server.state(),
        "health": health,
        // The remaining time, not its end: an `Instant` has no date.
        "passed_over_seconds": server.paused().map(|left| left.as_secs_f64()),
        "last_check": verdict.last.map(|last| json!({
            "time": last.time.to_string(),
            "result": last.result,
            "reason": last.reason,
        })),
        "certificate_not_after": verdict.validity.map(|validity| rfc3339(validity.not_after)),
    })
}
