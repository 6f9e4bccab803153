//! `Config` → `Snapshot`, all or nothing. Must not know: sockets, signals, why a snapshot is built.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::pool::Pool;
use crate::backend::pool::outgoing::Outgoing;
use crate::background::Heavy;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::validate::backend::Backend;
use crate::config::validate::listener::Listener as Settings;
use crate::config::validate::runtime::Runtime;
use crate::limit::admission::Admission;
use crate::limit::prefixes::Prefixes;
use crate::route::ways::Generation;
use crate::snapshot::reading::Reading;
use crate::snapshot::{
    Built, Listener, Snapshot, admin, admitting, authority_files, backend_tls, health, passphrases, ways,
};
use crate::tls::certificate::store::Trust;
use crate::tls::record::Layer;
use crate::warning::Warning;

impl Snapshot {
    /// Loads every certificate and builds every index. Takes over from `before` what is the same: certificates that did not
    /// change, and the counts of listeners and servers. `before` stays usable, also where this fails.
    pub fn build(config: &Config, before: &Self, trust: Trust, now: Timestamp) -> Result<Built, Vec<ConfigError>> {
        let before_of_lists = (&before.store, &before.lists);
        let mut reading = Reading::new(before_of_lists, trust, now, &config.keys.passphrases, Arc::clone(&before.seen));
        let layer = config.runtime.record_layer;
        // Listeners refer to pools by index, so all pools are built before them.
        let backends = config.backends.iter();
        let pools: Vec<_> = backends.map(|backend| Arc::new(pool(backend, layer, before, &mut reading))).collect();
        config.admin.token_file.iter().for_each(|file| reading.token(file));
        authority_files::look(config, &mut reading);
        passphrases::look(config, &mut reading);
        let (mut listeners, mut places, generation) = (HashMap::new(), HashMap::new(), Generation::default());
        for settings in &config.listeners {
            if let Some(listener) = listener(settings, (before, &generation), &pools, &config.runtime, &mut reading) {
                let listener = Arc::new(listener);
                let fixed = settings.listen.iter().filter(|endpoint| !endpoint.value.is_any_port());
                places.extend(fixed.map(|endpoint| (endpoint.value.clone(), Arc::clone(&listener))));
                listeners.insert(Arc::clone(&settings.name), listener);
            }
        }
        let admin = admin::terminator(&config.admin, before.admin.as_ref(), layer, &mut reading);
        let Reading {
            loading,
            lists,
            mut warnings,
            failures,
            unusable,
            mut unproved,
            list_files,
            seen,
            pending,
            errors,
            ..
        } = reading;
        // Only here, so that the errors of all parts are reported together.
        if !errors.is_empty() {
            return Err(errors);
        }
        warnings.splice(..0, config.warnings.iter().map(|warning| Warning::new(warning.clone())));
        let by_name = pools.iter().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect();
        let snapshot = Self {
            listeners,
            places,
            pools,
            by_name,
            admin,
            store: loading.finish(),
            generation,
            lists,
            challenges: Arc::clone(&before.challenges),
            list_files: list_files.into_iter().collect(),
            seen,
        };
        // Many routes are judged by the same lists.
        unproved.sort_by_key(ToString::to_string);
        unproved.dedup();
        Ok(Built { snapshot, warnings, failures, unusable, unproved, pending })
    }
}

/// A listener, for the snapshot of that generation, which is built after `before`. `None` where one of its ways cannot be built, which
/// adds an error.
fn listener(
    settings: &Settings,
    (before, generation): (&Snapshot, &Generation),
    pools: &[Arc<Pool>],
    runtime: &Runtime,
    reading: &mut Reading<'_>,
) -> Option<Listener> {
    let failures = reading.failures.len();
    let same = before.listeners.get(&settings.name).map(Arc::as_ref);
    // First, so that what is wrong with lists is reported also where a way cannot be built.
    let (allowed, deny_ja4) = admitting::lists(&settings.limits, reading);
    let ways = ways::build(settings, same, pools, (runtime.record_layer, generation), reading)?;
    let counts = settings.limits.counts.clone();
    Some(Listener {
        name: Arc::clone(&settings.name),
        labels: settings.labels.clone(),
        ways: Heavy::new(ways),
        handling: settings.handling,
        grace: runtime.shutdown_timeout,
        load_failures: reading.failures.len() - failures,
        admission: Admission::new(allowed, counts, same.map(|same| &same.admission)),
        deny_ja4,
        trusted_proxies: settings.trusted_proxies.as_ref().map(|trusted| Prefixes::new(trusted, &[])),
        challenges: Arc::clone(&before.challenges),
    })
}

fn pool(backend: &Backend, layer: Layer, before: &Snapshot, reading: &mut Reading<'_>) -> Pool {
    let before = before.pool(&backend.settings.name);
    let tls = backend_tls::tls(backend, layer, before.and_then(|pool| pool.tls.as_ref()), reading);
    let version = backend.settings.proxy_protocol;
    let starttls = backend.tls.as_ref().and_then(|tls| tls.starttls);
    let source = backend.settings.source.and_then(Outgoing::fixed);
    let terms = health::Terms { version, starttls, source, layer };
    let check = backend.health.as_ref().and_then(|health| health::check(health, terms, reading));
    Pool::new(backend.settings.clone(), check, before.map(Arc::as_ref)).over(tls)
}
