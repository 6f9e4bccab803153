//! `[[listener]]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use ipnet::IpNet;

use crate::config::decode::{Entry, Table};
use crate::config::file::client_auth::ClientAuth;
use crate::config::file::limits::Limits;
use crate::config::file::route::Route;
use crate::config::located::Located;
use crate::config::values::certificates::CertificateSource;
use crate::config::values::labels::LabelValue;
use crate::config::values::limits::ProxyHeader;
use crate::config::values::weighted::Weighted;
use crate::config::values::{Mode, Protocols};
use crate::net::endpoint::Endpoint;
use crate::route::index::Mode as RouteMode;
use crate::starttls::protocol::Protocol;
use crate::tls::certificate::select::UnknownName;
use crate::tls::policy::aws;

/// `[[listener]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub here: Located<()>,
    pub name: Option<Located<String>>,
    pub labels: Option<Located<Vec<Entry<LabelValue>>>>,
    pub listen: Option<Vec<Located<Endpoint>>>,
    pub socket_mode: Located<Mode>,
    pub policy: Located<String>,
    pub certificates: Option<Vec<Located<CertificateSource>>>,
    pub unknown_name: Located<UnknownName>,
    pub require_sni: Located<bool>,
    pub limits: Limits,
    pub proxy_protocol: Located<ProxyHeader>,
    pub trusted_proxies: Option<Vec<Located<IpNet>>>,
    pub starttls: Option<Located<Protocol>>,
    pub handshake_timeout: Located<Duration>,
    pub idle_timeout: Located<Duration>,
    pub half_close_timeout: Located<Duration>,
    pub max_connection_age: Option<Located<Duration>>,
    pub session_tickets: Located<bool>,
    pub ticket_lifetime: Located<Duration>,
    pub ticket_rotation: Located<Duration>,
    pub ticket_keys: Option<Vec<Located<String>>>,
    pub client_auth: ClientAuth,
    pub alpn: Located<Protocols>,
    pub mode: Option<Located<RouteMode>>,
    pub backend: Option<Located<String>>,
    pub backends: Option<Vec<Located<Weighted>>>,
    pub not_tls: Option<Located<String>>,
    pub routes: Vec<Route>,
}

impl Listener {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let name = table.required::<String>("name");
        if let Some(name) = &name {
            table.rename(format!("listener {:?}", name.value));
        }
        Self {
            here: table.here(),
            name,
            labels: table.entries("labels"),
            listen: table.list("listen"),
            // Only for the user that runs tlsgate, unless the operator allows more.
            socket_mode: table.or("socket_mode", Mode(0o600)),
            policy: table.or("policy", aws::DEFAULT.to_owned()),
            certificates: table.list("certificates"),
            unknown_name: table.or("unknown_name", UnknownName::Default),
            require_sni: table.or("require_sni", false),
            limits: Limits::read(table, Some(10_000)),
            proxy_protocol: table.or("proxy_protocol", ProxyHeader::Off),
            trusted_proxies: table.list("trusted_proxies"),
            starttls: table.optional("starttls"),
            handshake_timeout: table.or("handshake_timeout", Duration::from_secs(10)),
            idle_timeout: table.or("idle_timeout", Duration::from_secs(3600)),
            half_close_timeout: table.or("half_close_timeout", Duration::from_secs(60)),
            max_connection_age: table.optional("max_connection_age"),
            session_tickets: table.or("session_tickets", true),
            ticket_lifetime: table.or("ticket_lifetime", Duration::from_secs(12 * 3600)),
            ticket_rotation: table.or("ticket_rotation", Duration::from_secs(12 * 3600)),
            ticket_keys: table.list("ticket_keys"),
            client_auth: table.table("client_auth", ClientAuth::read),
            alpn: table.or("alpn", Protocols::default()),
            mode: table.optional("mode"),
            backend: table.optional("backend"),
            backends: table.list("backends"),
            not_tls: table.optional("not_tls"),
            routes: table.tables("route", Route::read),
        }
    }
}
