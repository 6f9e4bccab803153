//! The configuration as written, and every default. `config/reference.toml` says the same, and a test compares them.
//! Must not know: what depends on what.

use std::net::SocketAddr;
use std::time::Duration;

use toml::de::DeTable;

use crate::backend::balance::Algorithm;
use crate::config::decode::{ConfigError, Faults, Located, Table};
use crate::config::values::{AdminAddress, CertificateSource, Mode, Workers};
use crate::observe::access::{Format, Target};
use crate::observe::log::Level;
use crate::tls::policy;
use crate::tls::select::UnknownName;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub admin: Admin,
    pub log: Log,
    pub runtime: Runtime,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: Option<Located<AdminAddress>>,
    pub socket_mode: Located<Mode>,
    pub token_file: Option<Located<String>>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Located<Level>,
    pub access: Located<Target>,
    pub access_format: Located<Format>,
}

/// `[runtime]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub workers: Located<Workers>,
    pub shutdown_timeout: Located<Duration>,
}

/// `[[listener]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub here: Located<()>,
    pub name: Option<Located<String>>,
    pub listen: Option<Vec<Located<SocketAddr>>>,
    pub policy: Located<String>,
    pub certificates: Option<Vec<Located<CertificateSource>>>,
    pub unknown_name: Located<UnknownName>,
    pub require_sni: Located<bool>,
    pub max_connections: Located<usize>,
    pub handshake_timeout: Located<Duration>,
    pub idle_timeout: Located<Duration>,
    pub session_tickets: Located<bool>,
    pub ticket_lifetime: Located<Duration>,
    pub ticket_rotation: Located<Duration>,
    pub ticket_keys: Option<Vec<Located<String>>>,
    pub backend: Option<Located<String>>,
}

/// `[backend.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub here: Located<()>,
    pub name: String,
    pub servers: Option<Vec<Located<SocketAddr>>>,
    pub balance: Located<Algorithm>,
    pub connect_timeout: Located<Duration>,
    pub connect_attempts: Located<usize>,
}

impl File {
    /// Reads the text. What could be read is returned along with everything that could not; where the text is not TOML,
    /// only that is told, since what follows from it would mislead.
    pub fn decode(text: &str) -> Result<(Self, Vec<ConfigError>), Vec<ConfigError>> {
        let faults = Faults::new(text);
        let (root, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            faults.add("", error.span().map(|span| span.start), format!("not valid TOML: {}", error.message()));
        }
        if !syntax.is_empty() {
            return Err(faults.into_errors());
        }
        let file = {
            let mut table = Table::new(&faults, root.get_ref(), 0, String::new());
            let file = Self::read(&mut table);
            table.finish();
            file
        };
        Ok((file, faults.into_errors()))
    }

    fn read(root: &mut Table<'_>) -> Self {
        Self {
            admin: root.table("admin", Admin::read),
            log: root.table("log", Log::read),
            runtime: root.table("runtime", Runtime::read),
            listeners: root.tables("listener", Listener::read),
            backends: root.named_tables("backend", Backend::read),
        }
    }
}

impl Admin {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            listen: table.optional("listen"),
            socket_mode: table.or("socket_mode", Mode(0o600)),
            token_file: table.optional("token_file"),
        }
    }
}

impl Log {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            level: table.or("level", Level::Info),
            access: table.or("access", Target::Stdout),
            access_format: table.or("access_format", Format::Json),
        }
    }
}

impl Runtime {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            workers: table.or("workers", Workers::Auto),
            shutdown_timeout: table.or("shutdown_timeout", Duration::from_secs(30)),
        }
    }
}

impl Listener {
    fn read(table: &mut Table<'_>) -> Self {
        let name = table.required::<String>("name");
        if let Some(name) = &name {
            table.rename(format!("listener {:?}", name.value));
        }
        Self {
            here: table.here(),
            name,
            listen: table.list("listen"),
            policy: table.or("policy", policy::DEFAULT.to_owned()),
            certificates: table.list("certificates"),
            unknown_name: table.or("unknown_name", UnknownName::Default),
            require_sni: table.or("require_sni", false),
            max_connections: table.or("max_connections", 10_000),
            handshake_timeout: table.or("handshake_timeout", Duration::from_secs(10)),
            idle_timeout: table.or("idle_timeout", Duration::from_secs(3600)),
            session_tickets: table.or("session_tickets", true),
            ticket_lifetime: table.or("ticket_lifetime", Duration::from_secs(12 * 3600)),
            ticket_rotation: table.or("ticket_rotation", Duration::from_secs(12 * 3600)),
            ticket_keys: table.list("ticket_keys"),
            backend: table.required("backend"),
        }
    }
}

impl Backend {
    fn read(name: &str, table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            name: name.to_owned(),
            servers: table.list("servers"),
            balance: table.or("balance", Algorithm::LeastConnections),
            connect_timeout: table.or("connect_timeout", Duration::from_secs(5)),
            connect_attempts: table.or("connect_attempts", 3),
        }
    }
}
