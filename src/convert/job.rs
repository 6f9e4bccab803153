//! What a configuration does, in the words of tlsgate: neutral between those who write it. Must not know: the peers, TOML.

use std::collections::BTreeSet;

use super::list::{Line, List};

/// A value, and the line that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    pub value: T,
    pub line: Line,
}

impl<T> Said<T> {
    pub(super) fn new(value: T, line: &Line) -> Self {
        Self { value, line: line.clone() }
    }
}

/// A value that may be missing.
pub type Maybe<T> = Option<Said<T>>;

/// All that is taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
    /// Name servers.
    pub resolver: Maybe<Vec<String>>,
    /// Files with passphrases.
    pub passphrases: Maybe<Vec<String>>,
}

/// What is done with connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Terminate,
    Passthrough,
    Reject,
}

impl Mode {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Passthrough => "passthrough",
            Self::Reject => "reject",
        }
    }
}

/// A listener. What is `None` is not written: tlsgate's default applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listener {
    pub line: Line,
    pub name: String,
    pub listen: Vec<Said<String>>,
    pub socket_mode: Maybe<String>,
    pub tls: Option<Policy>,
    pub certificates: Vec<Said<Certificate>>,
    pub strict: Maybe<()>,
    pub allow: Vec<Said<String>>,
    pub deny: Vec<Said<String>>,
    pub max_connections: Maybe<u64>,
    /// The proxies whose PROXY header is trusted.
    pub trusted_proxies: Maybe<Vec<String>>,
    pub starttls: Maybe<&'static str>,
    pub handshake_timeout: Maybe<String>,
    pub idle_timeout: Maybe<String>,
    pub half_close_timeout: Maybe<String>,
    pub tickets: Maybe<bool>,
    pub ticket_lifetime: Maybe<String>,
    pub ticket_keys: Maybe<String>,
    pub alpn: Maybe<Vec<String>>,
    pub mode: Mode,
    pub backend: Maybe<String>,
    pub not_tls: Maybe<String>,
    pub client_auth: Option<ClientAuth>,
    pub routes: Vec<Route>,
}

/// A route of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    pub line: Line,
    pub server_names: Vec<String>,
    pub client_alpn: Vec<String>,
    pub nameless: bool,
    pub mode: Mode,
    pub backend: Maybe<String>,
    pub certificates: Vec<Said<Certificate>>,
    pub tls: Option<Policy>,
    pub client_auth: Option<ClientAuth>,
}

/// A source of certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// A file, or a folder.
    pub path: String,
    pub is_folder: bool,
    /// The file of the key, if it is another one.
    pub key: Option<String>,
    /// Names in place of those in the certificate.
    pub names: Vec<String>,
    /// Whether clients without a known name get it.
    pub default: bool,
}

/// What clients have to present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientAuth {
    pub line: Line,
    pub required: bool,
    pub ca: Vec<String>,
    pub crl: Vec<String>,
    pub names: Vec<String>,
}

/// Versions, suites and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub line: Line,
    pub versions: Vec<&'static str>,
    /// OpenSSL's names.
    pub ciphers: Vec<String>,
    /// `None`: all that tlsgate has.
    pub groups: Option<Vec<String>>,
    pub server_order: bool,
}

/// A group of servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backend {
    pub line: Line,
    pub name: String,
    pub servers: Vec<Said<Server>>,
    pub balance: Maybe<&'static str>,
    pub connect_timeout: Maybe<String>,
    pub connect_attempts: Maybe<u64>,
    pub proxy_protocol: Maybe<&'static str>,
    pub slow_start: Maybe<String>,
    pub close_on_down: Maybe<()>,
    pub tls: Option<ServerTls>,
    pub health: Option<Health>,
    /// Why it cannot be used.
    pub unusable: bool,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    pub address: String,
    pub weight: Option<u64>,
    pub backup: bool,
    pub max_connections: Option<u64>,
}

/// TLS to servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerTls {
    pub line: Line,
    pub ca: Option<String>,
    pub server_name: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub alpn: Vec<String>,
}

