//! `File` → `Config`: checks how keys depend on each other, and reports all errors together. A `Config` is valid as far as
//! that can be known without opening a file or a socket. Must not know: how the text was read.

use std::path::PathBuf;
use std::sync::Arc;

use crate::acme::settings::Settings as Acme;
use crate::backend::discover::settings::Settings as Resolver;
use crate::config::file::File;
use crate::config::located::{ConfigError, Located};
use crate::lists::settings::Settings as Crl;
use crate::tls::policy::Policy;

pub mod acme;
pub mod admin;
pub mod backend;
pub mod backend_tls;
pub mod bounds;
pub mod client_auth;
pub mod crl;
pub mod fleet;
pub mod folders;
pub mod health;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod log;
pub mod process;
pub mod reference;
pub mod revocation;
pub mod route;
pub mod runtime;
pub mod state;

mod labels;
mod paths;
mod policy;
mod programs;
mod resolver;
mod sources;
mod wording;

use acme::{Authorities, Files};
use admin::Admin;
use backend::Backend;
use bounds::Bounds;
use fleet::Fleet;
use folders::Folders;
use keys::Keys;
use listener::{Listener, Listeners};
use log::Log;
use policy::Policies;
use process::Process;
use reference::Backends;
use revocation::Home;
use runtime::Runtime;
use state::State;

/// A valid configuration. Paths are resolved, names are parsed, references exist.
#[derive(Debug, Clone)]
pub struct Config {
    pub admin: Admin,
    pub log: Log,
    pub process: Process,
    pub runtime: Runtime,
    pub bounds: Bounds,
    pub resolver: Arc<Resolver>,
    pub state: State,
    pub keys: Keys,
    /// Which authorities are used, and which certificates are ordered from them.
    pub acme: Arc<Acme>,
    /// The files of the authorities, in the order of their sections.
    pub authority_files: Vec<Files>,
    /// Which lists of revoked certificates are fetched.
    pub crl: Arc<Crl>,
    /// The file that `[crl] ca` names.
    pub crl_ca: Option<Located<PathBuf>>,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
    /// Those of `[policy.NAME]`.
    pub policies: Vec<Arc<Policy>>,
    /// What is not wrong but should be known.
    pub warnings: Vec<String>,
    /// `None` where the configuration is not that of a fleet.
    pub fleet: Option<Arc<Fleet>>,
}

/// Validates.
pub fn validate(file: File, folders: Folders<'_>) -> Result<Config, Vec<ConfigError>> {
    let folder = folders.configuration;
    let File { admin, log, process, runtime, bounds, resolver, state, keys, crl, acme, listeners, backends, policies } =
        file;
    let mut errors = Vec::new();
    // Backends refer to policies by name, and listeners to both.
    let policies = Policies::validated(policies, &mut errors);
    let of_state = state.directory.as_ref().map_or(folder, |directory| folders.of(directory.at));
    let state = state::validated(state, of_state, &mut errors);
    let home = Home { folder, state: state.directory.as_ref().map(|directory| directory.value.as_path()) };
    let (crl, crl_ca) = crl::validated(crl, folder, home.state, &mut errors);
    let backends = backends.into_iter().filter_map(|one| backend::validated(one, home, &policies, &mut errors));
    let backends: Vec<Backend> = backends.collect();
    if listeners.is_empty() {
        errors.push(no_listener());
    }
    let resolver = Arc::new(resolver::validated(resolver, &mut errors));
    let of_process = folders.of(process.sandbox.at);
    let process = process::validated(process, of_process, &mut errors);
    let keys = keys::validated(keys, folder, &mut errors);
    let authorities = Authorities::validated(acme, state.clone(), folder, &mut errors);
    let of_admin = Home { folder: folders.of(admin.socket_mode.at), ..home };
    let known = admin::Known { home: of_admin, policies: &policies, authorities: &authorities };
    let admin = admin::validated(admin, &known, &mut errors);
    let by_name = Backends::new(&backends);
    let mut check = Listeners::new((home, folders), &by_name, &policies, &authorities, &admin, errors);
    let listeners: Vec<Listener> = listeners.into_iter().filter_map(|listener| check.listener(listener)).collect();
    let mut errors = check.errors;
    let crl = crl::with_wanted(crl, &listeners, &backends, &admin, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    // Only a valid configuration shows which policies are used; the warnings depend on that.
    let (policies, mut warnings) = policies.into_used(used_policies(&listeners, &backends, &admin));
    let sources: Vec<_> = listeners.iter().flat_map(Listener::sources).chain(admin.sources()).collect();
    let acme::Kept { settings: acme, files: authority_files, state, warnings: more } = authorities.into_kept(&sources);
    warnings.extend(more);
    warnings.extend(admin.warnings());
    let of_log = folders.of(log.access.at);
    let (log, runtime) = (log::validated(log, of_log), runtime::validated(runtime));
    let bounds = bounds::validated(bounds);
    Ok(Config {
        admin,
        log,
        process,
        runtime,
        bounds,
        resolver,
        state,
        keys,
        acme,
        authority_files,
        crl,
        crl_ca,
        listeners,
        backends,
        policies,
        warnings,
        fleet: None,
    })
}

fn no_listener() -> ConfigError {
    let message = "no listener (expected at least one [[listener]])".into();
    ConfigError { path: String::new(), position: None, message }
}

/// Who uses which policy.
fn used_policies<'c>(
    listeners: &'c [Listener],
    backends: &'c [Backend],
    admin: &'c Admin,
) -> impl Iterator<Item = (String, &'c str)> {
    let of_listeners = listeners.iter().flat_map(Listener::policies);
    let of_listeners = of_listeners.map(|(listener, policy)| (format!("listener {listener:?}"), &*policy.name));
    let of_backends = backends.iter().filter_map(|backend| {
        Some((format!("backend {:?}", backend.settings.name), &*backend.tls.as_ref()?.policy.name))
    });
    let of_admin = admin.tls.iter().map(|tls| ("admin".to_owned(), &*tls.policy.name));
    of_listeners.chain(of_backends).chain(of_admin)
}
