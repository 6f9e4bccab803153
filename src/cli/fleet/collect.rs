//! A configuration → the files of a release: itself, and every file that it names by a relative path. Must not know: how a
//! release is stored.
//!
//! What an absolute path leads to is each node's own. A node has the files of a release in a folder of their own: so a path
//! that leads out of the configuration's folder would lead elsewhere there.

use std::path::{Component, Path, PathBuf};

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::files;
use crate::fleet::part::Files;
use crate::sandbox::plan::wants::{self, Need, Want};
use crate::tls::certificate::source::folder;

/// What was collected.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) files: Files,
    /// What is left to each node, and what that means.
    pub(super) warnings: Vec<String>,
}

/// Collects what a configuration names. `config` is read from `text` with paths as they are written, which start from
/// `folder`.
pub(super) fn collect(text: &str, config: &Config, folder: &Path) -> Result<Collected, Vec<ConfigError>> {
    let (mut collected, mut errors) = (Collected::default(), Vec::new());
    collected.files.insert(CONFIGURATION.into(), text.as_bytes().to_vec().into());
    for want in wants::of(config) {
        if let Err(error) = collected.want(&want, folder) {
            errors.push(error);
        }
    }
    for program in config.programs().iter().filter(|program| program.value.is_relative()) {
        errors.push(program.error(format!(
            "found the relative path {} of a program, expected an absolute one: a release contains no programs",
            program.value.display()
        )));
    }
    if errors.is_empty() { Ok(collected) } else { Err(errors) }
}

impl Collected {
    fn want(&mut self, want: &Want, folder: &Path) -> Result<(), ConfigError> {
        match want.need {
            Need::File | Need::Certificates if want.path.is_absolute() => {
                self.warn(want, "an absolute path is not part of the release: each node reads its own file there");
            }
            Need::File => {
                let path = plain(&want.path).map_err(|message| wrong(want, message))?;
                self.file(&folder.join(&want.path), path).map_err(|message| wrong(want, message))?;
            }
            Need::Certificates => {
                let path = plain(&want.path).map_err(|message| wrong(want, message))?;
                let there = folder.join(&want.path);
                let files = if there.is_dir() { inside(&there) } else { Ok(vec![PathBuf::new()]) };
                for below in files.map_err(|message| wrong(want, message))? {
                    let found = if below.as_os_str().is_empty() { there.clone() } else { there.join(&below) };
                    let named = plain(&below).map_err(|message| wrong(want, message))?;
                    let named = if named.is_empty() { path.clone() } else { format!("{path}/{named}") };
                    self.file(&found, named).map_err(|message| wrong(want, message))?;
                }
            }
            Need::Log | Need::Socket | Need::Anything if want.path.is_relative() => {
                let what = "a relative path lies in the folder of the release, which each release replaces: use an absolute \
                            path, or the table in fleet.toml";
                self.warn(want, what);
            }
            // Certificates that the admin server writes are wanted as certificates, too; the state is each node's own.
            Need::Folder | Need::State | Need::Log | Need::Socket | Need::Anything => {}
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, named: String) -> Result<(), String> {
        if self.files.contains_key(&named) {
            return if named == CONFIGURATION {
                Err("found the name of the configuration itself in a release".into())
            } else {
                Ok(())
            };
        }
        let read = files::read(path, files::LARGEST_LIST);
        let mut contents = read.map_err(|error| format!("{}: {}", path.display(), files::reason(&error)))?;
        self.files.insert(named, std::mem::take(&mut contents.bytes));
        Ok(())
    }

    fn warn(&mut self, want: &Want, what: &str) {
        let warning = format!("{}: {}: {what}", want.key, want.path.display());
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn wrong(want: &Want, message: String) -> ConfigError {
    ConfigError { path: want.key.clone(), position: want.at, message }
}

/// The certificates in a folder and their keys, by their paths in it: what a node would load.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let found = folder::files(folder).map_err(|error| error.to_string())?;
    let files = found.into_iter().flat_map(|(certificate, key)| [Some(certificate), key]).flatten();
    // A file that a key belongs to by its name need not be there.
    let below =
        files.filter(|file| file.exists()).filter_map(|file| file.strip_prefix(folder).ok().map(Path::to_owned));
    Ok(below.collect())
}

/// A relative path as a release has it: with slashes, without `.`.
fn plain(path: &Path) -> Result<String, String> {
    let outside = || format!("found {path:?}, expected a path below the folder of the configuration, without \"..\"");
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or_else(|| format!("found {path:?}, expected a path in UTF-8"))?)
            }
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    Ok(names.join("/"))
}

/// The name of the configuration in each release.
pub(super) const CONFIGURATION: &str = "tlsgate.toml";

#[cfg(test)]
mod tests;
