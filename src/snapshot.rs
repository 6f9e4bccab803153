//! `Config` → `Snapshot`, all or nothing; holds the one `ArcSwap` in which control plane and data plane meet.
//! Must not know: sockets, signals, who asked for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::backend::pool::Pool;
use crate::config::decode::{ConfigError, Located};
use crate::config::validate::{self, Config};
use crate::limit::admission::{Admission, Limits};
use crate::limit::prefixes::Prefixes;
use crate::starttls;
use crate::tls::certificate::Certificate;
use crate::tls::connect::Connector;
use crate::tls::handshake::never_served;
use crate::tls::policy::Policy;
use crate::tls::record::Layer;
use crate::tls::select;
use crate::tls::store::{self, Loading, Source, Store, Trust};

pub mod route;
mod ways;

use route::Ways;

mod backend_tls;
mod health;

/// Everything a connection needs to know, fixed at one moment. A connection takes it once and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    listeners: HashMap<Arc<str>, Arc<Listener>>,
    pools: Vec<Arc<Pool>>,
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
    pub warnings: Vec<String>,
    /// Certificates of folders that could not be loaded: skipped, or kept at their last good version.
    pub failures: Vec<String>,
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
        Self { listeners: HashMap::new(), pools: Vec::new(), store: Store::default() }
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
                let connector = certificates.connector(backend, config.runtime.record_layer);
                Arc::new(pool(backend, connector, &before.pools, &mut certificates.errors))
            })
            .collect();
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
                    load_failures: certificates.failures.len() - failures,
                    admission: Admission::new(limits(&settings.limits), same.map(|same| &same.admission)),
                    trusted_proxies: settings.trusted_proxies.as_ref().map(|trusted| Prefixes::new(trusted, &[])),
                };
                listeners.insert(Arc::clone(&settings.name), Arc::new(listener));
            }
        }
        let Certificates { loading, mut warnings, failures, unusable, errors, .. } = certificates;
        warnings.splice(..0, config.warnings.iter().cloned());
        match errors.is_empty() {
            true => {
                let snapshot = Self { listeners, pools, store: loading.finish() };
                Ok(Built { snapshot, warnings, failures, unusable })
            }
            false => Err(errors),
        }
    }

    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| **pool.name() == *name)
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
    before: &[Arc<Pool>],
    errors: &mut Vec<ConfigError>,
) -> Pool {
    let before = before.iter().find(|pool| *pool.name() == backend.settings.name);
    let check =
        backend.health.as_ref().and_then(|health| health::check(health, backend.settings.proxy_protocol, errors));
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

/// Loads the certificates of one listener after the other, and remembers what was wrong.
struct Certificates<'b> {
    loading: Loading<'b>,
    now: Timestamp,
    warnings: Vec<String>,
    failures: Vec<String>,
    unusable: Vec<ConfigError>,
    errors: Vec<ConfigError>,
}

impl<'b> Certificates<'b> {
    fn loading(before: &'b Snapshot, trust: Trust, now: Timestamp) -> Self {
        let loading = before.store.loading(trust, now.into());
        Self { loading, now, warnings: Vec::new(), failures: Vec::new(), unusable: Vec::new(), errors: Vec::new() }
    }

    /// What connects to the backend's servers, where they speak TLS.
    fn connector(&mut self, backend: &validate::backend::Backend, layer: Layer) -> Option<Arc<Connector>> {
        let tls = backend.tls.as_ref()?;
        let prepared = backend_tls::prepare(tls, layer, &mut self.loading, &mut self.errors)?;
        let validity = prepared.certificate.iter().filter_map(|certificate| validity_warning(certificate, self.now));
        let at = |text: String| format!("backend {:?}: {text}", backend.settings.name);
        self.warnings.extend(prepared.warnings.into_iter().chain(validity).map(at));
        Some(prepared.connector)
    }

    /// Those of a listener or a route, which stands `here`.
    fn of(&mut self, here: &Located<()>, policy: &Policy, sources: &[Located<Source>]) -> select::Certificates {
        let at = |text: String| format!("{}: {text}", here.path);
        let (mut entries, mut skipped, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        let before = self.errors.len();
        for source in sources {
            match self.loading.load(&source.value) {
                Ok(loaded) => {
                    self.warnings.extend(loaded.warnings.into_iter().map(at));
                    skipped.extend(loaded.failures.iter().cloned());
                    self.failures.extend(loaded.failures.into_iter().map(at));
                    for certificate in loaded.entries.iter().map(|entry| &entry.certificate) {
                        let Some(said) = never_served(certificate, policy) else { continue };
                        let in_a_folder =
                            matches!(&source.value, Source::Path(path) if path != Path::new(&*certificate.label));
                        let list = if in_a_folder { &mut unusable } else { &mut self.errors };
                        list.push(source.error(said));
                    }
                    entries.extend(loaded.entries);
                }
                Err(error) => self.errors.push(source.error(error.to_string())),
            }
        }
        if entries.is_empty() && self.errors.len() == before {
            let mut message = "certificates: none that can be used was found (expected x.crt or x.pem with x.key, combined PEM files, or folders with tls.crt and tls.key)".to_owned();
            // Without them nobody would know why.
            message.extend(skipped.iter().map(|reason| format!("; {reason}")));
            self.errors.push(here.error(message));
        }
        let index = select::Certificates::new(store::merge(entries));
        // With none that can be served, the listener could do nothing but refuse.
        let none_left = index.all().iter().all(|certificate| never_served(certificate, policy).is_some());
        if none_left { &mut self.errors } else { &mut self.unusable }.extend(unusable);
        let validity = index.all().iter().filter_map(|certificate| validity_warning(certificate, self.now));
        self.warnings.extend(validity.map(at));
        let overlaps = index.overlaps();
        if !overlaps.is_empty() {
            let names = overlaps.join(", ");
            self.warnings.push(at(format!(
                "several certificates of one key type bear the same name, and the preferred one is served: {names}"
            )));
        }
        index
    }
}

impl Certificates<'_> {
    /// A route that could do nothing but refuse, under a policy of its own, is a mistake.
    fn unserved(&mut self, here: &Located<()>, policy: &Policy, index: &select::Certificates) {
        let mut said = index.all().iter().map(|certificate| never_served(certificate, policy));
        if let (Some(Some(said)), true) = (said.next(), said.all(|said| said.is_some())) {
            self.errors.push(here.error(format!("certificates: {said}")));
        }
    }
}

fn validity_warning(certificate: &Certificate, now: Timestamp) -> Option<String> {
    let day = |seconds| Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string());
    let seconds = now.as_second();
    if certificate.not_after < seconds {
        Some(format!("{}: expired at {}", certificate.label, day(certificate.not_after)))
    } else if certificate.not_before > seconds {
        Some(format!("{}: is not valid before {}", certificate.label, day(certificate.not_before)))
    } else if certificate.not_after - seconds < EXPIRES_SOON {
        Some(format!("{}: expires soon, at {}", certificate.label, day(certificate.not_after)))
    } else {
        None
    }
}

/// Two weeks, in seconds: automatic renewal has failed by then.
const EXPIRES_SOON: i64 = 14 * 24 * 3600;
