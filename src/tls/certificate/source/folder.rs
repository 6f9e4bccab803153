//! A folder and its sub-folders → the certificates in it; one that can no longer be loaded keeps its last good version.
//! Must not know: how a certificate is built from its files.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files::opening::{self, Entry};
use crate::files::progress;
use crate::tls::certificate::place::KeyPlace;
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;
use crate::tls::certificate::store::origin::{Kept, Origin};
use crate::warning::Warning;
use layout::Part;
use leftover::Left;

mod layout;
mod leftover;

/// What a file of a folder is.
#[derive(Debug)]
enum Piece {
    /// A certificate, and the file in which its key should be, by its name.
    Certificate { key: Option<PathBuf> },
    /// Something that is not loaded; with the file of its key, where its name implies one.
    Left(Left, Option<PathBuf>),
}

/// A folder that was walked through.
#[derive(Debug, Default)]
struct Walk {
    /// In the order of their paths.
    pieces: BTreeMap<PathBuf, Piece>,
    looked_into: Vec<PathBuf>,
    /// Device and inode of all folders that were entered: links may lead in a circle.
    entered: HashSet<(u64, u64)>,
    unreadable: Vec<(PathBuf, io::Error)>,
    /// Sub-folders of sub-folders that seem to hold certificates.
    too_deep: Vec<PathBuf>,
    /// Sub-folders that seem to hold certificates, but whose names mark them as no longer used.
    put_aside: Vec<PathBuf>,
}

/// The certificate files of a folder, each with the file that should hold its key, if that is another.
pub fn files(folder: &Path) -> Result<Vec<(PathBuf, Option<PathBuf>)>, StoreError> {
    let pieces = Walk::through(folder)?.pieces.into_iter();
    let certificates = pieces.filter_map(|(file, piece)| match piece {
        Piece::Certificate { key } | Piece::Left(Left::Shorter, key) => Some((file, key)),
        Piece::Left(..) => None,
    });
    Ok(certificates.collect())
}

/// Loads everything in a folder, in name order.
pub(super) fn load(folder: &Path, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
    let mut walk = Walk::through(folder)?;
    walk.add_missing(loading);
    let Walk { pieces, unreadable, too_deep, put_aside, .. } = walk;
    let (mut loaded, mut left) = (Loaded::default(), Vec::new());
    for (file, piece) in pieces {
        match piece {
            Piece::Left(what, _) => left.push((file, what)),
            Piece::Certificate { key } => {
                let origin = Origin::of(file, key);
                match current_or_last_good(&origin, &mut loaded, loading) {
                    Ok(Some(kept)) => loaded.items.push(loading.keep(origin, kept, false)),
                    Ok(None) => left.push((origin.cert, Left::Single)),
                    Err(error) => loaded.failures.push(error.warning().led_by("skipped: ")),
                }
            }
        }
    }
    leftover::explain(left, &mut loaded, loading);
    for (folder, error) in unreadable {
        loaded.failures.push(StoreError::Read(folder, error).warning().led_by("skipped: "));
    }
    for (folders, why) in [(too_deep, TOO_DEEP), (put_aside, PUT_ASIDE)] {
        loaded.warnings.extend(folders.iter().map(|folder| Warning::about(folder.display().to_string(), why)));
    }
    Ok(loaded)
}

/// `None` for a file that is not a certificate with its key, and never was.
fn current_or_last_good(
    origin: &Origin,
    loaded: &mut Loaded,
    loading: &Loading<'_>,
) -> Result<Option<Kept>, StoreError> {
    // A combined file that lost its key, or a pair whose key is gone, is being replaced: it was served before and stays.
    let last_good = loading.last_good(origin);
    let may_be_none = last_good.is_none() && origin.key.is_none();
    if may_be_none && loading.is_known_leftover(&origin.cert) {
        return Ok(None);
    }
    match loading.current(origin) {
        Ok(kept) => Ok(Some(kept)),
        Err(error) if may_be_none && error.is_half() => Ok(None),
        Err(error) => match last_good {
            Some(kept) => {
                loaded.failures.push(error.warning().led_by("keeps its last good version: "));
                Ok(Some(kept.outlived()))
            }
            None => Err(error),
        },
    }
}

impl Walk {
    fn through(folder: &Path) -> Result<Self, StoreError> {
        let mut walk = Self::default();
        walk.enter(folder, 0).map_err(|error| StoreError::Read(folder.to_owned(), error))?;
        Ok(walk)
    }

