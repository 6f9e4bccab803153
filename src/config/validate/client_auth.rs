//! The requirements for client certificates, as far as they can be validated without opening a file.

use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths::files;
use crate::tls::trust::clients::identity::Allowed;
use crate::tls::trust::clients::settings::{Live, Settings};

/// `client_auth` of a listener or a route that asks clients for a certificate.
#[derive(Debug, Clone)]
pub struct ClientAuth {
    pub here: Located<()>,
    pub settings: Settings,
    /// Files with the certificates of CAs.
    pub ca: Vec<Located<PathBuf>>,
    /// Files with lists of revoked certificates.
    pub crl: Vec<Located<PathBuf>>,
    /// Files with more pins. With one of them, a key must be pinned, however many pins there are.
    pub pins_file: Vec<Located<PathBuf>>,
    /// `None` where open connections are never judged again.
    pub live: Option<Live>,
}

/// The requirements without their places in the file: the settings, the files of CAs, those of lists, and those of pins.
pub type Asked<'a> = (&'a Settings, Vec<&'a PathBuf>, Vec<&'a PathBuf>, Vec<&'a PathBuf>);

impl ClientAuth {
    /// The requirements, equal for all listeners and routes that have the same.
    pub fn asked(&self) -> Asked<'_> {
        (&self.settings, paths(&self.ca), paths(&self.crl), paths(&self.pins_file))
    }

    /// The files with CAs, with lists of revoked certificates and with pins.
    pub fn files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        self.ca.iter().chain(&self.crl).chain(&self.pins_file)
    }
}

fn paths(files: &[Located<PathBuf>]) -> Vec<&PathBuf> {
    files.iter().map(|file| &file.value).collect()
}

/// `None` where clients are not asked for a certificate.
pub(super) fn validated(
    written: file::client_auth::ClientAuth,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<ClientAuth> {
    let file::client_auth::ClientAuth { here, mode, ca, crl, crl_expired, names, pins, pins_file, live } = written;
    let (ca, crl, pins_file) = (files(ca, folder), files(crl, folder), files(pins_file, folder));
    let before = errors.len();
    let mut allowed = Vec::new();
    for name in names.iter().flatten() {
        match Allowed::parse(&name.value) {
            Ok(rule) => allowed.push(rule),
            Err(fault) => errors.push(name.error(fault.to_string())),
        }
    }
    // With mode "off" the other keys may stay in the file, but must be valid: they can be switched on again.
    let demand = mode.value.0?;
    if ca.is_empty() && errors.len() == before {
        errors.push(
            here.error("\"ca\" is missing (expected a file with the certificates of the CAs that issue to clients)"),
        );
    }
    let settings = Settings {
        demand,
        expired_crl: crl_expired.value,
        names: allowed,
        pins: pins.into_iter().flatten().map(|pin| pin.value.0).collect(),
    };
    Some(ClientAuth { here, settings, ca, crl, pins_file, live })
}
