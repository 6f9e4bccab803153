//! What connections need to know, fixed at one moment; holds the one `ArcSwap` in which control plane and data plane meet.
//! Must not know: how it is built, sockets, signals, why a snapshot is built.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

use crate::backend::pool::Pool;
use crate::background::Heavy;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::listener::Handling;
use crate::labels::Labels;
use crate::limit::admission::Admission;
use crate::limit::fingerprints::Fingerprints;
use crate::limit::prefixes::Prefixes;
use crate::net::endpoint::Endpoint;
use crate::route::ways::{Generation, Ways};
use crate::snapshot::lists::{Changed, Lists};
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::store::Store;
use crate::tls::handshake::Terminator;
use crate::tls::handshake::challenge::Challenges;
use crate::tls::trust::lists::seen::Seen;
use crate::tls::wire::hello::Hello;
use crate::warning::Warning;

mod admin;
mod admitting;
mod authorities;
pub mod authority_files;
mod backend_lists;
mod backend_tls;
mod build;
mod health;
mod indexes;
mod judges;
pub mod lists;
mod passphrases;
mod reach;
mod reading;
mod remarks;
mod revocation_lists;
mod served;
mod ways;

/// Everything a connection needs to know, fixed at one moment. A connection takes it once and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    listeners: HashMap<Arc<str>, Arc<Listener>>,
    /// The listeners by where they listen, but for ports that the kernel chooses.
    places: HashMap<Endpoint, Arc<Listener>>,
    /// In the order of the configuration.
    pools: Vec<Arc<Pool>>,
    /// The pools by name.
    by_name: HashMap<Arc<str>, Arc<Pool>>,
    /// What the admin server terminates TLS with.
    admin: Option<Arc<Terminator>>,
    store: Store,
    generation: Generation,
    lists: Lists,
    /// One for the whole process: each snapshot takes them over from the one before.
    challenges: Arc<Challenges>,
    /// The distribution points in the certificates of peers. One for the whole process, too.
    seen: Arc<Seen>,
    list_files: Vec<ListFile>,
}

/// A list of revoked certificates in a file. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListFile {
    pub path: PathBuf,
    pub issuer: String,
    pub this_update: i64,
    pub next_update: i64,
}

/// A listener's part of a snapshot.
#[derive(Debug)]
pub struct Listener {
    pub name: Arc<str>,
    /// What its connections have until their routes are known.
    pub labels: Labels,
    /// A connection keeps its listener to its end, and may be the last one that has it.
    pub ways: Heavy<Ways>,
    /// How each of its connections is handled.
    pub handling: Handling,
    /// How long a connection may take to end once it is asked to: `shutdown_timeout`.
    pub grace: Duration,
    /// Certificates of its folders that could not be loaded.
    pub load_failures: usize,
    pub admission: Admission,
    /// The clients that are refused by the JA4 of their ClientHello.
    pub deny_ja4: Fingerprints,
    /// The addresses whose PROXY header is trusted, and then required; `None` where no header is read.
    pub trusted_proxies: Option<Prefixes>,
    challenges: Arc<Challenges>,
}

/// A snapshot that was built, and the warnings about it.
#[derive(Debug)]
pub struct Built {
    pub snapshot: Snapshot,
    pub warnings: Vec<Warning>,
    /// Certificates of folders that could not be loaded: skipped, or kept at their last good version; each with the place of
    /// its folder.
    pub failures: Vec<Located<Failure>>,
    /// Certificates of folders that their listener's policy can never serve. `tlsgate check` reports them as errors; a
    /// reload goes on, since a file that appears in a folder must not keep other certificates from being renewed.
    pub unusable: Vec<ConfigError>,
    /// Lists of revoked certificates that were fetched and cannot be used, such as those that none of the CAs has signed.
    /// `tlsgate check` reports them as errors; a reload goes on without them, since what a server on the network sends must
    /// not stop it.
    pub unproved: Vec<ConfigError>,
    /// Certificates that are ordered from an authority, and lists that are fetched, and not there yet.
    pub pending: Vec<Warning>,
}

/// A certificate that could not be loaded.
#[derive(Debug)]
pub struct Failure {
    pub warning: Warning,
    /// Whether tlsgate has ordered it, and orders another one in its place.
    pub is_ordered: bool,
}

