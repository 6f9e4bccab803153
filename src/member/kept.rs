//! What a node keeps on its disk: the release that it serves, the sealed record of it, and who this machine is. What is read
//! is proved: a folder that was changed is not used.
//!
//! Must not know: etcd, who serves what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{self, opening, progress};
use crate::fleet::drained::Drained;
use crate::fleet::part::{Files, Parts, Plain};
use crate::fleet::record::{Record, Root};
use crate::fleet::tickets::Ring;
use crate::fleet::tree;
use crate::member::secrets::Secrets;
use crate::state::{Folder, Lock};
use crate::tls::crypto::random;

/// The folder, locked.
#[derive(Debug)]
pub(super) struct House {
    folder: Folder,
    _lock: Lock,
}

/// The configuration of a release, as it is kept below the folder of the state.
pub fn configuration(state: &Path, root: &Root) -> PathBuf {
    folder_of(state).join(RELEASES).join(&root.0).join(CONFIGURATION)
}

/// The configurations of all releases that are kept.
pub fn configurations(state: &Path) -> Vec<PathBuf> {
    let folders = opening::list(&folder_of(state).join(RELEASES)).unwrap_or_default();
    let kept = folders.into_iter().filter(|entry| entry.is_folder && entry.name.len() == 64);
    kept.map(|entry| entry.path.join(CONFIGURATION)).collect()
}

