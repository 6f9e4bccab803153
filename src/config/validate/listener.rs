//! A listener, as far as it can be known to be valid without opening a file or a socket.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::client_auth::{self, ClientAuth};
use crate::config::validate::limits::{self, Limits};
use crate::config::validate::policy::Policies;
use crate::config::validate::reference::{
    BackendRef, Backends, CERTIFICATES, certificate, known_backend, known_bare_backend,
};
use crate::config::validate::route::{self, Route};
use crate::config::validate::{present, resolved, resolved_address, too_long};
use crate::config::values::Mode;
use crate::net::address::Address;
use crate::route::index::Mode as RouteMode;
use crate::starttls;
use crate::tls::certificate::select::UnknownName;
use crate::tls::certificate::source::Source;
use crate::tls::policy::Policy;
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
    pub half_close_timeout: Duration,
    pub tickets: Tickets,
    /// The application protocols that it agrees on, best first.
    pub alpn: Vec<Box<[u8]>>,
    /// What its clients have to show; `None` for nothing.
    pub client_auth: Option<ClientAuth>,
    /// What becomes of what no route takes.
    pub mode: RouteMode,
    /// Where that goes; `None` where it is refused.
    pub backend: Option<BackendRef>,
    /// Where what is not TLS goes; `None` where it is refused.
    pub not_tls: Option<BackendRef>,
    pub routes: Vec<Route>,
}

impl Listener {
    /// Its policies, its routes' among them, each with its own name: those under which TLS is terminated.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        let own = (self.mode == RouteMode::Terminate).then_some(&self.policy);
        let terminating = self.routes.iter().filter(|route| route.mode == RouteMode::Terminate);
        own.into_iter().chain(terminating.map(|route| &route.policy)).map(|policy| (&*self.name, &**policy))
    }

    /// Its certificates, and those of its routes.
    pub fn sources(&self) -> impl Iterator<Item = &Located<Source>> {
        self.certificates.iter().chain(self.routes.iter().flat_map(|route| &route.certificates))
    }

    /// The files by which its clients, and its routes', are judged.
    pub fn client_auth_files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        let all = self.client_auth.iter().chain(self.routes.iter().filter_map(|route| route.client_auth.as_ref()));
        all.flat_map(|auth| auth.ca.iter().chain(&auth.crl))
    }
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
    pub(super) backends: &'a Backends<'a>,
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
        errors.extend(listen.iter().flatten().filter_map(|address| too_long(&address.value, address)));
        let policy = self.policies.named(&listener.policy, errors);
        let has_routes = !listener.routes.is_empty();
        let mode = match (&listener.mode, &listener.certificates) {
            (Some(mode), _) => mode.value,
            (None, None) if has_routes => RouteMode::Reject,
            (None, _) => RouteMode::Terminate,
        };
        let certificates = match mode {
            RouteMode::Terminate => present(listener.certificates, "certificates", CERTIFICATES, &here, errors),
            RouteMode::Passthrough | RouteMode::Reject => Some(listener.certificates.unwrap_or_default()),
        };
        let certificates: Option<Vec<_>> = certificates
            .map(|list| list.into_iter().filter_map(|source| certificate(source, self.folder, errors)).collect());
        if mode != RouteMode::Reject && listener.backend.is_none() {
            errors.push(here.error("\"backend\" is missing (expected a text in quotes)"));
        }
        let backend = listener.backend.as_ref().map(|name| match mode {
            RouteMode::Passthrough => known_bare_backend(name, self.backends, errors),
            RouteMode::Terminate | RouteMode::Reject => known_backend(name, self.backends, errors),
        });
        if let (Some(_), Some(not_tls)) = (&listener.starttls, &listener.not_tls) {
            errors.push(
                not_tls.error("cannot stand beside starttls: what comes in the clear would reach a backend after all"),
            );
        }
        let not_tls = listener.not_tls.as_ref().map(|name| known_bare_backend(name, self.backends, errors));
        let client_auth = client_auth::validated(listener.client_auth, self.folder, errors);
        let inherited = route::Inherited {
            policy: policy.as_ref(),
            policies: self.policies,
            certificates: certificates.as_ref().is_none_or(|list| !list.is_empty()),
            alpn: &listener.alpn.value,
            client_auth: client_auth.as_ref(),
            backend: backend.as_ref(),
            require_sni: listener.require_sni.value,
            folder: self.folder,
            backends: self.backends,
        };
        let routes = route::validated(listener.routes, &inherited, errors);
        if mode != RouteMode::Terminate {
            unused(&here, &certificates, &routes, errors);
        }
        if let Some(error) = route::challenge(&listener.alpn, false) {
            errors.push(error);
        }
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
            half_close_timeout: listener.half_close_timeout.value,
            tickets,
            alpn: listener.alpn.value.0,
            client_auth,
            mode,
            backend: match backend {
                Some(found) => Some(found?),
                None => None,
            },
            not_tls: match not_tls {
                Some(found) => Some(found?),
                None => None,
            },
            routes,
        })
    }
}

/// Certificates that nobody would ever see are a mistake.
fn unused(
    here: &Located<()>,
    certificates: &Option<Vec<Located<Source>>>,
    routes: &[Route],
    errors: &mut Vec<ConfigError>,
) {
    let takes = |route: &Route| route.mode == RouteMode::Terminate && route.certificates.is_empty();
    if certificates.as_ref().is_some_and(|list| !list.is_empty()) && !routes.iter().any(takes) {
        errors.push(here.error(
            "certificates: nothing would use them (mode is not \"terminate\", nor does a route take them over)",
        ));
    }
}

const LONGEST_TICKET: Duration = Duration::from_secs(7 * 24 * 3600);
