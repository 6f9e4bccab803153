//! The configuration as written, and every default. `config/reference.toml` lists the same, and a test compares them.
//! Must not know: how keys depend on each other.

use crate::config::decode::outline::Outline;
use crate::config::decode::{self, Table};
use crate::config::located::{ConfigError, Text};

pub mod acme;
pub mod admin;
pub mod backend;
pub mod backend_tls;
pub mod bounds;
pub mod client_auth;
pub mod crl;
pub mod fleet;
pub mod health;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod log;
pub mod policy;
pub mod process;
pub mod resolver;
pub mod revocation;
pub mod route;
pub mod runtime;
pub mod state;

use acme::Acme;
use admin::Admin;
use backend::Backend;
use bounds::Bounds;
use crl::Crl;
use keys::Keys;
use listener::Listener;
use log::Log;
use policy::Policy;
use process::Process;
use resolver::Resolver;
use runtime::Runtime;
use state::State;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub admin: Admin,
    pub log: Log,
    pub process: Process,
    pub runtime: Runtime,
    pub bounds: Bounds,
    pub resolver: Resolver,
    pub state: State,
    pub keys: Keys,
    pub crl: Crl,
    pub acme: Vec<Acme>,
    pub listeners: Vec<Listener>,
    pub backends: Vec<Backend>,
    pub policies: Vec<Policy>,
}

impl File {
    /// Reads the text. Returns what could be read, and an error for everything that could not. Where the text is not TOML,
    /// only that is reported, since errors that follow from it would mislead.
    pub fn decode(text: &str) -> Result<(Self, Vec<ConfigError>), Vec<ConfigError>> {
        decode::document(Text::Configuration, text, Self::read)
    }

    /// Every key that a file may have.
    pub fn outline() -> Outline {
        Table::outline_of(Self::read)
    }

    fn read(root: &mut Table<'_>) -> Self {
        Self {
            admin: root.table("admin", Admin::read),
            log: root.table("log", Log::read),
            process: root.table("process", Process::read),
            runtime: root.table("runtime", Runtime::read),
            bounds: root.table("limits", Bounds::read),
            resolver: root.table("resolver", Resolver::read),
            state: root.table("state", State::read),
            keys: root.table("keys", Keys::read),
            crl: root.table("crl", Crl::read),
            acme: root.named_tables("acme", Acme::read),
            listeners: root.tables("listener", Listener::read),
            backends: root.named_tables("backend", Backend::read),
            policies: root.named_tables("policy", Policy::read),
        }
    }
}
