//! The configuration as written, and every default. `config/reference.toml` says the same, and a test compares them.
//! Must not know: what depends on what.

use std::time::Duration;

use toml::de::DeTable;

use crate::config::decode::outline::Outline;
use crate::config::decode::{Faults, Table};
use crate::config::located::{ConfigError, Located};
use crate::config::values::{HostName, Mode, Workers};
use crate::net::address::Address;
use crate::observe::access::format::Format;
use crate::observe::access::target::Target;
use crate::observe::log::Level;
use crate::tls::record::Layer;

pub mod backend;
pub mod backend_tls;
pub mod client_auth;
pub mod health;
pub mod limits;
pub mod listener;
pub mod policy;
pub mod resolver;
pub mod route;

use backend::Backend;
use listener::Listener;
use policy::Policy;
use resolver::Resolver;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub admin: Admin,
    pub log: Log,
    pub runtime: Runtime,
    pub resolver: Resolver,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
    pub policies: Vec<Policy>,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: Option<Located<Address>>,
    pub socket_mode: Located<Mode>,
    pub token_file: Option<Located<String>>,
    pub hosts: Option<Vec<Located<HostName>>>,
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
    pub record_layer: Located<Layer>,
    pub shutdown_timeout: Located<Duration>,
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

    /// Every key that a file may have.
    pub fn outline() -> Outline {
        Table::outline_of(Self::read)
    }

    fn read(root: &mut Table<'_>) -> Self {
        Self {
            admin: root.table("admin", Admin::read),
            log: root.table("log", Log::read),
            runtime: root.table("runtime", Runtime::read),
            resolver: root.table("resolver", Resolver::read),
            listeners: root.tables("listener", Listener::read),
            backends: root.named_tables("backend", Backend::read),
            policies: root.named_tables("policy", Policy::read),
        }
    }
}

impl Admin {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            listen: table.optional("listen"),
            socket_mode: table.or("socket_mode", Mode(0o600)),
            token_file: table.optional("token_file"),
            hosts: table.list("hosts"),
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
            record_layer: table.or("record_layer", Layer::Tlsgate),
            shutdown_timeout: table.or("shutdown_timeout", Duration::from_secs(30)),
        }
    }
}
