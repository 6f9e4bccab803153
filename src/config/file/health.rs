//! `[backend.NAME.health]` as written. Must not know: which key belongs to which type.

use std::time::Duration;

use crate::config::decode::Table;
use crate::config::file::revocation::Revocation;
use crate::config::located::Located;
use crate::config::values::health::{CheckType, Pinned, Port, StatusRange};

/// `[backend.NAME.health]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub here: Located<()>,
    pub kind: Option<Located<CheckType>>,
    pub interval: Located<Duration>,
    pub timeout: Located<Duration>,
    pub rise: Located<usize>,
    pub fall: Located<usize>,
    pub jitter: Option<Located<Duration>>,
    pub port: Option<Located<Port>>,
    pub tls: Option<Located<bool>>,
    pub start_tls: Option<Located<bool>>,
    pub ca: Option<Located<String>>,
    pub revocation: Revocation,
    pub pins: Option<Vec<Located<Pinned>>>,
    pub server_name: Option<Located<String>>,
    pub verify: Option<Located<bool>>,
    pub method: Option<Located<String>>,
    pub path: Option<Located<String>>,
    pub host: Option<Located<String>>,
    pub status: Option<Vec<Located<StatusRange>>>,
    pub body: Option<Located<String>>,
    pub bind_dn: Option<Located<String>>,
    pub password_file: Option<Located<String>>,
}

impl Health {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            kind: table.required("type"),
            interval: table.or("interval", Duration::from_secs(5)),
            timeout: table.or("timeout", Duration::from_secs(2)),
            rise: table.or("rise", 2),
            fall: table.or("fall", 3),
            jitter: table.optional("jitter"),
            port: table.optional("port"),
            tls: table.optional("tls"),
            start_tls: table.optional("start_tls"),
            ca: table.optional("ca"),
            revocation: Revocation::read(table),
            pins: table.list("pins"),
            server_name: table.optional("server_name"),
            verify: table.optional("verify"),
            method: table.optional("method"),
            path: table.optional("path"),
            host: table.optional("host"),
            status: table.list("status"),
            body: table.optional("body"),
            bind_dn: table.optional("bind_dn"),
            password_file: table.optional("password_file"),
        }
    }
}
