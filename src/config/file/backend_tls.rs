//! `tls` of a `[backend.NAME]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::file::revocation::Revocation;
use crate::config::located::Located;
use crate::config::values::health::Pinned;
use crate::passphrase::Source as Passphrase;
use crate::starttls::protocol::BackendProtocol;
use crate::tls::handshake::connect::Alpn;
use crate::tls::policy::aws;

/// `tls` of a `[backend.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub here: Located<()>,
    pub starttls: Option<Located<BackendProtocol>>,
    pub ca: Option<Located<String>>,
    pub revocation: Revocation,
    pub pins: Option<Vec<Located<Pinned>>>,
    pub server_name: Option<Located<String>>,
    pub cert: Option<Located<String>>,
    pub key: Option<Located<String>>,
    pub passphrase: Option<Located<Passphrase>>,
    pub policy: Located<String>,
    pub alpn: Located<Alpn>,
}

impl Tls {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            starttls: table.optional("starttls"),
            ca: table.optional("ca"),
            revocation: Revocation::read(table),
            pins: table.list("pins"),
            server_name: table.optional("server_name"),
            cert: table.optional("cert"),
            key: table.optional("key"),
            passphrase: table.optional("passphrase"),
            policy: table.or("policy", aws::DEFAULT.to_owned()),
            alpn: table.or("alpn", Alpn::Fixed(Vec::new())),
        }
    }
}
