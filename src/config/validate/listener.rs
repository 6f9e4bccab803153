//! A listener, as far as it can be known to be valid without opening a file or a socket.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::decode::{ConfigError, Located};
use crate::config::file;
use crate::config::validate::backend::Backend;
use crate::config::validate::limits::{self, Limits};
use crate::config::validate::policy::Policies;
use crate::config::validate::{present, resolved, resolved_address};
use crate::config::values::{CertificateSource, Mode};
use crate::net::address::Address;
use crate::starttls;
use crate::tls::name::Name;
use crate::tls::policy::Policy;
use crate::tls::select::UnknownName;
use crate::tls::store::Source;
use crate::tls::tickets;

#[derive(Debug, Clone)]
pub struct Listener {
    pub here: Located<()>,
    pub name: Arc<str>,
    /// In the order written, without repetition.
    pub listen: Vec<Located<Address>>,
    /// Of its Unix sockets.
    pub socket_mode: Mode,
    pub policy: Arc<Policy>,
    pub certificates: Vec<Located<Source>>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    pub limits: Limits,
    /// Where a PROXY header is required: those from which one is believed.
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// What clients say before TLS, if they say anything.
    pub starttls: Option<starttls::Protocol>,
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

/// Validates one listener after the other, and remembers what each has taken.
pub(super) struct Listeners<'a> {
    pub(super) folder: &'a Path,
    pub(super) backends: &'a [Backend],
    pub(super) policies: &'a Policies,
    pub(super) names: HashMap<String, ()>,
    pub(super) addresses: HashMap<Address, String>,
    pub(super) errors: Vec<ConfigError>,
}

impl Listeners<'_> {
    pub(super) fn listener(&mut self, listener: file::listener::Listener) -> Option<Listener> {
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
        let listen = listen
            .map(|list| list.into_iter().map(|address| resolved_address(address, self.folder)).collect::<Vec<_>>());
        for address in listen.iter().flatten().filter(|address| address.value.port() != Some(0)) {
            if let Some(other) = self.addresses.insert(address.value.clone(), here.path.clone()) {
                errors.push(address.error(format!("{} is taken by {other} already", address.value)));
            }
        }
        let policy = self.policies.named(&listener.policy, errors);
        let expected = "a folder, a combined PEM file, or { cert = \"x.crt\", key = \"x.key\" }";
        let certificates = present(listener.certificates, "certificates", expected, &here, errors)
            .map(|list| list.into_iter().filter_map(|source| certificate(source, self.folder, errors)).collect());
        let backend = listener.backend.and_then(|name| {
            let found = self.backends.iter().position(|backend| *backend.settings.name == *name.value);
            if found.is_none() {
                let known = self.backends.iter().map(|backend| &*backend.settings.name).collect::<Vec<_>>().join(", ");
                let known =
                    if known.is_empty() { "there is none".to_owned() } else { format!("expected one of {known}") };
                errors.push(
                    name.error(format!(
                        "unknown backend {:?} ({known}; a backend is written [backend.NAME])",
                        name.value
                    )),
                );
            }
            found
        });
        let trusted_proxies = limits::trusted(listener.proxy_protocol, listener.trusted_proxies, errors);
        let limits = limits::validated(listener.limits, errors);
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
            socket_mode: listener.socket_mode.value,
            policy: policy?,
            certificates: certificates?,
            unknown_name: listener.unknown_name.value,
            require_sni: listener.require_sni.value,
            limits,
            trusted_proxies,
            starttls: listener.starttls.map(|protocol| protocol.value),
            handshake_timeout: listener.handshake_timeout.value,
            idle_timeout: listener.idle_timeout.value,
            tickets,
            backend: backend?,
            backend_name: Arc::clone(&self.backends[backend?].settings.name),
        })
    }
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

const LONGEST_TICKET: Duration = Duration::from_secs(7 * 24 * 3600);
