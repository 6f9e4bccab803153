//! What connections need to know, fixed at one moment; holds the one `ArcSwap` in which control plane and data plane meet.
//! Must not know: how it is built, sockets, signals, who asked for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::backend::pool::Pool;
use crate::config::located::ConfigError;
use crate::config::validate::listener::Handling;
use crate::limit::admission::Admission;
use crate::limit::prefixes::Prefixes;
use crate::route::ways::Ways;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::store::Store;
use crate::warning::Warning;

mod authorities;
mod backend_tls;
mod build;
mod certificates;
mod health;
mod reach;
mod remarks;
mod served;
mod ways;

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
    /// How each of its connections is handled.
    pub handling: Handling,
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

#[cfg(test)]
mod tests;
