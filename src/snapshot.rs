//! `Config` → `Snapshot`, all or nothing; holds the one `ArcSwap` in which control plane and data plane meet.
//! Must not know: sockets, signals, who asked for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::backend::pool::Pool;
use crate::config::located::ConfigError;
use crate::config::validate::{self, Config};
use crate::limit::admission::{Admission, Limits};
use crate::limit::prefixes::Prefixes;
use crate::starttls;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::source::{Store, Trust};
use crate::tls::handshake::connect::Connector;
use crate::warning::Warning;

mod authorities;
mod certificates;
mod remarks;
mod ways;

use crate::route::ways::Ways;
use certificates::Certificates;

mod backend_tls;
mod health;

/// Everything a connection needs to know, fixed at one moment. A connection takes it once and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    listeners: HashMap<Arc<str>, Arc<Listener>>,
    /// In the order of the configuration.
    pools: Vec<Arc<Pool>>,
    /// The same by name.
    by_name: HashMap<Arc<str>, Arc<Pool>>,
    store: Store,
}

/// A listener's part of a snapshot.
#[derive(Debug)]
pub struct Listener {
    pub name: Arc<str>,
    pub ways: Ways,
    /// What clients say before TLS, if they say anything.
    pub starttls: Option<starttls::Protocol>,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
    /// The same once one side has ended its data.
    pub half_close_timeout: Duration,
    /// Certificates of its folders that could not be loaded.
    pub load_failures: usize,
    pub admission: Admission,
    /// Where a PROXY header is required: the addresses from which one is believed.
    pub trusted_proxies: Option<Prefixes>,
}

/// A snapshot that was built, and what is not wrong but should be known.
#[derive(Debug)]
pub struct Built {
    pub snapshot: Snapshot,
    pub warnings: Vec<Warning>,
    /// Certificates of folders that could not be loaded: skipped, or kept at their last good version.
    pub failures: Vec<Warning>,
    /// Certificates of folders that their listener's policy can never serve. Who writes a configuration must hear of it;
    /// what runs goes on, since a file that appears in a folder must not keep others from being renewed.
    pub unusable: Vec<ConfigError>,
}

/// The snapshot that new connections get.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

impl Default for Snapshot {
    /// Nothing: what a first snapshot is built on.
    fn default() -> Self {
        Self { listeners: HashMap::new(), pools: Vec::new(), by_name: HashMap::new(), store: Store::default() }
    }
}

impl Snapshot {
    /// Loads every certificate and builds every index, taking over from `before` what is the same: certificates that did
    /// not change, and the counts of listeners and servers. `before` stays usable whatever comes of it.
    pub fn build(config: &Config, before: &Self, trust: Trust, now: Timestamp) -> Result<Built, Vec<ConfigError>> {
        let mut certificates = Certificates::loading(before, trust, now);
        let pools: Vec<Arc<Pool>> = config
            .backends
            .iter()
            .map(|backend| {
                let connector = backend_tls::connector(backend, config.runtime.record_layer, &mut certificates);
                Arc::new(pool(backend, connector, before, &mut certificates))
            })
            .collect();
        config.admin.token_file.iter().for_each(|file| certificates.token(file));
        let mut listeners = HashMap::new();
        for settings in &config.listeners {
            let failures = certificates.failures.len();
            let same = before.listeners.get(&settings.name).map(Arc::as_ref);
            if let Some(ways) = ways::build(settings, same, &pools, config.runtime.record_layer, &mut certificates) {
                let listener = Listener {
                    name: Arc::clone(&settings.name),
                    ways,
                    starttls: settings.starttls,
                    handshake_timeout: settings.handshake_timeout,
                    idle_timeout: settings.idle_timeout,
                    half_close_timeout: settings.half_close_timeout,
                    load_failures: certificates.failures.len() - failures,
                    admission: Admission::new(limits(&settings.limits), same.map(|same| &same.admission)),
                    trusted_proxies: settings.trusted_proxies.as_ref().map(|trusted| Prefixes::new(trusted, &[])),
                };
                listeners.insert(Arc::clone(&settings.name), Arc::new(listener));
            }
        }
        let Certificates { loading, mut warnings, failures, unusable, errors, .. } = certificates;
        warnings.splice(..0, config.warnings.iter().map(|warning| Warning::new(warning.clone())));
        match errors.is_empty() {
            true => {
                let by_name = pools.iter().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect();
                let snapshot = Self { listeners, pools, by_name, store: loading.finish() };
                Ok(Built { snapshot, warnings, failures, unusable })
            }
            false => Err(errors),
        }
    }

    /// The files of the private keys, by their certificates.
    pub fn key_files(&self) -> HashMap<*const Certificate, &Path> {
        self.store.key_files()
    }

    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.by_name.get(name)
    }

    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.values()
    }
}

impl Current {
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Publishes: connections accepted from now on get this one.
    pub fn store(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}

fn pool(
    backend: &validate::backend::Backend,
    connector: Option<Arc<Connector>>,
    before: &Snapshot,
    certificates: &mut Certificates<'_>,
) -> Pool {
    let before = before.pool(&backend.settings.name);
    let version = backend.settings.proxy_protocol;
    let check = backend.health.as_ref().and_then(|health| health::check(health, version, certificates));
    Pool::new(backend.settings.clone(), check, before.map(Arc::as_ref)).over(connector)
}

fn limits(written: &validate::limits::Limits) -> Limits {
    Limits {
        prefixes: Prefixes::new(&written.allow, &written.deny),
        max_connections: written.max_connections,
        max_connections_per_client: written.max_connections_per_client,
        rate: written.connection_rate,
        rate_per_client: written.connection_rate_per_client,
        handshake_failures: written.handshake_failures,
    }
}

fn unix_time() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
