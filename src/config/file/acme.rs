//! `[acme.NAME]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::acme::settings::{ChallengeKind, TsigAlgorithm};
use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::TcpEndpoint;
use crate::config::values::health::Port;

/// `[acme.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    pub here: Located<()>,
    pub name: String,
    pub directory: Option<Located<String>>,
    pub contact: Option<Vec<Located<String>>>,
    pub accept_terms: Located<bool>,
    pub ca: Option<Located<String>>,
    pub eab: Option<Eab>,
    pub profile: Option<Located<String>>,
    pub challenges: Option<Vec<Located<ChallengeKind>>>,
    pub dns: Option<Dns>,
    pub http: Option<Vec<Located<TcpEndpoint>>>,
    pub tls_port: Option<Located<Port>>,
    pub http_port: Option<Located<Port>>,
    pub check: Located<bool>,
    pub timeout: Located<Duration>,
    pub fallback: Option<Vec<Located<String>>>,
}

/// `eab` of an `[acme.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eab {
    pub kid: Option<Located<String>>,
    pub key_file: Option<Located<String>>,
}

/// `dns` of an `[acme.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    pub here: Located<()>,
    /// An address, as in [`NameServer`](crate::config::values::resolver::NameServer).
    pub server: Option<Located<String>>,
    pub zone: Option<Located<String>>,
    pub tsig_name: Option<Located<String>>,
    pub tsig_key_file: Option<Located<String>>,
    pub tsig_algorithm: Option<Located<TsigAlgorithm>>,
    pub program: Option<Located<String>>,
}

impl Acme {
    pub(super) fn read(name: &str, table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            name: name.to_owned(),
            directory: table.required("directory"),
            contact: table.list("contact"),
            accept_terms: table.or("accept_terms", false),
            ca: table.optional("ca"),
            eab: table.optional_table("eab", Eab::read),
            profile: table.optional("profile"),
            challenges: table.list("challenges"),
            dns: table.optional_table("dns", Dns::read),
            http: table.list("http"),
            tls_port: table.optional("tls_port"),
            http_port: table.optional("http_port"),
            check: table.or("check", true),
            timeout: table.or("timeout", Duration::from_secs(30)),
            fallback: table.list("fallback"),
        }
    }
}

impl Eab {
    fn read(table: &mut Table<'_>) -> Self {
        Self { kid: table.required("kid"), key_file: table.required("key_file") }
    }
}

impl Dns {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            server: table.optional("server"),
            zone: table.optional("zone"),
            tsig_name: table.optional("tsig_name"),
            tsig_key_file: table.optional("tsig_key_file"),
            tsig_algorithm: table.optional("tsig_algorithm"),
            program: table.optional("program"),
        }
    }
}
