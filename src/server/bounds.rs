//! The metrics of what is bounded: how much there is of it now. Must not know: the bounds, how metrics are requested.

use prometheus::{IntGaugeVec, Opts, Registry};

use crate::snapshot::Snapshot;
use crate::tls::token;

/// Adds them.
pub(super) fn metrics(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    clients(registry, snapshot)?;
    sessions(registry, snapshot)?;
    servers(registry, snapshot)?;
    tokens(registry)
}

/// Of a listener, and of those of its routes that have limits of their own.
fn clients(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let help = "Clients that a table remembers for limits: rate, failures or blocked; those of a listener itself have no route.";
    let remembered = gauge(registry, "limits_clients_remembered", help, &["listener", "route", "table"])?;
    for listener in snapshot.listeners() {
        for (table, count) in listener.admission.clients.remembered() {
            remembered.with_label_values(&[&*listener.name, "", table]).set(number(count));
        }
        for route in listener.ways.all() {
            let Some(portion) = &route.portion else { continue };
            for (table, count) in portion.clients.remembered() {
                remembered.with_label_values(&[&*listener.name, &*route.name, table]).set(number(count));
            }
        }
    }
    Ok(())
}

/// All scopes of a listener share them.
fn sessions(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let help = "Sessions of TLS 1.2 that are kept for clients that know no tickets.";
    let kept = gauge(registry, "limits_sessions_by_id", help, &["listener"])?;
    for listener in snapshot.listeners() {
        let mut terminations = listener.ways.terminations();
        let Some(tickets) = terminations.find_map(|termination| termination.tickets.as_ref()) else { continue };
        kept.with_label_values(&[&*listener.name]).set(number(tickets.sessions().count()));
    }
    Ok(())
}

/// Of the names among a backend's servers.
fn servers(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let help = "Servers that the last good answer of the DNS has for a name; of the name with the most.";
    let found = gauge(registry, "limits_servers_found", help, &["backend"])?;
    for pool in snapshot.pools() {
        let most = pool.lookups.iter().map(|lookup| lookup.found().len()).max();
        found.with_label_values(&[&**pool.name()]).set(number(most.unwrap_or(0)));
    }
    Ok(())
}

fn tokens(registry: &Registry) -> Result<(), prometheus::Error> {
    let help =
        "Handshakes that wait for one PKCS#11 token, besides those that it signs for; of the token with the most.";
    let waiting = gauge(registry, "limits_token_waiting", help, &[])?;
    waiting.with_label_values::<&str>(&[]).set(number(token::waiting()));
    Ok(())
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
