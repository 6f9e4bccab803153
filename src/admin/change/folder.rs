//! A listener and a name → the files of the certificate, in one of the listener's folders.
//! Must not know: what is in the files, how they are changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hyper::StatusCode;

use crate::admin::change::pair;
use crate::admin::change::pair::Pair;
use crate::admin::request::answer::Answer;
use crate::config::validate::Config;
use crate::config::validate::listener::Listener;
use crate::files::progress;

/// Where a certificate of that name is to be written, and whether one already exists.
pub(in crate::admin) fn to_write(config: &Config, listener: &str, name: &str) -> Result<(Pair, bool), Answer> {
    let listener = known(config, listener)?;
    let name = plain(name)?;
    let folders: Vec<&Path> = folders(listener).collect();
    for folder in &folders {
        if there(folder, &format!("{name}.pem")) {
            let message = format!("{name}.pem already exists, and {name}.key would be used as its key");
            return Err(Answer::error(StatusCode::CONFLICT, &message));
        }
    }
    let pairs = folders.iter().map(|folder| named(folder, name, "crt"));
    let Some(first) = pairs.clone().next() else {
        let message =
            "the listener has no folder of certificates (expected one, since a certificate is added to a folder)";
        return Err(Answer::error(StatusCode::CONFLICT, message));
    };
    let existing =
        pairs.into_iter().find(|pair| there(&pair.folder, &pair.certificate) || there(&pair.folder, &pair.key));
    let replaces = existing.is_some();
    plain_files(existing.unwrap_or(first)).map(|pair| (pair, replaces))
}

/// Where the certificate of that name is.
pub(in crate::admin) fn to_remove(config: &Config, listener: &str, name: &str) -> Result<Pair, Answer> {
    let listener = known(config, listener)?;
    let name = plain(name)?;
    let mut found = folders(listener)
        .flat_map(|folder| ["crt", "pem"].map(|extension| named(folder, name, extension)))
        .filter(|pair| there(&pair.folder, &pair.certificate));
    match (found.next(), found.next()) {
        (None, _) => {
            let message = "no certificate of that name is in the listener's folders";
            Err(Answer::error(StatusCode::NOT_FOUND, message))
        }
        (Some(pair), None) => plain_files(pair),
        (Some(one), Some(other)) => {
            let paths = [one, other].map(|pair| pair.certificate_path().display().to_string());
            let message = format!("several files have that name: {}", paths.join(" and "));
            Err(Answer::error(StatusCode::CONFLICT, &message))
        }
    }
}

/// Finishes changes that an earlier process could not finish because it was killed. A failure is only logged, since the
/// certificates in the folder can be loaded anyway.
pub(in crate::admin) fn tidy_all(config: &Config) {
    let folders: BTreeSet<&Path> = config.listeners.iter().flat_map(folders).collect();
    for folder in folders {
        match progress::begin(folder).and_then(|()| pair::tidy(folder)) {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(folder = %folder.display(), count, "finished or undid interrupted changes");
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "cannot finish interrupted changes");
            }
        }
    }
}

fn known<'c>(config: &'c Config, name: &str) -> Result<&'c Listener, Answer> {
    let found = config.listeners.iter().find(|listener| *listener.name == *name);
    found.ok_or_else(|| Answer::error(StatusCode::NOT_FOUND, "there is no listener of that name"))
}

/// Accepts a name that can be used for files in a folder.
fn plain(name: &str) -> Result<&str, Answer> {
    // No separator, so that it is not a path; no dot in front, since hidden files are not loaded.
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with('.') && name.bytes().all(fine) {
        return Ok(name);
    }
    let message = format!(
        "name: found {name:?}, expected at most {LONGEST_NAME} of the letters a-z and A-Z, digits, '.', '-' and '_', not beginning with '.'"
    );
    Err(Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &message))
}

fn folders(listener: &Listener) -> impl Iterator<Item = &Path> {
    listener.sources().filter_map(|source| source.value.folder())
}

fn named(folder: &Path, name: &str, extension: &str) -> Pair {
    Pair { folder: folder.to_owned(), certificate: format!("{name}.{extension}"), key: format!("{name}.key") }
}

fn there(folder: &Path, name: &str) -> bool {
    fs::symlink_metadata(folder.join(name)).is_ok()
}

/// Accepts only regular files, and files that do not exist.
fn plain_files(pair: Pair) -> Result<Pair, Answer> {
    // A symbolic link belongs to a program that changes its target (certbot, Kubernetes). If it were replaced by a file,
    // the renewals of that program would no longer have an effect.
    for path in [pair.certificate_path(), pair.folder.join(&pair.key)] {
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            let message = format!(
                "{} is not a regular file (expected one, since a link belongs to another program)",
                path.display()
            );
            return Err(Answer::error(StatusCode::CONFLICT, &message));
        }
    }
    Ok(pair)
}

/// Bytes. File names have at most 255, and the journal of a change adds a prefix and an extension.
const LONGEST_NAME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_accepted_as_a_name() {
        for name in ["a", "www.example.com", "_wildcard.example-2", "A", &"x".repeat(100)] {
            assert!(plain(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".a", "a/b", "../a", "a\\b", "a b", "a\0", "ä", "a\n", &"x".repeat(101)] {
            assert_eq!(plain(name).unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        }
    }
}
