//! Which admin server is trusted, and under which name, and the certificate that is presented to it. Must not know: HTTP,
//! what is asked for.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::cli::running::place::Place;
use crate::config::validate::admin::Admin;
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::place::KeyPlace;
use crate::tls::certificate::source::pair::Pair;
use crate::tls::certificate::source::{Source, folder};
use crate::tls::certificate::store::{self, Store};
use crate::tls::handshake::connect::{Alpn, Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::trust::roots;
use crate::tls::trust::servers::{self, Trust};

/// Files that the command line names.
#[derive(Debug)]
pub(super) struct Named {
    /// Certificates that are trusted.
    pub(super) ca: Option<PathBuf>,
    /// The client's certificate, and its key; without the second, the key is in the same file.
    pub(super) client: Option<(PathBuf, Option<PathBuf>)>,
}

/// Two ways to connect to the same server.
pub(super) struct Connectors {
    pub(super) strict: Connector,
    /// Trusts everyone, to see whom there is. Nothing may be sent over it.
    pub(super) curious: Connector,
    /// Whom the first one trusts, for an error.
    pub(super) expected: String,
}

/// How to connect to `place`, with `admin` as it is configured, if a configuration was named.
pub(super) fn connectors(place: &Place, named: &Named, admin: Option<&Admin>) -> Result<Connectors, String> {
    let own = admin.map(own).transpose()?.flatten();
    let name = name(place, own.as_ref().map_or(&[][..], |own| &own.certificates));
    let (trust, expected) = match (&named.ca, own) {
        (Some(file), _) => {
            (by(roots::of(Some(file)).map_err(|none| none.to_string())?), format!("one that {} trusts", file.display()))
        }
        (None, Some(own)) => {
            let expected = format!("one that {} trusts, which [admin.tls] names", own.places);
            // A certificate without names can only be known by its key.
            (if name.is_some() { by(own.certificates) } else { by_key(&own.certificates) }, expected)
        }
        (None, None) => {
            (by(roots::of(None).map_err(|none| none.under("--ca"))?), "one that this system trusts".to_owned())
        }
    };
    let expected = match &name {
        Some(name) => format!("{expected}, with the name {}", name.to_str()),
        None => expected,
    };
    let certificate = named.client.as_ref().map(|(cert, key)| client(cert, key.as_deref())).transpose()?;
    let connector = |trust: &Trust| {
        let terms = Terms {
            policy: None,
            trust,
            server_name: name.clone(),
            certificate: certificate.as_deref(),
            alpn: Alpn::Fixed(vec![b"http/1.1".to_vec()]),
            layer: Layer::Tlsgate,
        };
        Connector::new(terms).map_err(|error| error.to_string())
    };
    Ok(Connectors { strict: connector(&trust)?, curious: connector(&Trust::default())?, expected })
}

fn by(roots: Vec<CertificateDer<'static>>) -> Trust {
    Trust { roots, ..Trust::default() }
}

fn by_key(certificates: &[CertificateDer<'static>]) -> Trust {
    Trust { pins: certificates.iter().filter_map(|one| servers::pin(one)).collect(), ..Trust::default() }
}

/// The certificates that the configuration names for the admin server.
struct Own {
    certificates: Vec<CertificateDer<'static>>,
    /// The files that they are from.
    places: String,
}

/// `None` where the admin server has no TLS.
fn own(admin: &Admin) -> Result<Option<Own>, String> {
    let Some(tls) = &admin.tls else { return Ok(None) };
    let watched = tls.certificates.iter().map(|source| source.value.watched());
    let mut files = Vec::new();
    for place in watched.flat_map(|watched| watched.files.into_iter().chain(watched.folders)) {
        match folder::files(&place) {
            Ok(found) if place.is_dir() => files.extend(found.into_iter().map(|(file, _)| file)),
            _ => files.push(place),
        }
    }
    // Keys are among them, and whoever runs this may not be permitted to read those: only certificates are needed.
    let found: Vec<_> = files.iter().filter_map(|file| Some((file, roots::of(Some(file)).ok()?))).collect();
    let places = found.iter().map(|(file, _)| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let certificates: Vec<_> = found.into_iter().flat_map(|(_, certificates)| certificates).collect();
    match certificates.is_empty() {
        true => Err(format!(
            "{}: no certificate of the admin server can be read (expected in {}; --ca can name another file to trust)",
            tls.here.path,
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
        )),
        false => Ok(Some(Own { certificates, places })),
    }
}

/// The name that the server's certificate must have: the host that was asked for, or where that is an address that is in
/// none of the server's own certificates, a name of these. `None` where they have no names at all.
fn name(place: &Place, own: &[CertificateDer<'_>]) -> Option<ServerName<'static>> {
    let Place::Tcp { host, .. } = place else { return None };
    let asked = ServerName::try_from(host.clone()).ok();
    if place.ip().is_none() || own.is_empty() {
        return asked;
    }
    let facts =
        own.iter().filter_map(|der| Facts::of(der).ok()).filter(|facts| !facts.is_ca || !facts.names.is_empty());
    let names: Vec<String> = facts.flat_map(|facts| facts.names).collect();
    if names.contains(host) {
        return asked;
    }
    // Any label stands for the wildcard.
    let first = names.first().map(|name| name.strip_prefix("*.").map_or(name.clone(), |rest| format!("admin.{rest}")));
    first.and_then(|name| ServerName::try_from(name).ok())
}

/// The certificate that is presented, with its key.
fn client(cert: &Path, key: Option<&Path>) -> Result<std::sync::Arc<CertifiedKey>, String> {
    // It is never chosen by name.
    let (key, names) = (KeyPlace::File(key.unwrap_or(cert).into()), Some(Vec::new()));
    let source = Source::pair(Pair { cert: cert.into(), key, chain: None, names, default: false, passphrase: None });
    let store = Store::default();
    let mut loading = store.loading(store::Trust::Bytes, Timestamp::now().into(), &[]);
    let loaded = source.load(&mut loading).map_err(|error| error.to_string())?;
    let first = loaded.items.into_iter().next();
    let first = first.ok_or_else(|| format!("{}: found no certificate with its key", cert.display()))?;
    Ok(std::sync::Arc::clone(&first.entry.certificate.key))
}
