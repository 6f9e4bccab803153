//! `File` → `Config`: what depends on what, all faults at once. A `Config` is valid as far as that can be known without
//! opening a file or a socket. Must not know: how the text was read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::balance::Algorithm;
use crate::config::decode::{ConfigError, Located};
use crate::config::file::{self, File};
use crate::config::values::{AdminAddress, CertificateSource, Mode, Workers};
use crate::observe::access::{Format, Target};
use crate::observe::log::Level;
use crate::tls::name::Name;
use crate::tls::policy::{self, Policy};
use crate::tls::select::UnknownName;
use crate::tls::store::Source;
use crate::tls::tickets;

/// A valid configuration. Paths are resolved, names are parsed, references lead somewhere.
#[derive(Debug, Clone)]
pub struct Config {
    pub admin: Admin,
    pub log: Log,
    pub runtime: Runtime,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// There is no admin server without it.
    pub listen: Option<Located<AdminAddress>>,
    /// Of the Unix socket.
    pub socket_mode: Mode,
    /// What it holds allows changes on TCP.
    pub token_file: Option<Located<PathBuf>>,
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
}

#[derive(Debug, Clone)]
pub struct Listener {
    pub here: Located<()>,
    pub name: Arc<str>,
    /// In the order written, without repetition.
    pub listen: Vec<Located<SocketAddr>>,
    pub policy: &'static Policy,
    pub certificates: Vec<Located<Source>>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    pub max_connections: usize,
    pub handshake_timeout: Duration,
    pub idle_timeout: Duration,
    pub tickets: Tickets,
    /// The index of a backend.
    pub backend: usize,
    pub backend_name: Arc<str>,
}

/// Whether and how sessions are resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tickets {
    pub on: bool,
    pub settings: tickets::Settings,
    /// Files of secrets that other machines have too; none where tlsgate makes its own.
    pub keys: Vec<Located<PathBuf>>,
}

#[derive(Debug, Clone)]
pub struct Backend {
    pub name: Arc<str>,
    pub servers: Vec<SocketAddr>,
    pub balance: Algorithm,
    pub connect_timeout: Duration,
    pub connect_attempts: usize,
}

/// Validates; relative paths start from `folder`.
pub fn validate(file: File, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let backends =
        file.backends.into_iter().filter_map(|backend| self::backend(backend, &mut errors)).collect::<Vec<_>>();
    if file.listeners.is_empty() {
        errors.push(ConfigError {
            path: String::new(),
            position: None,
            message: "no listener (expected at least one [[listener]])".into(),
        });
    }
    let mut check = Listeners { folder, backends: &backends, names: HashMap::new(), addresses: HashMap::new(), errors };
    let admin = admin(file.admin, folder);
    if let Some(AdminAddress::Tcp(address)) = admin.listen.as_ref().map(|listen| &listen.value)
        && address.port() != 0
    {
        check.addresses.insert(*address, "admin".to_owned());
    }
    let listeners = file.listeners.into_iter().filter_map(|listener| check.listener(listener)).collect();
    match check.errors {
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
            },
            listeners,
            backends,
        }),
        errors => Err(errors),
    }
}

fn admin(admin: file::Admin, folder: &Path) -> Admin {
    let listen = admin.listen.map(|listen| {
        let value = match listen.value {
            AdminAddress::Unix(path) => AdminAddress::Unix(resolved(&path, folder)),
            tcp @ AdminAddress::Tcp(_) => tcp,
        };
        Located { value, at: listen.at, path: listen.path }
    });
    let token_file = admin.token_file.map(|file| Located {
        value: resolved(Path::new(&file.value), folder),
        at: file.at,
        path: file.path,
    });
    Admin { listen, socket_mode: admin.socket_mode.value, token_file }
}

fn backend(backend: file::Backend, errors: &mut Vec<ConfigError>) -> Option<Backend> {
    let servers = present(
        backend.servers,
        "servers",
        "an IP address and a port, such as \"10.0.1.10:389\"",
        &backend.here,
        errors,
    );
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for server in servers.unwrap_or_default() {
        if server.value.port() == 0 {
            errors.push(server.error("found port 0, expected the port that the server listens on"));
        } else if addresses.contains(&server.value) {
            errors.push(server.error(format!("{} is listed twice", server.value)));
        } else {
            addresses.push(server.value);
        }
    }
    Some(Backend {
        name: backend.name.into(),
        servers: addresses,
        balance: backend.balance.value,
        connect_timeout: backend.connect_timeout.value,
        connect_attempts: backend.connect_attempts.value,
    })
}

