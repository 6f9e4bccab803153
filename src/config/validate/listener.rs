//! A listener, as far as it can be validated without opening a file or a socket.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::file::listener::Listener as Written;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::acme::{Authorities, never_served};
use crate::config::validate::admin::Admin;
use crate::config::validate::client_auth::{self, ClientAuth};
use crate::config::validate::folders::Folders;
use crate::config::validate::labels;
use crate::config::validate::limits::{self, Limits};
use crate::config::validate::paths::{self, too_long};
use crate::config::validate::policy::Policies;
use crate::config::validate::reference::{BackendRef, Backends, Leads, Share, certificate, known_bare_backend, shares};
use crate::config::validate::revocation::Home;
use crate::config::validate::route::{self, Route};
use crate::config::validate::wording::present;
use crate::config::values::{Mode, certificates};
use crate::labels::Labels;
use crate::net::endpoint::Endpoint;
use crate::route::index::Mode as RouteMode;
use crate::starttls::protocol::Protocol;
use crate::tls::certificate::select::UnknownName;
use crate::tls::certificate::source::Source;
use crate::tls::policy::Policy;
use crate::tls::tickets;

/// `[[listener]]`, valid.
#[derive(Debug, Clone)]
pub struct Listener {
    pub here: Located<()>,
    pub name: Arc<str>,
    /// Its own; those of its routes and backends come on top of them.
    pub labels: Labels,
    /// In the order written, without repetition.
    pub listen: Vec<Located<Endpoint>>,
    /// The permissions of its Unix sockets.
    pub socket_mode: Mode,
    pub policy: Arc<Policy>,
    pub certificates: Vec<Located<Source>>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    pub limits: Limits,
    /// The proxies whose PROXY header is trusted, and then required; `None` where no header is read.
    pub trusted_proxies: Option<Vec<IpNet>>,
    pub handling: Handling,
    pub tickets: Tickets,
    /// The application protocols that it supports, most preferred first.
    pub alpn: Vec<Box<[u8]>>,
    /// The requirements for client certificates; `None` where clients are not asked for one.
    pub client_auth: Option<ClientAuth>,
    /// What is done with connections that no route takes.
    pub mode: RouteMode,
    /// The backends that share these connections; perhaps none where they are refused.
    pub backends: Vec<Share>,
    /// The backend for connections that are not TLS; `None` where they are refused.
    pub not_tls: Option<BackendRef>,
    pub routes: Vec<Route>,
}

/// How each of its connections is handled. A snapshot takes this over as it is.
#[derive(Debug, Clone, Copy)]
pub struct Handling {
    /// The protocol in which clients ask for TLS; `None` where TLS begins at once.
    pub starttls: Option<Protocol>,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
    /// The same once one side has ended its data.
    pub half_close_timeout: Duration,
    /// The longest life of a connection; `None` where it has no limit.
    pub max_age: Option<Duration>,
}

impl Listener {
    /// The policies under which TLS is terminated, its own and its routes', each with the listener's name.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        let own = (self.mode == RouteMode::Terminate).then_some(&self.policy);
        let terminating = self.routes.iter().filter(|route| route.mode == RouteMode::Terminate);
        own.into_iter().chain(terminating.map(|route| &route.policy)).map(|policy| (&*self.name, &**policy))
    }

    /// Its certificates, and those of its routes.
    pub fn sources(&self) -> impl Iterator<Item = &Located<Source>> {
        self.certificates.iter().chain(self.routes.iter().flat_map(|route| &route.certificates))
    }

    /// The files with lists of clients that may connect or may not, its own and its routes'.
    pub fn limit_files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        self.limits.files().chain(self.routes.iter().flat_map(|route| route.limits.files()))
    }

    /// The files with CAs, with lists of revoked certificates and with pins, its own and its routes'.
    pub fn client_auth_files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        let all = self.client_auth.iter().chain(self.routes.iter().filter_map(|route| route.client_auth.as_ref()));
        all.flat_map(ClientAuth::files)
    }
}

/// Whether and how sessions are resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tickets {
    pub on: bool,
    pub settings: tickets::Settings,
    /// Files of secrets that are shared with other machines; empty where tlsgate generates its own.
    pub keys: Vec<Located<PathBuf>>,
    /// The file of those that the nodes of a fleet share, where there are no others. It is written by tlsgate, and may not be
    /// there yet.
    pub of_fleet: Option<PathBuf>,
}

