//! Paths as written → absolute paths below the configuration's folder, and whether a Unix socket can have one. Opens no
//! file.

use std::path::{Path, PathBuf};

use crate::config::located::{ConfigError, Located};
use crate::net::address::{Address, LONGEST_PATH};

/// A relative path starts from `folder`.
pub(super) fn resolved(path: &Path, folder: &Path) -> PathBuf {
    folder.join(path)
}

/// The same for a file that a key names.
pub(super) fn file(written: Located<String>, folder: &Path) -> Located<PathBuf> {
    Located { value: resolved(Path::new(&written.value), folder), at: written.at, path: written.path }
}

/// The same for each file of a list.
pub(super) fn files(written: Option<Vec<Located<String>>>, folder: &Path) -> Vec<Located<PathBuf>> {
    written.into_iter().flatten().map(|written| file(written, folder)).collect()
}

/// The same for the path of a Unix socket; other addresses stay as they are.
pub(super) fn address(written: Located<Address>, folder: &Path) -> Located<Address> {
    let value = match written.value {
        Address::Unix(path) => Address::Unix(resolved(&path, folder)),
        tcp @ Address::Tcp(_) => tcp,
    };
    Located { value, at: written.at, path: written.path }
}

/// An error where a Unix socket's path is too long to be bound or connected to.
pub(super) fn too_long<T>(address: &Address, written: &Located<T>) -> Option<ConfigError> {
    let length = address.excess()?;
    Some(written.error(format!("{address}: found a path of {length} bytes, expected at most {LONGEST_PATH}")))
}