    /// Adds certificates that were there before and are missing now while their keys exist: one that is being replaced can
    /// be missing for a moment, and a whole folder can be unreadable.
    fn add_missing(&mut self, loading: &Loading<'_>) {
        let unreadable = |folder: &Path| self.unreadable.iter().any(|(unreadable, _)| folder.starts_with(unreadable));
        let lost: Vec<&Path> = match self.unreadable.is_empty() {
            true => Vec::new(),
            false => loading.known_folders().filter(|folder| unreadable(folder)).collect(),
        };
        let folders = self.looked_into.iter().map(PathBuf::as_path).chain(lost);
        let origins: Vec<&Origin> = folders.flat_map(|folder| loading.known_in(folder)).copied().collect();
        for origin in origins {
            let key = origin.key.as_ref().and_then(KeyPlace::file);
            let Some(key) = key.filter(|_| !self.pieces.contains_key(&origin.cert)) else { continue };
            let gone = fs::symlink_metadata(key).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if !gone {
                self.pieces.remove(key);
                self.pieces.insert(origin.cert.clone(), Piece::Certificate { key: Some(key.clone()) });
            }
        }
    }

    fn enter(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let is = progress::begin(folder).and_then(|()| fs::metadata(folder))?;
        if !self.entered.insert((is.dev(), is.ino())) {
            return Ok(());
        }
        let Listing { files, folders } = Listing::read(folder)?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let names: Vec<String> = files.keys().cloned().collect();
        // A revoked or replaced certificate must not be preferred to the one in use.
        if depth > 0 && layout::is_put_aside(&name) {
            let seems = !folders.is_empty() || names.iter().any(|name| layout::is_telling(name));
            self.put_aside.extend(seems.then(|| folder.to_owned()));
            return Ok(());
        }
        let mut parts = layout::arrange(&name, &names);
        if depth == DEEPEST {
            // Only Caddy has certificates so deep: certificates/AUTHORITY/NAME/NAME.crt, with NAME.key.
            let certificate = format!("{name}.crt");
            parts.retain(|part| matches!(part, Part::Pair { cert, .. } if *cert == certificate));
            if parts.is_empty() {
                let telling = names.iter().any(|name| layout::is_telling(name));
                self.too_deep.extend(telling.then(|| folder.to_owned()));
                return Ok(());
            }
        }
        self.looked_into.push(folder.to_owned());
        let path = |name: &String| files.get(name).cloned().unwrap_or_else(|| folder.join(name));
        for part in parts {
            let (name, piece) = match part {
                Part::Pair { cert, key } => (cert, Piece::Certificate { key: Some(path(&key)) }),
                Part::Single(name) => (name, Piece::Certificate { key: None }),
                Part::Shorter { cert, key } => (cert, Piece::Left(Left::Shorter, Some(path(&key)))),
                Part::Key(name) => (name, Piece::Left(Left::Key, None)),
                Part::Unknown(name) => (name, Piece::Left(Left::Unknown, None)),
            };
            self.pieces.insert(path(&name), piece);
        }
        for inner in folders.into_iter().filter(|_| depth < DEEPEST) {
            match self.enter(&inner, depth + 1) {
                // It was removed after the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.unreadable.push((inner, error)),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The files and folders in one folder.
#[derive(Debug, Default)]
struct Listing {
    /// By name.
    files: BTreeMap<String, PathBuf>,
    folders: Vec<PathBuf>,
}

impl Listing {
    /// Names that begin with a dot are skipped: Kubernetes keeps versions of a secret in `..data` and links to it.
    fn read(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let mut folders = BTreeMap::new();
        for entry in opening::list(folder)? {
            let name = entry.name.to_string_lossy().into_owned();
            if name.starts_with('.') || name == LOST_AND_FOUND {
                continue;
            }
            let of = if is_folder(&entry) { &mut folders } else { &mut listing.files };
            of.insert(name, entry.path);
        }
        for (name, path) in folders {
            // A folder in place of a certificate, beside its key, is a mistake that must be reported: container runtimes
            // make one where a mounted file is missing.
            let half = layout::is_certificate(&name) && listing.has_key_for(&name);
            if half {
                listing.files.insert(name, path);
            } else {
                listing.folders.push(path);
            }
        }
        Ok(listing)
    }

    fn has_key_for(&self, certificate: &str) -> bool {
        let stem = certificate.rsplit_once('.').map_or(certificate, |(stem, _)| stem);
        self.files.contains_key(&format!("{stem}.key"))
    }
}

/// Links count as what they lead to.
fn is_folder(entry: &Entry) -> bool {
    match entry.is_link {
        true => progress::begin(&entry.path).and_then(|()| fs::metadata(&entry.path)).is_ok_and(|is| is.is_dir()),
        false => entry.is_folder,
    }
}

/// How many levels of folders below the one that is named are read.
pub const DEEPEST: usize = 2;

/// Every ext4 file system has it at its top, readable for root only.
const LOST_AND_FOUND: &str = "lost+found";

const TOO_DEEP: &str = "seems to hold certificates, but is too deep to be read (only a folder and its sub-folders are): name the folder above it";

const PUT_ASIDE: &str =
    "is not read, since its name marks what is in it as no longer used: name it in the configuration if it is used";