/// The record of the release that was served last. `None` where there is none.
pub fn record(state: &Path, secrets: &Secrets) -> Result<Option<Record>, String> {
    let path = folder_of(state).join(SERVING);
    let sealed = match files::read(&path, files::LARGEST_SECRET) {
        Ok(contents) => contents.bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {}", path.display(), files::reason(&error))),
    };
    let record = secrets.seal.open(SEALED_AS, &sealed);
    record.map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

/// Which release was tried last by a process that had not served it before: its stamp.
pub(super) fn tried(state: &Path) -> Option<u64> {
    let contents = files::read(&folder_of(state).join(TRIED), files::LARGEST_SECRET).ok()?;
    std::str::from_utf8(&contents.bytes).ok()?.parse().ok()
}

/// The parts of a release that is on the disk, by their names.
pub(super) fn parts(files: &Files, parts: &Parts) -> Result<BTreeMap<String, Plain>, String> {
    let mut known = BTreeMap::new();
    let cut = tree::cut(files, |part| {
        let name = parts.name(&part).map_err(|error| error.to_string())?;
        known.insert(name.0.clone(), part);
        Ok(name)
    });
    cut.map(|_| known).map_err(|error| error.to_string())
}

/// The files of a release, if they are those that its root names.
pub fn release(state: &Path, root: &Root, secrets: &Secrets) -> Result<Files, String> {
    let files = unproved(state, root)?;
    let top = folder_of(state).join(RELEASES).join(name(root)?);
    prove(&files, root, secrets).map_err(|found| format!("{}: {found}", top.display()))?;
    Ok(files)
}

/// What is in the folder of a release, whatever that is: for who proves each part of it.
pub(super) fn unproved(state: &Path, root: &Root) -> Result<Files, String> {
    let top = folder_of(state).join(RELEASES).join(name(root)?);
    let mut files = Files::new();
    collect(&top, &top, &mut files, tree::DEEPEST)?;
    Ok(files)
}

/// Whether these are the files that the root names.
pub(super) fn prove(files: &Files, root: &Root, secrets: &Secrets) -> Result<(), String> {
    for parts in secrets.each.iter() {
        let found = tree::cut(files, |part| parts.name(&part).map_err(|error| error.to_string()));
        if found.map_err(|error| error.to_string())?.0 == root.0 {
            return Ok(());
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

impl House {
    /// Opens and locks the folder, and makes it if there is none. The error is why not.
    pub(super) fn open(state: &Path) -> Result<Self, String> {
        let folder = Folder::open(&folder_of(state)).map_err(|error| error.to_string())?;
        let Some(lock) = folder.lock().map_err(|error| error.to_string())? else {
            let of = folder.holder().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(format!("{} is locked by another process{of}", folder.path().display()));
        };
        folder.tidy().map_err(|error| error.to_string())?;
        Ok(Self { folder, _lock: lock })
    }

    /// Who this machine is, across restarts.
    pub(super) fn machine(&self) -> Result<String, String> {
        let path = Path::new(MACHINE);
        let is_id = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let there = self.folder.read(path).map_err(|error| error.to_string())?;
        if let Some(id) = there.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).filter(|text| is_id(text)) {
            return Ok(id);
        }
        let id = id().ok_or("the system provides no random bytes")?;
        self.folder.write(path, id.as_bytes()).map_err(|error| error.to_string())?;
        Ok(id)
    }

    /// Keeps the record of what is served.
    pub(super) fn serve(&self, record: &Record, secrets: &Secrets) -> Result<(), String> {
        let sealed = secrets.seal.close(SEALED_AS, record).map_err(|error| error.to_string())?;
        self.folder.write(Path::new(SERVING), &sealed).map_err(|error| error.to_string())
    }

    /// Notes that a process is about to serve this release for the first time.
    pub(super) fn tries(&self, record: &Record) -> Result<(), String> {
        let written = self.folder.write(Path::new(TRIED), record.stamp.to_string().as_bytes());
        written.map_err(|error| error.to_string())
    }

    /// Keeps the keys of session tickets.
    pub(super) fn keep_tickets(&self, ring: &Ring) -> Result<(), String> {
        self.folder.write(Path::new(TICKETS), ring.as_file().as_bytes()).map_err(|error| error.to_string())
    }

    /// The keys of session tickets; `None` where there are none.
    pub(super) fn tickets(&self) -> Option<Ring> {
        let bytes = self.folder.read(Path::new(TICKETS)).ok()??;
        Ring::of_file(std::str::from_utf8(&bytes).ok()?)
    }

    /// The servers that are out of rotation on all nodes, as they were known last. What cannot be read comes from etcd again.
    pub(super) fn drained(&self, secrets: &Secrets) -> Drained {
        let sealed = self.folder.read(Path::new(DRAINED)).ok().flatten();
        sealed.and_then(|sealed| secrets.seal.open(DRAINED_AS, &sealed).ok()).unwrap_or_default()
    }

    /// Keeps them.
    pub(super) fn keep_drained(&self, drained: &Drained, secrets: &Secrets) -> Result<(), String> {
        let sealed = secrets.seal.close(DRAINED_AS, drained).map_err(|error| error.to_string())?;
        self.folder.write(Path::new(DRAINED), &sealed).map_err(|error| error.to_string())
    }

    /// Keeps the files of a release, all or none of them. `last`: a release that is here, and its files. What has not changed
    /// since is on the disk once.
    pub(super) fn keep(&self, root: &Root, files: &Files, last: Option<(&Root, &Files)>) -> Result<(), String> {
        let folder_of = |root: &Root| name(root).map(|name| Path::new(RELEASES).join(name));
        let folder = folder_of(root)?;
        let all: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let kept = match last.filter(|(last, _)| *last != root) {
            Some((last, here)) => {
                let is_same = |path: &str| here.get(path).is_some_and(|content| files.get(path) == Some(content));
                self.folder.replace_like(&folder, &all, &folder_of(last)?, &is_same)
            }
            None => self.folder.replace(&folder, &all),
        };
        kept.map_err(|error| error.to_string())
    }

    /// Removes all releases but these.
    pub(super) fn clear(&self, needed: &BTreeSet<Root>) {
        let releases = self.folder.path().join(RELEASES);
        if progress::begin(&releases).is_err() {
            return;
        }
        for entry in fs::read_dir(&releases).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            if needed.iter().all(|root| root.0 != name)
                && let Err(error) = self.folder.remove(&Path::new(RELEASES).join(name))
            {
                tracing::warn!(%error, "a release that is not needed any longer cannot be removed");
            }
        }
    }
}

/// A new random id: 32 hexadecimal digits. `None` where the system has no random bytes.
pub(super) fn id() -> Option<String> {
    let mut bytes = [0; 16];
    random(&mut bytes).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name of a release's folder: 64 hexadecimal digits, and so never a path that leads elsewhere.
fn name(root: &Root) -> Result<&str, String> {
    let is_name = root.0.len() == 64 && root.0.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_name {
        Ok(&root.0)
    } else {
        Err(format!("found {:?}, expected the 64 hexadecimal digits of a release", root.0))
    }
}

/// What a node keeps in the folder of the state.
fn folder_of(state: &Path) -> PathBuf {
    state.join("fleet")
}

const CONFIGURATION: &str = "tlsgate.toml";
const RELEASES: &str = "releases";
const SERVING: &str = "serving";
const TRIED: &str = "tried";
const MACHINE: &str = "machine";
/// Also known to `config::validate::fleet`.
const TICKETS: &str = "tickets.keys";
const DRAINED: &str = "drained";

/// As which the record is sealed: what is from etcd does not open as that.
const SEALED_AS: &str = "node/serving";
const DRAINED_AS: &str = "node/drained";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::secret;

    fn secrets(text: &str) -> Secrets {
        Secrets::of(&secret::parse(text).unwrap(), "/a").unwrap()
    }

    fn files() -> Files {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec().into());
        Files::from([file("tlsgate.toml", "x"), file("certs/a.crt", "a"), file("certs/b/tls.key", "")])
    }

    fn root(files: &Files, secrets: &Secrets) -> Root {
        let name = |part: Plain| secrets.parts.name(&part).map_err(|error| error.to_string());
        Root(tree::cut(files, name).unwrap().0)
    }

    #[test]
    fn a_release_is_read_as_it_was_kept_also_after_the_secret_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = ("ab".repeat(32), "cd".repeat(32));
        let (before, both, after) = (secrets(&old), secrets(&format!("{new}\n{old}")), secrets(&new));
        let house = House::open(folder.path()).unwrap();
        let root = root(&files(), &before);
        house.keep(&root, &files(), None).unwrap();
        for secrets in [&before, &both] {
            assert_eq!(release(folder.path(), &root, secrets).unwrap(), files());
        }
        assert!(release(folder.path(), &root, &after).unwrap_err().contains("found files that are not those"));
        assert_eq!(configurations(folder.path()), [configuration(folder.path(), &root)]);
        house.clear(&BTreeSet::from([root.clone()]));
        assert!(release(folder.path(), &root, &before).is_ok());
        house.clear(&BTreeSet::new());
        assert!(release(folder.path(), &root, &before).unwrap_err().contains("no such file"));
    }

    #[test]
    fn what_has_not_changed_since_the_last_release_is_on_the_disk_once() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let secrets = secrets(&"ab".repeat(32));
        let house = House::open(folder.path()).unwrap();
        let first = root(&files(), &secrets);
        house.keep(&first, &files(), None).unwrap();
        let mut changed = files();
        changed.insert("certs/a.crt".into(), b"b".to_vec().into());
        changed.insert("certs/c/new.crt".into(), b"c".to_vec().into());
        let second = root(&changed, &secrets);
        house.keep(&second, &changed, Some((&first, &files()))).unwrap();
        let inode = |root: &Root, path: &str| {
            fs::metadata(folder.path().join("fleet/releases").join(&root.0).join(path)).unwrap().ino()
        };
        for (path, is_same) in [("tlsgate.toml", true), ("certs/b/tls.key", true), ("certs/a.crt", false)] {
            assert_eq!(inode(&first, path) == inode(&second, path), is_same, "{path}");
        }
        house.clear(&BTreeSet::from([second.clone()]));
        assert_eq!(release(folder.path(), &second, &secrets).unwrap(), changed);
        // Where the last one is gone, or is said to have what it has not, all is written.
        house.keep(&first, &files(), Some((&first, &files()))).unwrap();
        house.clear(&BTreeSet::from([first.clone()]));
        house.keep(&second, &changed, Some((&first, &changed))).unwrap();
        assert!(release(folder.path(), &second, &secrets).is_err(), "what is said to be the same is believed");
        house.clear(&BTreeSet::new());
        house.keep(&second, &changed, Some((&first, &files()))).unwrap();
        assert_eq!(release(folder.path(), &second, &secrets).unwrap(), changed);
    }

    #[test]
    fn no_root_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path()).unwrap();
        for root in ["", "..", "../../etc", &"/".repeat(64), &"g".repeat(64)] {
            let root = Root(root.to_owned());
            assert!(house.keep(&root, &files(), None).unwrap_err().contains("expected the 64 hexadecimal digits"));
            assert!(release(folder.path(), &root, &secrets(&"ab".repeat(32))).is_err());
        }
    }

    #[test]
    fn a_record_opens_only_as_what_it_was_kept_as() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = secrets(&"ab".repeat(32));
        assert_eq!(record(folder.path(), &secrets), Ok(None));
        let house = House::open(folder.path()).unwrap();
        let served = Record {
            number: 7,
            stamp: 1,
            attempt: "x".into(),
            root: root(&files(), &secrets),
            canary: None,
            by: String::new(),
            note: String::new(),
        };
        house.serve(&served, &secrets).unwrap();
        assert_eq!(record(folder.path(), &secrets), Ok(Some(served.clone())));
        // One from etcd in its place.
        let sealed = secrets.seal.close("control/current", &served).unwrap();
        fs::write(folder.path().join("fleet/serving"), sealed).unwrap();
        assert!(record(folder.path(), &secrets).unwrap_err().contains("none of the fleet's secrets opens"));
        assert!(House::open(folder.path()).unwrap_err().contains("is locked by another process"));
        assert_eq!(house.machine(), house.machine());
    }
}
