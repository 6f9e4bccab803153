//! `Config` → `Snapshot`, all or nothing; holds the one `ArcSwap` in which control plane and data plane meet.
//! Must not know: sockets, signals, who asked for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::backend::pool::Pool;
use crate::config::decode::ConfigError;
use crate::config::validate::{self, Config};
use crate::tls::certificate::Certificate;
use crate::tls::handshake::Terminator;
use crate::tls::select::Certificates;
use crate::tls::store;

/// Everything a connection needs to know, fixed at one moment. A connection takes it once and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    listeners: HashMap<Arc<str>, Arc<Listener>>,
}

/// A listener's part of a snapshot.
#[derive(Debug)]
pub struct Listener {
    pub name: Arc<str>,
    pub terminator: Terminator,
    pub max_connections: usize,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
    pub backend: Arc<Pool>,
    active: Arc<AtomicUsize>,
}

/// A snapshot that was built, and what is not wrong but should be known.
#[derive(Debug)]
pub struct Built {
    pub snapshot: Snapshot,
    pub warnings: Vec<String>,
}

/// The snapshot that new connections get.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

/// One of a listener's `max_connections`, given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl Snapshot {
    /// Loads every certificate and builds every index. `now` is for warnings about validity.
    pub fn build(config: &Config, now: Timestamp) -> Result<Built, Vec<ConfigError>> {
        let pools: Vec<Arc<Pool>> = config.backends.iter().map(|backend| Arc::new(pool(backend))).collect();
        let (mut listeners, mut warnings, mut errors) = (HashMap::new(), Vec::new(), Vec::new());
        for settings in &config.listeners {
            let certificates = certificates(settings, now, &mut warnings, &mut errors);
            let terminator =
                Terminator::new(*settings.policy, certificates, settings.unknown_name, settings.require_sni);
            match terminator {
                Ok(terminator) => {
                    let listener = Listener {
                        name: Arc::clone(&settings.name),
                        terminator,
                        max_connections: settings.max_connections,
                        handshake_timeout: settings.handshake_timeout,
                        idle_timeout: settings.idle_timeout,
                        backend: Arc::clone(&pools[settings.backend]),
                        active: Arc::default(),
                    };
                    listeners.insert(Arc::clone(&settings.name), Arc::new(listener));
                }
                Err(error) => errors.push(settings.here.error(format!("policy: {error}"))),
            }
        }
        match errors.is_empty() {
            true => Ok(Built { snapshot: Self { listeners }, warnings }),
            false => Err(errors),
        }
    }

    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.values()
    }
}

impl Listener {
    /// Room for one more connection, if there is any.
    pub fn permit(&self) -> Option<Permit> {
        let permit = Permit(Arc::clone(&self.active));
        let before = self.active.fetch_add(1, Ordering::Relaxed);
        (before < self.max_connections).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Current {
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}

fn pool(backend: &validate::Backend) -> Pool {
    Pool::new(
        Arc::clone(&backend.name),
        &backend.servers,
        backend.balance,
        backend.connect_timeout,
        backend.connect_attempts,
    )
}

fn certificates(
    listener: &validate::Listener,
    now: Timestamp,
    warnings: &mut Vec<String>,
    errors: &mut Vec<ConfigError>,
) -> Certificates {
    let at = |text: String| format!("listener {:?}: {text}", listener.name);
    let (mut entries, mut skipped) = (Vec::new(), Vec::new());
    let before = errors.len();
    for source in &listener.certificates {
        match store::load(&source.value) {
            Ok(loaded) => {
                skipped.extend(loaded.warnings.iter().filter(|warning| warning.starts_with("skipped: ")).cloned());
                warnings.extend(loaded.warnings.into_iter().map(at));
                entries.extend(loaded.entries);
            }
            Err(error) => errors.push(source.error(error.to_string())),
        }
    }
    if entries.is_empty() && errors.len() == before {
        let mut message = "certificates: none that can be used was found (expected x.crt or x.pem with x.key, combined PEM files, or folders with tls.crt and tls.key)".to_owned();
        // Without them nobody would know why.
        message.extend(skipped.iter().map(|reason| format!("; {reason}")));
        errors.push(listener.here.error(message));
    }
    let index = Certificates::new(store::merge(entries));
    warnings.extend(index.all().iter().filter_map(|certificate| validity_warning(certificate, now)).map(at));
    let overlaps = index.overlaps();
    if !overlaps.is_empty() {
        let names = overlaps.join(", ");
        warnings.push(at(format!(
            "several certificates of one key type bear the same name, and the preferred one is served: {names}"
        )));
    }
    index
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
