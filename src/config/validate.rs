//! `File` → `Config`: what depends on what, all faults at once. A `Config` is valid as far as that can be known without
//! opening a file or a socket. Must not know: how the text was read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::discover;
use crate::config::file::{self, File};
use crate::config::located::{ConfigError, Located};
use crate::config::values::{HostName, Mode, Workers};
use crate::net::address::{Address, LONGEST_PATH};
use crate::observe::access::format::Format;
use crate::observe::access::target::Target;
use crate::observe::log::Level;
use crate::tls::policy::Policy;
use crate::tls::record::Layer;

pub mod backend;
pub mod backend_tls;
pub mod client_auth;
pub mod health;
pub mod limits;
pub mod listener;
mod policy;
pub mod reference;
pub mod route;

mod resolver;

use backend::Backend;
use listener::{Listener, Listeners};
use policy::Policies;
use reference::Backends;

/// A valid configuration. Paths are resolved, names are parsed, references lead somewhere.
#[derive(Debug, Clone)]
pub struct Config {
    pub admin: Admin,
    pub log: Log,
    pub runtime: Runtime,
    pub resolver: Arc<discover::settings::Settings>,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
    /// Those of `[policy.NAME]`.
    pub policies: Vec<Arc<Policy>>,
    /// What is not wrong but should be known.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// There is no admin server without it.
    pub listen: Option<Located<Address>>,
    /// Of the Unix socket.
    pub socket_mode: Mode,
    /// What it holds allows changes on TCP.
    pub token_file: Option<Located<PathBuf>>,
    /// Names and addresses by which it may be asked on TCP, besides localhost and its own address.
    pub hosts: Vec<HostName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub access: Target,
    pub access_format: Format,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub workers: Workers,
    pub shutdown_timeout: Duration,
    pub record_layer: Layer,
}

/// Validates; relative paths start from `folder`.
pub fn validate(file: File, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let policies = Policies::validated(file.policies, &mut errors);
    let backends = file
        .backends
        .into_iter()
        .filter_map(|backend| backend::validated(backend, folder, &policies, &mut errors))
        .collect::<Vec<_>>();
    if file.listeners.is_empty() {
        errors.push(ConfigError {
            path: String::new(),
            position: None,
            message: "no listener (expected at least one [[listener]])".into(),
        });
    }
    let resolver = Arc::new(resolver::validated(file.resolver, &mut errors));
    let by_name = Backends::new(&backends);
    let mut check = Listeners {
        folder,
        backends: &by_name,
        policies: &policies,
        names: HashMap::new(),
        addresses: HashMap::new(),
        errors,
    };
    let admin = admin(file.admin, folder);
    check.errors.extend(admin.listen.as_ref().and_then(|listen| too_long(&listen.value, listen)));
    if let Some(listen) = admin.listen.as_ref().filter(|listen| listen.value.port() != Some(0)) {
        check.addresses.insert(listen.value.clone(), "admin".to_owned());
    }
    let listeners: Vec<Listener> = file.listeners.into_iter().filter_map(|listener| check.listener(listener)).collect();
    let errors = check.errors;
    let of_listeners = listeners.iter().flat_map(Listener::policies);
    let of_listeners = of_listeners.map(|(listener, policy)| (format!("listener {listener:?}"), &*policy.name));
    let of_backends = backends.iter().filter_map(|backend| {
        Some((format!("backend {:?}", backend.settings.name), &*backend.tls.as_ref()?.policy.name))
    });
    let (policies, warnings) = policies.into_used(of_listeners.chain(of_backends));
    match errors {
        errors if errors.is_empty() => Ok(Config {
            admin,
            log: Log {
                level: file.log.level.value,
                access: resolved_target(file.log.access.value, folder),
                access_format: file.log.access_format.value,
            },
            runtime: Runtime {
                workers: file.runtime.workers.value,
                shutdown_timeout: file.runtime.shutdown_timeout.value,
                record_layer: file.runtime.record_layer.value,
            },
            resolver,
            listeners,
            backends,
            policies,
            warnings,
        }),
        errors => Err(errors),
    }
}

fn admin(admin: file::Admin, folder: &Path) -> Admin {
    let listen = admin.listen.map(|listen| resolved_address(listen, folder));
    let token_file = admin.token_file.map(|file| Located {
        value: resolved(Path::new(&file.value), folder),
        at: file.at,
        path: file.path,
    });
    let hosts = admin.hosts.into_iter().flatten().map(|host| host.value).collect();
    Admin { listen, socket_mode: admin.socket_mode.value, token_file, hosts }
}

/// A list that must be there.
fn present<T>(
    list: Option<Vec<Located<T>>>,
    key: &str,
    expected: &str,
    here: &Located<()>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<Located<T>>> {
    if list.is_none() {
        errors.push(here.error(format!("\"{key}\" is missing (expected {expected})")));
    }
    list
}

fn resolved(path: &Path, folder: &Path) -> PathBuf {
    folder.join(path)
}

fn resolved_address(address: Located<Address>, folder: &Path) -> Located<Address> {
    let value = match address.value {
        Address::Unix(path) => Address::Unix(resolved(&path, folder)),
        tcp @ Address::Tcp(_) => tcp,
    };
    Located { value, at: address.at, path: address.path }
}

/// A Unix socket could never be bound, or reached, at such a path.
fn too_long<T>(address: &Address, written: &Located<T>) -> Option<ConfigError> {
    let length = address.excess()?;
    Some(written.error(format!("{address}: found a path of {length} bytes, expected at most {LONGEST_PATH}")))
}

fn resolved_target(target: Target, folder: &Path) -> Target {
    match target {
        Target::File(path) => Target::File(resolved(&path, folder)),
        other => other,
    }
}

/// Names for a message. The first ones only, where there are many: thousands of keys that are wrong in the same way must
/// not list thousands of names each.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_at_checked(MOST_LISTED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// More than the built-in policies, which are listed in full.
const MOST_LISTED: usize = 40;
