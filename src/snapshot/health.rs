//! A health check's settings, and the files that they name → a check that can be made. Must not know: when it is made.

use std::net::IpAddr;
use std::sync::Arc;

use crate::backend::health::check::{Check, Tls};
use crate::backend::health::kind::{Http, Kind, Ldap, Password};
use crate::config::located::Located;
use crate::config::validate::health::{Health, Tls as TlsSettings};
use crate::config::values::health::CheckType;
use crate::net::proxy_protocol::write::{self, Version};
use crate::snapshot::backend_lists;
use crate::snapshot::reading::Reading;
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::connect::{self, Alpn, Connector};
use crate::tls::record::Layer;
use crate::tls::trust::servers::Trust;

/// How a backend's servers are connected to, as far as a check does it in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The PROXY header.
    pub(super) version: Version,
    /// The protocol in which they are asked for TLS.
    pub(super) starttls: Option<Protocol>,
    /// The address that they are connected to from; `None` where the kernel chooses it.
    pub(super) source: Option<IpAddr>,
    pub(super) layer: Layer,
}

/// Reads the files that a check needs. `None` where something is wrong, which adds an error to `reading`.
pub(super) fn check(health: &Health, terms: Terms, reading: &mut Reading<'_>) -> Option<Arc<Check>> {
    // A port for checks alone is usually served without the PROXY protocol, and TLS begins on it at once.
    let Terms { version, starttls, source, layer } = match health.port {
        Some(_) => Terms { version: Version::Off, starttls: None, ..terms },
        None => terms,
    };
    let kind = match (health.kind, &health.http) {
        (CheckType::Tcp, _) => Kind::Tcp,
        (CheckType::Tls, _) => Kind::Tls,
        (CheckType::Http, Some(http)) => Kind::Http(Http {
            method: http.method.clone(),
            path: http.path.clone(),
            host: http.host.clone(),
            status: http.status.iter().map(|range| (range.0, range.1)).collect(),
            body: http.body.clone(),
        }),
        (CheckType::Http, None) => return None,
        (CheckType::Ldap, _) => {
            let bind = match &health.bind {
                Some(bind) => {
                    let text = reading.secret(&bind.password_file)?;
                    // The line break at the end comes from an editor and is not part of the password.
                    let password = text.strip_suffix('\n').unwrap_or(&text);
                    let password = password.strip_suffix('\r').unwrap_or(password);
                    if password.is_empty() {
                        // A bind without a password is an anonymous one, which succeeds (RFC 4513 section 5.1.2).
                        reading.errors.push(bind.password_file.error("holds no password"));
                        return None;
                    }
                    Some((bind.dn.clone(), Password(password.as_bytes().to_vec().into())))
                }
                None => None,
            };
            Kind::Ldap(Ldap { bind })
        }
    };
    let tls = match &health.tls {
        Some(settings) => {
            let starttls = match health.kind {
                CheckType::Tls => starttls,
                _ => settings.start_tls.then_some(Protocol::Ldap),
            };
            Some(Tls { connector: connector(health, settings, layer, reading)?, starttls })
        }
        None => None,
    };
    Some(Arc::new(Check {
        kind,
        tls,
        preface: write::local(version),
        port: health.port,
        source,
        interval: health.interval,
        jitter: health.jitter,
        timeout: health.timeout,
        rise: health.rise,
        fall: health.fall,
    }))
}

fn connector(health: &Health, settings: &TlsSettings, layer: Layer, reading: &mut Reading<'_>) -> Option<Connector> {
    let lists = reading.lists(&settings.lists);
    let revocation = backend_lists::revocation(&lists, &settings.lists, reading);
    let mut trust = Trust { roots: Vec::new(), pins: settings.pins.clone(), revocation };
    if let Some(file) = &settings.ca {
        trust.roots = reading.trusted(file)?;
    }
    let place = settings.ca.as_ref().map_or_else(|| health.here.clone(), Located::place);
    let connector = Connector::new(connect::Terms {
        policy: None,
        trust: &trust,
        server_name: settings.server_name.clone(),
        certificate: None,
        alpn: Alpn::Fixed(Vec::new()),
        layer,
    });
    match connector {
        Ok(connector) => {
            backend_lists::report(&connector, &lists, &place, reading);
            Some(connector)
        }
        Err(error) => {
            reading.errors.extend(backend_lists::errors(&error, &lists, &place));
            None
        }
    }
}
