//! Paths as written → absolute paths below the configuration's folder, and whether a Unix socket can have one. Opens no
//! file.

use std::path::{Path, PathBuf};

use crate::config::located::{ConfigError, Located};
use crate::credential;
use crate::net::address::{Address, LONGEST_PATH};
use crate::net::endpoint::Endpoint;

/// A relative path starts from `folder`.
pub(super) fn resolved(path: &Path, folder: &Path) -> PathBuf {
    folder.join(path)
}

/// The same for a file that a key names.
pub(super) fn file(written: Located<String>, folder: &Path) -> Located<PathBuf> {
    Located { value: resolved(Path::new(&written.value), folder), at: written.at, path: written.path }
}

/// The same for a file with a secret, which may also be a credential. `None` adds an error.
pub(super) fn secret(
    written: Located<String>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<PathBuf>> {
    match credential::path(&written.value) {
        None => Some(file(written, folder)),
        Some(Ok(path)) => Some(Located { value: path, at: written.at, path: written.path }),
        Some(Err(message)) => {
            errors.push(written.error(message));
            None
        }
    }
}

/// The same for each file of a list with secrets.
pub(super) fn secrets(
    written: Option<Vec<Located<String>>>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Vec<Located<PathBuf>> {
    written.into_iter().flatten().filter_map(|written| secret(written, folder, errors)).collect()
}

/// The same for each file of a list.
pub(super) fn files(written: Option<Vec<Located<String>>>, folder: &Path) -> Vec<Located<PathBuf>> {
    written.into_iter().flatten().map(|written| file(written, folder)).collect()
}

/// The same for the path of a Unix socket; others stay as they are.
pub(super) fn endpoint(written: Located<Endpoint>, folder: &Path) -> Located<Endpoint> {
    let value = match written.value {
        Endpoint::Bound(Address::Unix(path)) => Address::Unix(resolved(&path, folder)).into(),
        other => other,
    };
    Located { value, at: written.at, path: written.path }
}

/// An error where a Unix socket's path is too long to be bound or connected to.
pub(super) fn too_long<T>(address: &Address, written: &Located<T>) -> Option<ConfigError> {
    let length = address.excess()?;
    Some(written.error(format!("{address}: found a path of {length} bytes, expected at most {LONGEST_PATH}")))
}
