//! TLS to a backend, as far as it can be validated without opening a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::validate::policy::Policies;
use crate::config::validate::revocation::{self, Home, Lists};
use crate::passphrase::Source as Passphrase;
use crate::starttls::protocol::Protocol;
use crate::tls::certificate::place::KeyPlace;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::source::pair::Pair;
use crate::tls::handshake::connect::Alpn;
use crate::tls::policy::Policy;
use crate::tls::trust::servers::Pin;

/// `tls` of a `[backend.NAME]`, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub here: Located<()>,
    /// The protocol in which the servers are asked for TLS; `None` where TLS begins at once.
    pub starttls: Option<Protocol>,
    pub ca: Option<Located<PathBuf>>,
    /// The lists by which certificates below `ca` are judged.
    pub lists: Lists,
    pub pins: Vec<Pin>,
    pub server_name: ServerName<'static>,
    /// Sent to servers that request a certificate.
    pub certificate: Option<Located<Source>>,
    pub policy: Arc<Policy>,
    pub alpn: Alpn,
}

pub(super) fn validated(
    tls: file::backend_tls::Tls,
    default_name: Option<&str>,
    home: Home<'_>,
    policies: &Policies,
    errors: &mut Vec<ConfigError>,
) -> Option<Tls> {
    let here = tls.here;
    let found = errors.len();
    if tls.ca.is_none() && tls.pins.is_none() {
        errors.push(here.error("no trusted certificate or key is given (expected ca, pins or both)"));
    }
    let server_name = match (&tls.server_name, default_name.map(|name| ServerName::try_from(name.to_owned()))) {
        (None, Some(Ok(name))) => Some(name),
        (None, _) => {
            errors.push(here.error("\"server_name\" is missing (expected the name in the servers' certificate)"));
            None
        }
        (Some(name), _) => {
            let parsed = ServerName::try_from(name.value.clone()).ok();
            if parsed.is_none() {
                errors.push(name.error(format!("found {:?}, expected a DNS name or an IP address", name.value)));
            }
            parsed
        }
    };
    let starttls = tls.starttls.map(|protocol| protocol.value.into());
    let certificate = certificate((tls.cert, tls.key, tls.passphrase), home.folder, errors);
    let policy = policies.named(&tls.policy, errors);
    let lists = revocation::required(tls.revocation, tls.ca.is_some(), home, errors);
    let ca = tls.ca.map(|written| paths::file(written, home.folder));
    let pins = tls.pins.into_iter().flatten().map(|pinned| pinned.value.0).collect();
    let (server_name, policy) = (server_name?, policy?);
    let alpn = tls.alpn.value;
    (errors.len() == found).then_some(Tls { here, starttls, ca, lists, pins, server_name, certificate, policy, alpn })
}

/// The certificate for servers that ask for one: with its key, or none at all.
fn certificate(
    (cert, key, passphrase): (Option<Located<String>>, Option<Located<String>>, Option<Located<Passphrase>>),
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<Source>> {
    match (cert, key) {
        (Some(cert), Some(key)) => {
            // It is never chosen by name: a server requests any certificate.
            let names = Some(Vec::new());
            let place = KeyPlace::parse(&key.value).map_err(|why| errors.push(key.error(why))).ok()?;
            if let Some(passphrase) =
                passphrase.as_ref().filter(|_| place.token().is_some_and(|key| key.uri.pin.is_some()))
            {
                errors.push(passphrase.error("the URI of the key has a pin-source as well (expected one of them)"));
                return None;
            }
            let pair = Pair {
                cert: cert.value.into(),
                key: place,
                chain: None,
                names,
                default: false,
                passphrase: passphrase.map(|passphrase| passphrase.value),
            };
            Some(Located { value: Source::pair(pair).below(folder), at: cert.at, path: cert.path })
        }
        (Some(alone), None) => {
            errors.push(alone.error("is given without its key (expected key = \"x.key\" as well)"));
            None
        }
        (None, Some(alone)) => {
            errors.push(alone.error("is given without its certificate (expected cert = \"x.crt\" as well)"));
            None
        }
        (None, None) => {
            if let Some(alone) = passphrase {
                errors.push(
                    alone.error("is given without a key (expected cert = \"x.crt\" and key = \"x.key\" as well)"),
                );
            }
            None
        }
    }
}
