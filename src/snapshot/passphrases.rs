//! The files of passphrases that a configuration names → what is wrong with them. Must not know: which keys they open.

use std::ffi::OsStr;

use crate::config::located::Located;
use crate::config::validate::Config;
use crate::passphrase::Source;
use crate::snapshot::reading::Reading;

/// Adds warnings for those that cannot be read, and for those that everyone can read. It is no error: the keys that they
/// would open may be readable with another one, and a key that is not is reported itself.
pub(super) fn look(config: &Config, reading: &mut Reading<'_>) {
    for written in &config.keys.written {
        file(&written.value, written, reading);
    }
    for source in config.sources() {
        if let Some(passphrase) = source.value.passphrase() {
            file(passphrase, source, reading);
        }
    }
}

fn file<T>(source: &Source, place: &Located<T>, reading: &mut Reading<'_>) {
    // A program is run only for a key.
    if source.program().is_some() {
        return;
    }
    match source.read(OsStr::new("")) {
        Ok(passphrase) => {
            let value = source.file().unwrap_or_default();
            reading.exposed(&Located { value, at: place.at, path: place.path.clone() }, passphrase.exposed);
        }
        Err(reason) => reading.unread_secret(place, reason),
    }
}