/// Validates listeners one by one, and remembers the names and addresses that are taken.
pub(super) struct Listeners<'a> {
    home: Home<'a>,
    folders: Folders<'a>,
    backends: &'a Backends<'a>,
    policies: &'a Policies,
    authorities: &'a Authorities,
    names: HashSet<String>,
    /// Each endpoint, with the key path of the listener that has it.
    endpoints: HashMap<Endpoint, String>,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> Listeners<'a> {
    pub(super) fn new(
        (home, folders): (Home<'a>, Folders<'a>),
        backends: &'a Backends<'a>,
        policies: &'a Policies,
        authorities: &'a Authorities,
        admin: &Admin,
        errors: Vec<ConfigError>,
    ) -> Self {
        // Port 0 is any free port, which the kernel chooses: it cannot be taken.
        let taken = authorities.endpoints().chain(admin.endpoints());
        let endpoints = taken.filter(|(endpoint, _)| !endpoint.is_any_port()).collect();
        Self { home, folders, backends, policies, authorities, names: HashSet::new(), endpoints, errors }
    }

    pub(super) fn listener(&mut self, mut written: Written) -> Option<Listener> {
        self.name(&written);
        let labels = labels::validated(written.labels.take(), &mut self.errors);
        let listen = self.endpoints(&mut written);
        let policy = self.policies.named(&written.policy, &mut self.errors);
        let (mode, handling) = (mode(&written), handling(&written));
        let certificates = self.certificates(&mut written, mode);
        if let (RouteMode::Terminate, Some(policy)) = (mode, &policy) {
            self.errors.extend(certificates.iter().flatten().filter_map(|source| never_served(source, policy)));
        }
        let shares = self.shares(&written, mode);
        let (not_tls, tickets) = (self.not_tls(&written), self.tickets(&mut written));
        let client_auth = client_auth::validated(written.client_auth, self.home, &mut self.errors);
        let inherited = route::Inherited {
            policy: policy.as_ref(),
            policies: self.policies,
            // Missing certificates are reported for the listener: its routes must not report them again.
            certificates: certificates.as_ref().is_none_or(|list| !list.is_empty()),
            alpn: &written.alpn.value,
            client_auth: client_auth.as_ref(),
            shares: shares.as_deref(),
            require_sni: written.require_sni.value,
            max_age: handling.max_age,
            home: self.home,
            authorities: self.authorities,
            backends: self.backends,
        };
        let routes = route::validated(written.routes, &inherited, &mut self.errors);
        if mode != RouteMode::Terminate {
            unused(&written.here, &certificates, &routes, &mut self.errors);
        }
        if let Some(protocol) = &written.starttls {
            self.starttls(protocol, (mode, shares.as_deref().unwrap_or_default()), &routes);
        }
        self.errors.extend(route::challenge(&written.alpn, false));
        let trusted_proxies = limits::trusted(written.proxy_protocol, written.trusted_proxies, &mut self.errors);
        let limits = limits::validated(written.limits, self.home.folder, &mut self.errors);
        // Only here parts that are wrong end it: everything was checked, and all errors are reported.
        Some(Listener {
            here: written.here,
            name: written.name?.value.into(),
            labels,
            listen: listen?,
            socket_mode: written.socket_mode.value,
            policy: policy?,
            certificates: certificates?,
            unknown_name: written.unknown_name.value,
            require_sni: written.require_sni.value,
            limits,
            trusted_proxies,
            handling,
            tickets,
            alpn: written.alpn.value.0,
            client_auth,
            mode,
            backends: shares?,
            not_tls: not_tls?,
            routes,
        })
    }

    fn name(&mut self, written: &Written) {
        let Some(name) = &written.name else { return };
        if name.value.is_empty() {
            self.errors.push(name.error("found \"\", expected a name"));
        } else if !self.names.insert(name.value.clone()) {
            self.errors.push(name.error("another listener has this name already"));
        }
    }

    /// Where it listens, which no other listener and not the admin server has.
    fn endpoints(&mut self, written: &mut Written) -> Option<Vec<Located<Endpoint>>> {
        let (list, expected) = (written.listen.take(), "an IP address and a port, such as \"0.0.0.0:636\"");
        let list = present(list, "listen", expected, &written.here, &mut self.errors)?;
        let resolved = |endpoint: Located<Endpoint>| {
            let folder = self.folders.of(endpoint.at);
            paths::endpoint(endpoint, folder)
        };
        let list: Vec<_> = list.into_iter().map(resolved).collect();
        for endpoint in list.iter().filter(|endpoint| !endpoint.value.is_any_port()) {
            if let Some(other) = self.endpoints.insert(endpoint.value.clone(), written.here.path.clone()) {
                self.errors.push(endpoint.error(format!("{} is taken by {other} already", endpoint.value)));
            }
        }
        self.errors.extend(list.iter().filter_map(|endpoint| too_long(endpoint.value.address()?, endpoint)));
        Some(list)
    }

    /// Certificates are required where the listener terminates what no route takes.
    fn certificates(&mut self, written: &mut Written, mode: RouteMode) -> Option<Vec<Located<Source>>> {
        let list = written.certificates.take();
        let list = match mode {
            RouteMode::Terminate => {
                present(list, "certificates", certificates::KINDS, &written.here, &mut self.errors)?
            }
            RouteMode::Passthrough | RouteMode::Reject => list.unwrap_or_default(),
        };
        Some(
            list.into_iter()
                .filter_map(|source| certificate(source, self.home.folder, self.authorities, &mut self.errors))
                .collect(),
        )
    }

    /// The backends for what no route takes. `None` where they are wrong, which is reported.
    fn shares(&mut self, written: &Written, mode: RouteMode) -> Option<Vec<Share>> {
        let leads = Leads { one: written.backend.as_ref(), several: written.backends.as_ref() };
        if leads.is_absent() && mode != RouteMode::Reject {
            self.errors.push(written.here.error("\"backend\" is missing (expected a text in quotes)"));
        }
        shares(&leads, mode == RouteMode::Passthrough, self.backends, &mut self.errors)
    }

    /// The backend for what is not TLS. The outer `None` is for one that is wrong, which is reported.
    fn not_tls(&mut self, written: &Written) -> Option<Option<BackendRef>> {
        let Some(name) = &written.not_tls else { return Some(None) };
        if written.starttls.is_some() {
            self.errors.push(name.error("cannot be combined with starttls: data without TLS would reach a backend"));
        }
        known_bare_backend(name, self.backends, &mut self.errors).map(Some)
    }

    /// Whether its ways suit the protocol in which clients ask for TLS.
    fn starttls(&mut self, protocol: &Located<Protocol>, own: (RouteMode, &[Share]), routes: &[Route]) {
        let word = protocol.value.word();
        let ways = routes.iter().map(|route| (route.mode, &*route.backends)).chain([own]);
        let all = ways.flat_map(|(mode, shares)| shares.iter().map(move |share| (mode, &share.backend)));
        for (mode, backend) in all {
            let other = self.backends.at(backend).and_then(|backend| backend.tls.as_ref()?.starttls);
            if mode == RouteMode::Passthrough && protocol.value.has_greeting() {
                self.errors.push(protocol.error(format!(
                    "{word:?} cannot be combined with passthrough: backend {:?} would greet the client inside TLS again",
                    backend.name,
                )));
            } else if let Some(other) = other.filter(|other| *other != protocol.value) {
                let (name, other) = (&backend.name, other.word());
                self.errors
                    .push(protocol.error(format!("found {word:?}, but tls.starttls of backend {name:?} is {other:?}")));
            }
        }
    }

    fn tickets(&mut self, written: &mut Written) -> Tickets {
        let lifetime = written.ticket_lifetime.value;
        if lifetime > LONGEST_TICKET {
            self.errors.push(
                written.ticket_lifetime.error("is more than seven days, which RFC 8446 section 4.6.1 does not allow"),
            );
        }
        Tickets {
            on: written.session_tickets.value,
            settings: tickets::Settings { lifetime, rotation: written.ticket_rotation.value },
            keys: paths::secrets(written.ticket_keys.take(), self.home.folder, &mut self.errors),
            of_fleet: None,
        }
    }
}

