//! `[admin]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::file::client_auth::ClientAuth;
use crate::config::located::Located;
use crate::config::values::certificates::CertificateSource;
use crate::config::values::{HostName, Mode};
use crate::net::endpoint::Endpoint;
use crate::tls::policy::aws;

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: Option<Located<Endpoint>>,
    pub probes: Option<Located<Endpoint>>,
    pub socket_mode: Located<Mode>,
    pub token_file: Option<Located<String>>,
    pub hosts: Option<Vec<Located<HostName>>>,
    pub tls: Option<Tls>,
}

/// `[admin.tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub here: Located<()>,
    pub certificates: Option<Vec<Located<CertificateSource>>>,
    pub policy: Located<String>,
    pub client_auth: ClientAuth,
}

impl Admin {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            listen: table.optional("listen"),
            probes: table.optional("probes"),
            // Every program that can open the socket can change the state: by default only those of the same user.
            socket_mode: table.or("socket_mode", Mode(0o600)),
            token_file: table.optional("token_file"),
            hosts: table.list("hosts"),
            tls: table.optional_table("tls", Tls::read),
        }
    }
}

impl Tls {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            certificates: table.list("certificates"),
            policy: table.or("policy", aws::DEFAULT.to_owned()),
            client_auth: table.table("client_auth", ClientAuth::of_admin),
        }
    }
}
