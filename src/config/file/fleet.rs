//! `fleet.toml` as written: what one machine of a fleet has of its own. `config/fleet.toml` lists the same, and a test compares
//! them. Must not know: how keys depend on each other, what a release has.

use std::time::Duration;

use crate::config::decode::outline::Outline;
use crate::config::decode::{self, Entry, Table};
use crate::config::file::admin::Admin;
use crate::config::file::bounds::Bounds;
use crate::config::file::log::Log;
use crate::config::file::process::Process;
use crate::config::file::runtime::Runtime;
use crate::config::file::state::State;
use crate::config::located::{ConfigError, Located, Text};
use crate::config::values::fleet::{Addresses, Member};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFile {
    pub fleet: Fleet,
    pub listen: Vec<Entry<Addresses>>,
    pub state: State,
    // Each takes the place of the release's as a whole.
    pub admin: Option<Admin>,
    pub log: Option<Log>,
    pub process: Option<Process>,
    pub runtime: Option<Runtime>,
    pub bounds: Option<Bounds>,
}

/// `[fleet]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    pub here: Located<()>,
    pub node: Option<Located<String>>,
    pub etcd: Option<Vec<Located<Member>>>,
    pub prefix: Located<String>,
    pub ca: Option<Located<String>>,
    pub cert: Option<Located<String>>,
    pub key: Option<Located<String>>,
    pub username: Option<Located<String>>,
    pub password_file: Option<Located<String>>,
    pub secret_file: Option<Located<String>>,
    pub timeout: Located<Duration>,
}

impl FleetFile {
    /// Reads the text as [`File::decode`](super::File::decode) does.
    pub fn decode(text: &str) -> Result<(Self, Vec<ConfigError>), Vec<ConfigError>> {
        decode::document(Text::Machine, text, Self::read)
    }

    /// Every key that a file may have.
    pub fn outline() -> Outline {
        Table::outline_of(Self::read)
    }

    fn read(root: &mut Table<'_>) -> Self {
        Self {
            fleet: root.table("fleet", Fleet::read),
            listen: root.entries("listen").map_or_else(Vec::new, |listen| listen.value),
            state: root.table("state", State::read),
            admin: root.optional_table("admin", Admin::read),
            log: root.optional_table("log", Log::read),
            process: root.optional_table("process", Process::read),
            runtime: root.optional_table("runtime", Runtime::read),
            bounds: root.optional_table("limits", Bounds::read),
        }
    }
}

impl Fleet {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            node: table.optional("node"),
            etcd: table.list("etcd"),
            prefix: table.or("prefix", "/tlsgate".to_owned()),
            ca: table.optional("ca"),
            cert: table.optional("cert"),
            key: table.optional("key"),
            username: table.optional("username"),
            password_file: table.optional("password_file"),
            secret_file: table.required("secret_file"),
            timeout: table.or("timeout", Duration::from_secs(5)),
        }
    }
}