struct Listeners<'a> {
    folder: &'a Path,
    backends: &'a [Backend],
    names: HashMap<String, ()>,
    addresses: HashMap<SocketAddr, String>,
    errors: Vec<ConfigError>,
}

impl Listeners<'_> {
    fn listener(&mut self, listener: file::Listener) -> Option<Listener> {
        let here = listener.here;
        let errors = &mut self.errors;
        if let Some(name) = &listener.name {
            if name.value.is_empty() {
                errors.push(name.error("found \"\", expected a name"));
            } else if self.names.insert(name.value.clone(), ()).is_some() {
                errors.push(name.error("another listener has this name already"));
            }
        }
        let listen =
            present(listener.listen, "listen", "an IP address and a port, such as \"0.0.0.0:636\"", &here, errors);
        for address in listen.iter().flatten().filter(|address| address.value.port() != 0) {
            if let Some(other) = self.addresses.insert(address.value, here.path.clone()) {
                errors.push(address.error(format!("{} is taken by {other} already", address.value)));
            }
        }
        let policy = policy::named(&listener.policy.value);
        if policy.is_none() {
            let known = policy::ALL.iter().map(|policy| policy.name).collect::<Vec<_>>().join(", ");
            errors.push(
                listener.policy.error(format!("unknown policy {:?} (expected one of {known})", listener.policy.value)),
            );
        }
        let expected = "a folder, a combined PEM file, or { cert = \"x.crt\", key = \"x.key\" }";
        let certificates = present(listener.certificates, "certificates", expected, &here, errors)
            .map(|list| list.into_iter().filter_map(|source| certificate(source, self.folder, errors)).collect());
        let backend =
            listener.backend.and_then(|name| {
                let found = self.backends.iter().position(|backend| *backend.name == *name.value);
                if found.is_none() {
                    let known = self.backends.iter().map(|backend| &*backend.name).collect::<Vec<_>>().join(", ");
                    let known =
                        if known.is_empty() { "there is none".to_owned() } else { format!("expected one of {known}") };
                    errors.push(name.error(format!(
                        "unknown backend {:?} ({known}; a backend is written [backend.NAME])",
                        name.value
                    )));
                }
                found
            });
        let tickets = Tickets {
            on: listener.session_tickets.value,
            settings: tickets::Settings {
                lifetime: listener.ticket_lifetime.value,
                rotation: listener.ticket_rotation.value,
            },
            keys: listener
                .ticket_keys
                .unwrap_or_default()
                .into_iter()
                .map(|file| Located {
                    value: resolved(Path::new(&file.value), self.folder),
                    at: file.at,
                    path: file.path,
                })
                .collect(),
        };
        if tickets.settings.lifetime > LONGEST_TICKET {
            errors.push(
                listener.ticket_lifetime.error("is more than seven days, which RFC 8446 section 4.6.1 does not allow"),
            );
        }
        Some(Listener {
            here,
            name: listener.name?.value.into(),
            listen: listen?,
            policy: policy?,
            certificates: certificates?,
            unknown_name: listener.unknown_name.value,
            require_sni: listener.require_sni.value,
            max_connections: listener.max_connections.value,
            handshake_timeout: listener.handshake_timeout.value,
            idle_timeout: listener.idle_timeout.value,
            tickets,
            backend: backend?,
            backend_name: Arc::clone(&self.backends[backend?].name),
        })
    }
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

fn certificate(
    source: Located<CertificateSource>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<Source>> {
    let value = match &source.value {
        CertificateSource::Path(path) => Source::Path(resolved(path, folder)),
        CertificateSource::Pair { cert, key, names, default } => {
            let names = match names {
                None => None,
                Some(texts) if texts.is_empty() => {
                    errors.push(source.error("names: found an empty list, expected at least one name"));
                    return None;
                }
                Some(texts) => Some(parsed_names(texts, &source, errors)?),
            };
            Source::Pair { cert: resolved(cert, folder), key: resolved(key, folder), names, default: *default }
        }
    };
    Some(Located { value, at: source.at, path: source.path })
}

fn parsed_names(
    texts: &[String],
    source: &Located<CertificateSource>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::with_capacity(texts.len());
    let before = errors.len();
    for text in texts {
        match Name::parse(text) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(error) => errors.push(source.error(format!("names: {error}"))),
        }
    }
    (errors.len() == before).then_some(names)
}

fn resolved(path: &Path, folder: &Path) -> PathBuf {
    folder.join(path)
}

fn resolved_target(target: Target, folder: &Path) -> Target {
    match target {
        Target::File(path) => Target::File(resolved(&path, folder)),
        other => other,
    }
}

const LONGEST_TICKET: Duration = Duration::from_secs(7 * 24 * 3600);