impl Built {
    /// The failures as errors, for who must find them in the file: a warning has no line, since what is reported already must
    /// not be new where lines have moved.
    pub fn failed(&self) -> Vec<ConfigError> {
        self.failures.iter().map(Located::as_error).collect()
    }

    /// Those for which another configuration, or other files, would be needed.
    pub fn failed_for_good(&self) -> Vec<ConfigError> {
        self.failures.iter().filter(|failure| !failure.value.is_ordered).map(Located::as_error).collect()
    }
}

impl Located<Failure> {
    fn as_error(&self) -> ConfigError {
        self.error(self.value.warning.clone().placeless().to_string())
    }
}

/// The snapshot that new connections get.
#[derive(Debug)]
pub struct Current(ArcSwap<Heavy<Snapshot>>);

impl Default for Snapshot {
    /// An empty snapshot, which the first one is built from.
    fn default() -> Self {
        Self {
            listeners: HashMap::new(),
            places: HashMap::new(),
            pools: Vec::new(),
            by_name: HashMap::new(),
            admin: None,
            store: Store::default(),
            generation: Generation::default(),
            lists: Lists::default(),
            challenges: Arc::default(),
            seen: Arc::default(),
            list_files: Vec::new(),
        }
    }
}

impl Snapshot {
    /// The files of the private keys, by their certificates.
    pub fn key_files(&self) -> HashMap<*const Certificate, &Path> {
        self.store.key_files()
    }

    /// A larger number than that of each snapshot that was in force before it; 0 until it is in force.
    pub fn generation(&self) -> u64 {
        self.generation.number()
    }

    /// The listener with that name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    /// The listener at that place; `None` also for a port that the kernel chooses, since several have the same text.
    pub fn listener_at(&self, endpoint: &Endpoint) -> Option<&Arc<Listener>> {
        self.places.get(endpoint)
    }

    /// All backends' servers, in the order of the configuration.
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// The servers of the backend with that name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.by_name.get(name)
    }

    /// All listeners, in no order.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.values()
    }

    /// What the admin server terminates TLS with, if it does: where its section was removed, as it was before.
    pub fn admin(&self) -> Option<&Arc<Terminator>> {
        self.admin.as_ref()
    }

    /// Every certificate that is served, those of the admin server last. One that several listeners serve is there several
    /// times.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        let of_listeners = self.listeners().flat_map(|listener| listener.ways.certificates());
        of_listeners.chain(self.admin.iter().flat_map(|admin| admin.certificates.all()))
    }

    /// The files of lists that hold something else than in the snapshot before.
    pub fn changed_lists<'s>(&'s self, before: &'s Self) -> BTreeSet<Changed<'s>> {
        self.lists.changed(&before.lists)
    }

    /// The lists of revoked certificates that are used and are in files.
    pub fn list_files(&self) -> &[ListFile] {
        &self.list_files
    }

    /// The distribution points of lists of revoked certificates that peers have shown.
    pub fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }

    /// The challenges of certificate authorities that every listener answers.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }
}

impl Snapshot {
    /// It comes into force, however long ago it was built.
    fn begins(&self, number: u64) {
        self.pools.iter().for_each(Pool::comes_into_force);
        self.generation.begin(number);
    }
}

impl Listener {
    /// The certificate that answers this hello, if it is a certificate authority's challenge and one is pending. Asked before
    /// any route, so that no setting of the listener keeps an authority out.
    pub fn challenge(&self, hello: &Hello) -> Option<Arc<CertifiedKey>> {
        // An authority begins with TLS, so what comes after StartTLS is somebody else.
        if self.handling.starttls.is_some() { None } else { self.challenges.answer(hello) }
    }
}

impl Current {
    /// Holds the first snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        snapshot.begins(1);
        Self(ArcSwap::from_pointee(Heavy::new(snapshot)))
    }

    /// The snapshot in force, which the caller keeps however long it needs it.
    pub fn load(&self) -> Arc<Heavy<Snapshot>> {
        // Not a guard: connections keep a snapshot for hours, and arc-swap has few places for guards.
        self.0.load_full()
    }

    /// Publishes: connections accepted from now on get this one. To be called by one thread at a time.
    pub fn store(&self, snapshot: Snapshot) {
        snapshot.begins(self.load().generation() + 1);
        self.0.store(Arc::new(Heavy::new(snapshot)));
    }
}

#[cfg(test)]
mod tests;