fn handling(written: &Written) -> Handling {
    Handling {
        starttls: written.starttls.as_ref().map(|protocol| protocol.value),
        handshake_timeout: written.handshake_timeout.value,
        idle_timeout: written.idle_timeout.value,
        half_close_timeout: written.half_close_timeout.value,
        max_age: written.max_connection_age.as_ref().map(|age| age.value),
    }
}
/// What is done with connections that no route takes: as written, or as the other keys imply.
fn mode(written: &Written) -> RouteMode {
    match (&written.mode, &written.certificates) {
        (Some(mode), _) => mode.value,
        // Without certificates TLS can be terminated in routes only.
        (None, None) if !written.routes.is_empty() => RouteMode::Reject,
        (None, _) => RouteMode::Terminate,
    }
}

/// Reports certificates that no client could ever get.
fn unused(
    here: &Located<()>,
    certificates: &Option<Vec<Located<Source>>>,
    routes: &[Route],
    errors: &mut Vec<ConfigError>,
) {
    let takes = |route: &Route| route.mode == RouteMode::Terminate && route.certificates.is_empty();
    if certificates.as_ref().is_some_and(|list| !list.is_empty()) && !routes.iter().any(takes) {
        errors.push(here.error(
            "certificates: nothing would use them (mode is not \"terminate\", and no route uses the listener's certificates)",
        ));
    }
}

/// RFC 8446 section 4.6.1.
const LONGEST_TICKET: Duration = Duration::from_secs(7 * 24 * 3600);
