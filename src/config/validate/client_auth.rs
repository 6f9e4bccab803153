//! The requirements for client certificates, as far as they can be validated without opening a file.

use std::path::PathBuf;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths::files;
use crate::config::validate::revocation::{self, Fetched, Home, Lists};
use crate::tls::trust::clients::identity::Allowed;
use crate::tls::trust::clients::settings::{Live, Settings};

/// `client_auth` of a listener or a route that asks clients for a certificate.
#[derive(Debug, Clone)]
pub struct ClientAuth {
    pub here: Located<()>,
    pub settings: Settings,
    /// Files with the certificates of CAs.
    pub ca: Vec<Located<PathBuf>>,
    /// Lists of revoked certificates.
    pub lists: Lists,
    /// Files with more pins. With one of them, a key must be pinned, however many pins there are.
    pub pins_file: Vec<Located<PathBuf>>,
    /// `None` where open connections are never judged again.
    pub live: Option<Live>,
}

/// The requirements without their places in the file: the settings, the files of CAs, those of lists, lists that are fetched,
/// and the files of pins.
pub type Asked<'a> = (&'a Settings, Vec<&'a PathBuf>, Vec<&'a PathBuf>, Vec<&'a Fetched>, Vec<&'a PathBuf>);

impl ClientAuth {
    /// The requirements, equal for all listeners and routes that have the same.
    pub fn asked(&self) -> Asked<'_> {
        let Lists { files, fetched, rules: _ } = &self.lists;
        let fetched = fetched.iter().map(|one| &one.value).collect();
        (&self.settings, paths(&self.ca), paths(files), fetched, paths(&self.pins_file))
    }

    /// The files with CAs, with lists of revoked certificates and with pins.
    pub fn files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        self.ca.iter().chain(&self.lists.files).chain(&self.pins_file)
    }
}

fn paths(files: &[Located<PathBuf>]) -> Vec<&PathBuf> {
    files.iter().map(|file| &file.value).collect()
}

/// `None` where clients are not asked for a certificate.
pub(super) fn validated(
    written: file::client_auth::ClientAuth,
    home: Home<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<ClientAuth> {
    let file::client_auth::ClientAuth { here, mode, ca, revocation, names, pins, pins_file, live } = written;
    let (ca, pins_file) = (files(ca, home.folder), files(pins_file, home.folder));
    let lists = revocation::validated(revocation, home, errors);
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
        lists: lists.rules,
        names: allowed,
        pins: pins.into_iter().flatten().map(|pin| pin.value.0).collect(),
    };
    Some(ClientAuth { here, settings, ca, lists, pins_file, live })
}
