//! A health check's settings, and the files that they name → a check that can be made. Must not know: who makes it.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::backend::health::check::{Check, Tls};
use crate::backend::health::kind::{Http, Kind, Ldap, Password};
use crate::config::located::Located;
use crate::config::validate::health::{Health, Tls as TlsSettings};
use crate::config::values::health::CheckType;
use crate::net::proxy_protocol::write::{self, Version};
use crate::snapshot::certificates::Certificates;
use crate::tls::crypto;
use crate::tls::handshake::connect::{Alpn, Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::trust::servers::Trust;

/// Reads what is needed; `reading` remembers everything that is wrong.
pub(super) fn check(
    health: &Health,
    version: Version,
    layer: Layer,
    reading: &mut Certificates<'_>,
) -> Option<Arc<Check>> {
    // On another port servers do not expect the PROXY protocol.
    let version = if health.port.is_some() { Version::Off } else { version };
    let mut identity = format!("{:?} {version:?}", without_places(health));
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
                    // A line's end is an editor's, not the password's.
                    let password = text.strip_suffix('\n').unwrap_or(&text);
                    let password = password.strip_suffix('\r').unwrap_or(password);
                    if password.is_empty() {
                        // A bind without a password is an anonymous one, which succeeds (RFC 4513 section 5.1.2).
                        reading.errors.push(bind.password_file.error("holds no password"));
                        return None;
                    }
                    mark(&mut identity, password.as_bytes());
                    Some((bind.dn.clone(), Password(password.as_bytes().to_vec())))
                }
                None => None,
            };
            Kind::Ldap(Ldap { bind })
        }
    };
    let tls = match &health.tls {
        Some(settings) => Some(tls(health, settings, layer, &mut identity, reading)?),
        None => None,
    };
    Some(Arc::new(Check {
        kind,
        tls,
        preface: write::local(version),
        port: health.port,
        interval: health.interval,
        jitter: health.jitter,
        timeout: health.timeout,
        rise: health.rise,
        fall: health.fall,
        identity,
    }))
}

fn tls(
    health: &Health,
    settings: &TlsSettings,
    layer: Layer,
    identity: &mut String,
    reading: &mut Certificates<'_>,
) -> Option<Tls> {
    // Writing to a String does not fail.
    let _ = write!(identity, " {layer:?}");
    let mut trust = Trust { roots: Vec::new(), pins: settings.pins.clone() };
    if let Some(file) = &settings.ca {
        trust.roots = reading.trusted(file)?;
        trust.roots.iter().for_each(|root| mark(identity, root));
    }
    let place = settings.ca.as_ref().map_or_else(|| health.here.clone(), Located::place);
    let connector = Connector::new(Terms {
        policy: None,
        trust: &trust,
        server_name: settings.server_name.clone(),
        certificate: None,
        alpn: Alpn::Fixed(Vec::new()),
        layer,
    });
    match connector {
        Ok(connector) => Some(Tls { connector, start_tls: settings.start_tls }),
        Err(error) => {
            reading.errors.push(place.error(error.to_string()));
            None
        }
    }
}

/// A line that moves in the file does not make another check.
fn without_places(health: &Health) -> impl std::fmt::Debug + use<'_> {
    let tls = health.tls.as_ref();
    let tls = tls.map(|tls| (tls.start_tls, tls.ca.as_ref().map(|ca| &ca.value), &tls.pins, &tls.server_name));
    let bind = health.bind.as_ref().map(|bind| (&bind.dn, &bind.password_file.value));
    let times = (health.interval, health.jitter, health.timeout, health.rise, health.fall);
    (health.kind, health.port, times, tls, &health.http, bind)
}

/// Adds the contents of a file to what makes a check the same one, and keeps them secret.
fn mark(identity: &mut String, contents: &[u8]) {
    for byte in crypto::sha256(contents) {
        // Writing to a String does not fail.
        let _ = write!(identity, "{byte:02x}");
    }
}
