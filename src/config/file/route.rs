//! `[[listener.route]]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::config::decode::{Entry, Table};
use crate::config::file::client_auth::ClientAuth;
use crate::config::file::limits::Limits;
use crate::config::located::Located;
use crate::config::values::Protocols;
use crate::config::values::certificates::CertificateSource;
use crate::config::values::labels::LabelValue;
use crate::config::values::weighted::Weighted;
use crate::route::index::Mode;

/// `[[listener.route]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub here: Located<()>,
    pub name: Option<Located<String>>,
    pub labels: Option<Located<Vec<Entry<LabelValue>>>>,
    pub server_names: Option<Vec<Located<String>>>,
    pub no_server_name: Located<bool>,
    pub client_alpn: Option<Located<Protocols>>,
    pub mode: Located<Mode>,
    pub backend: Option<Located<String>>,
    pub backends: Option<Vec<Located<Weighted>>>,
    pub policy: Option<Located<String>>,
    pub certificates: Option<Vec<Located<CertificateSource>>>,
    pub alpn: Option<Located<Protocols>>,
    pub client_auth: Option<ClientAuth>,
    pub max_connection_age: Option<Located<Duration>>,
    pub limits: Limits,
}

impl Route {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let name = table.optional::<String>("name");
        let server_names = table.list::<String>("server_names");
        let first = || server_names.as_ref().and_then(|names| names.first());
        // Errors show the route by its first server name where it has no name.
        if let Some(name) = name.as_ref().or_else(first) {
            let (listener, _) = table.path().rsplit_once(": ").unwrap_or_default();
            table.rename(format!("{listener}: route {:?}", name.value));
        }
        Self {
            here: table.here(),
            name,
            labels: table.entries("labels"),
            server_names,
            no_server_name: table.or("no_server_name", false),
            client_alpn: table.optional("client_alpn"),
            mode: table.or("mode", Mode::Terminate),
            backend: table.optional("backend"),
            backends: table.list("backends"),
            policy: table.optional("policy"),
            certificates: table.list("certificates"),
            alpn: table.optional("alpn"),
            client_auth: table.optional_table("client_auth", ClientAuth::read),
            max_connection_age: table.optional("max_connection_age"),
            limits: Limits::read(table, None),
        }
    }
}
