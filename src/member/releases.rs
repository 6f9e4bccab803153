//! Releases on the disk of a node: where they are, and what is in them. What is read is proved: a folder that was changed is not
//! used.
//!
//! Must not know: how they came there, who serves them.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::manifest::Manifest;
use crate::files::{self, opening};
use crate::fleet::part::Files;
use crate::fleet::record::Root;
use crate::fleet::tree;
use crate::fleet::tree::index::Index;
use crate::fleet::tree::reader::Read;
use crate::member::secrets::Secrets;

/// The configuration of a release.
pub fn configuration(state: &Path, root: &Root) -> PathBuf {
    folder(state, root).join(CONFIGURATION)
}

/// The configurations of all releases that are there.
pub fn configurations(state: &Path) -> Vec<PathBuf> {
    let folders = opening::list(&all(state)).unwrap_or_default();
    let there = folders.into_iter().filter(|entry| entry.is_folder && entry.name.len() == DIGITS);
    there.map(|entry| entry.path.join(CONFIGURATION)).collect()
}

/// The folder of a release.
pub(super) fn folder(state: &Path, root: &Root) -> PathBuf {
    all(state).join(&root.0)
}

/// The folder with all of them.
pub(super) fn all(state: &Path) -> PathBuf {
    state.join("fleet").join(BELOW)
}

/// The folder of a release, below what a node keeps. Its name has 64 hexadecimal digits, and so it never leads elsewhere.
pub(super) fn below(root: &Root) -> Result<PathBuf, String> {
    let is_name = root.0.len() == DIGITS && root.0.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_name {
        true => Ok(Path::new(BELOW).join(&root.0)),
        false => Err(format!("found {:?}, expected the 64 hexadecimal digits of a release", root.0)),
    }
}

/// A release with all its files, if they are those that its root names; and by what its files are known.
pub fn read(state: &Path, root: &Root, secrets: &Secrets) -> Result<(Read, Manifest), String> {
    below(root)?;
    let top = folder(state, root);
    // Before they are read: what is changed meanwhile has another mark then.
    let manifest = Manifest::of(&top)?;
    let mut files = Files::new();
    collect(&top, &top, &mut files, tree::DEEPEST)?;
    let index = prove(&files, root, secrets).map_err(|found| format!("{}: {found}", top.display()))?;
    Ok((Read { index, files }, manifest))
}

fn prove(files: &Files, root: &Root, secrets: &Secrets) -> Result<Index, String> {
    for parts in secrets.each.iter() {
        let found = Index::of(files, |part| parts.name(part).map_err(|error| error.to_string()));
        let found = found.map_err(|error| error.to_string())?;
        if found.root().0 == root.0 {
            return Ok(found);
        }
    }
    Err(format!("found files that are not those of the release, or a release of another fleet (expected {})", root.0))
}

fn collect(top: &Path, folder: &Path, files: &mut Files, depth: usize) -> Result<(), String> {
    let unreadable = |path: &Path, error: &io::Error| format!("{}: {}", path.display(), files::reason(error));
    for entry in opening::list(folder).map_err(|error| unreadable(folder, &error))? {
        if entry.is_link || (entry.is_folder && depth == 0) {
            return Err(format!("{}: found a link, or too many folders in each other", entry.path.display()));
        }
        if entry.is_folder {
            collect(top, &entry.path, files, depth - 1)?;
            continue;
        }
        let below = entry.path.strip_prefix(top).ok().and_then(Path::to_str);
        let below =
            below.ok_or_else(|| format!("{}: found a name that is not UTF-8", entry.path.display()))?.to_owned();
        let mut contents =
            files::read(&entry.path, files::LARGEST_LIST).map_err(|error| unreadable(&entry.path, &error))?;
        files.insert(below, std::mem::take(&mut contents.bytes));
    }
    Ok(())
}

pub(super) const CONFIGURATION: &str = "tlsgate.toml";
const BELOW: &str = "releases";

/// Of the name of a release's folder.
const DIGITS: usize = 64;