/// How servers are checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub line: Line,
    pub kind: &'static str,
    pub interval: Option<String>,
    pub rise: Option<u64>,
    pub fall: Option<u64>,
    pub port: Option<u64>,
    pub tls: bool,
    pub method: Option<String>,
    pub path: Option<String>,
    pub host: Option<String>,
    pub status: Vec<String>,
}

impl Job {
    /// A name for a listener that no other has.
    pub(super) fn free_name(&self, wanted: &str) -> String {
        numbered(wanted, |name| self.listeners.iter().any(|listener| listener.name == name))
    }

    /// A name for a backend that no other has.
    pub(super) fn free_backend(&self, wanted: &str) -> String {
        numbered(wanted, |name| self.backends.iter().any(|backend| backend.name == name))
    }

    /// The job without what refers to nothing: routes and listeners whose backend is missing or cannot be used do not pass
    /// anything on, and backends that nothing uses are left out.
    pub(super) fn closed(mut self, list: &mut List) -> Self {
        let usable: BTreeSet<String> =
            self.backends.iter().filter(|one| one.is_usable()).map(|one| one.name.clone()).collect();
        let missing = |backend: &Maybe<String>| backend.as_ref().filter(|name| !usable.contains(&name.value)).cloned();
        for listener in &mut self.listeners {
            let routes = std::mem::take(&mut listener.routes);
            for mut route in routes {
                if let Some(gone) = missing(&route.backend) {
                    let why = format!(
                        "its backend {:?} could not be taken over, so these connections are refused",
                        gone.value
                    );
                    list.lost(&gone.line, route.server_names.join(" "), why);
                    (route.mode, route.backend) = (Mode::Reject, None);
                    (route.certificates, route.client_auth, route.tls) = Default::default();
                }
                listener.routes.push(route);
            }
            if let Some(gone) = missing(&listener.backend) {
                let why =
                    format!("its backend {:?} could not be taken over, so what no route takes is refused", gone.value);
                list.lost(&gone.line, format!("listener {:?}", listener.name), why);
                (listener.mode, listener.backend) = (Mode::Reject, None);
            }
            if missing(&listener.not_tls).is_some() {
                listener.not_tls = None;
            }
            let serves = |route: &Route| route.mode == Mode::Terminate && route.certificates.is_empty();
            if listener.mode == Mode::Reject && !listener.routes.iter().any(serves) {
                listener.certificates.clear();
            }
        }
        self.listeners.retain(|listener| {
            let serves =
                listener.mode != Mode::Reject || listener.routes.iter().any(|route| route.mode != Mode::Reject);
            if !serves {
                list.lost(
                    &listener.line,
                    format!("listener {:?}", listener.name),
                    "nothing that it serves could be taken over",
                );
            }
            serves
        });
        let used: BTreeSet<String> = self.listeners.iter().flat_map(Listener::backends).map(str::to_owned).collect();
        self.backends.retain(|backend| {
            if backend.is_usable() && !used.contains(&backend.name) {
                list.note(
                    &backend.line,
                    format!("backend {}", backend.name),
                    "no listener that was taken over uses it",
                );
            }
            backend.is_usable() && used.contains(&backend.name)
        });
        self
    }
}

impl Backend {
    fn is_usable(&self) -> bool {
        !self.unusable && !self.servers.is_empty()
    }
}

impl Listener {
    fn backends(&self) -> impl Iterator<Item = &str> {
        let own = self.backend.iter().chain(&self.not_tls);
        own.chain(self.routes.iter().filter_map(|route| route.backend.as_ref())).map(|name| &*name.value)
    }

    /// Whether it has certificates that it, or one of its routes, serves.
    pub(super) fn terminates(&self) -> bool {
        self.mode == Mode::Terminate || self.routes.iter().any(|route| route.mode == Mode::Terminate)
    }
}

/// The name, with a number behind it where it is taken.
fn numbered(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number: usize| format!("{wanted}-{number}"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}
