//! What a node has of certificates of authorities, on its disk: the files of those who order, and beside them the stamps of what
//! was in the store. Must not know: etcd, what the files mean.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{self, opening};
use crate::fleet::mirror::item::{self, Bytes, Content, Digest, Item};
use crate::fleet::mirror::paths::Known;
use crate::state::Folder;

/// The folder of the state, and that of the stamps. All of this blocks.
#[derive(Debug)]
pub(super) struct Disk {
    orders: Folder,
    stamps: Folder,
}

impl Disk {
    pub(super) fn open(state: &Path) -> Result<Self, String> {
        let open = |path: &Path| Folder::open(path).map_err(|error| error.to_string());
        Ok(Self { orders: open(state)?, stamps: open(&state.join("fleet"))? })
    }

    /// Everything that there is, by path.
    pub(super) fn all(&self) -> Result<BTreeMap<String, Known>, String> {
        let mut stamps = BTreeMap::new();
        let top = self.stamps.path().join(STAMPS);
        let mut found = Vec::new();
        walk(&top, &top, &mut found, false).map_err(|error| unreadable(&top, &error))?;
        for path in found {
            let text = self.stamps.read(&Path::new(STAMPS).join(&path)).map_err(|error| error.to_string())?;
            if let Some(known) = text.and_then(|text| parse(&text)) {
                stamps.insert(path, known);
            }
        }
        let top = self.orders.path().join(ORDERS);
        let mut found = Vec::new();
        walk(&top, &top, &mut found, true).map_err(|error| unreadable(&top, &error))?;
        let gone = Content::Gone.digest();
        // What was removed without being told to be is taken from the store again.
        let mut all: BTreeMap<String, Known> = stamps
            .iter()
            .filter(|(_, known)| known.digest == gone)
            .map(|(path, known)| (path.clone(), *known))
            .collect();
        for path in found {
            let digest = self.read(&path)?.digest();
            let stamp = stamps.get(&path).filter(|known| known.digest == digest).map_or(0, |known| known.stamp);
            all.insert(path, Known { stamp, digest });
        }
        Ok(all)
    }

    /// What is at a path.
    pub(super) fn read(&self, path: &str) -> Result<Content, String> {
        if !is_folder(path) {
            let bytes = self.orders.read(&below(path)).map_err(|error| error.to_string())?;
            return Ok(bytes.map_or(Content::Gone, |bytes| Content::File(Bytes(bytes))));
        }
        // It may be replaced between two of its files.
        let mut last = self.folder(path)?;
        for _ in 0..ATTEMPTS {
            let again = self.folder(path)?;
            if again == last {
                break;
            }
            last = again;
        }
        Ok(last)
    }

    fn folder(&self, path: &str) -> Result<Content, String> {
        let below = below(path);
        let full = self.orders.path().join(&below);
        let entries = match opening::list(&full) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Gone),
            Err(error) => return Err(unreadable(&full, &error)),
        };
        let mut contents = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_folder && !entry.is_link) {
            let Some(name) = entry.name.to_str().filter(|name| item::is_proper(name)) else { continue };
            if let Some(bytes) = self.orders.read(&below.join(name)).map_err(|error| error.to_string())? {
                contents.insert(name.to_owned(), Bytes(bytes));
            }
        }
        Ok(Content::Folder(contents))
    }

    /// Writes what the store has.
    pub(super) fn write(&self, path: &str, item: &Item) -> Result<(), String> {
        let below = below(path);
        let written = match &item.content {
            Content::File(bytes) => self.orders.write(&below, &bytes.0),
            Content::Folder(files) => {
                let files: Vec<(&str, &[u8])> =
                    files.iter().map(|(name, bytes)| (name.as_str(), bytes.0.as_slice())).collect();
                self.orders.replace(&below, &files)
            }
            Content::Gone => self.orders.remove(&below),
        };
        written.map_err(|error| error.to_string())
    }

    /// Keeps a stamp.
    pub(super) fn learn(&self, path: &str, known: &Known) -> Result<(), String> {
        let digest: String = known.digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{} {digest}\n", known.stamp);
        self.stamps.write(&Path::new(STAMPS).join(path), text.as_bytes()).map_err(|error| error.to_string())
    }
}

/// The path of a file or folder of orders, as the store has it; `None` for anything else in the folder of the state.
pub(super) fn path_of(below: &Path) -> Option<String> {
    let path = below.strip_prefix(ORDERS).ok()?.to_str()?;
    item::is_proper(path).then(|| path.to_owned())
}

/// The reverse.
pub(super) fn below(path: &str) -> PathBuf {
    Path::new(ORDERS).join(path)
}

/// A certificate with its key is a folder, which is replaced as a whole: `AUTHORITY/certificates/NAMES/KIND`.
fn is_folder(path: &str) -> bool {
    let mut steps = path.split('/');
    steps.nth(1) == Some("certificates") && steps.count() == 2
}

/// All files, and folders that are one.
fn walk(top: &Path, folder: &Path, found: &mut Vec<String>, with_folders: bool) -> io::Result<()> {
    let entries = match opening::list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.into_iter().filter(|entry| !entry.is_link) {
        let path: Option<&str> = entry.path.strip_prefix(top).ok().and_then(Path::to_str);
        // What is hidden is being written.
        let Some(path) = path.filter(|path| item::is_proper(path)) else { continue };
        if !entry.is_folder || (with_folders && is_folder(path)) {
            found.push(path.to_owned());
        } else {
            walk(top, &PathBuf::from(&entry.path), found, with_folders)?;
        }
    }
    Ok(())
}

fn parse(text: &[u8]) -> Option<Known> {
    let (stamp, digest) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    let mut bytes = [0; 32];
    if digest.len() != 64 || !digest.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digest.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Known { stamp: stamp.parse().ok()?, digest: Digest(bytes) })
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), files::reason(error))
}

/// Below the folder of the state: what those who order have.
const ORDERS: &str = "acme";

/// Below the folder of the fleet there: the stamps, under the same paths.
const STAMPS: &str = "orders";

/// Until a folder is the same twice.
const ATTEMPTS: usize = 3;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn what_is_written_is_found_again_with_its_stamp_and_what_was_changed_without_one() {
        let state = tempfile::tempdir().unwrap();
        let disk = Disk::open(state.path()).unwrap();
        assert!(disk.all().unwrap().is_empty());
        let pair = BTreeMap::from([("tls.crt".to_owned(), bytes("c")), ("tls.key".to_owned(), bytes("k"))]);
        let contents = [
            ("a/account.json", Content::File(bytes("{}"))),
            ("a/orders/x.json", Content::File(bytes("{}"))),
            ("a/orders/x.key", Content::Gone),
            ("a/certificates/x-1/rsa-2048", Content::Folder(pair)),
        ];
        let mut expected = BTreeMap::new();
        for (stamp, (path, content)) in contents.into_iter().enumerate() {
            let item = Item { stamp: stamp as u64 + 1, content };
            let known = Known { stamp: item.stamp, digest: item.content.digest() };
            disk.write(path, &item).unwrap();
            disk.learn(path, &known).unwrap();
            assert_eq!(disk.read(path).unwrap(), item.content, "{path}");
            expected.insert(path.to_owned(), known);
        }
        assert_eq!(disk.all().unwrap(), expected);
        std::fs::write(state.path().join("acme/a/account.json"), "other").unwrap();
        std::fs::remove_file(state.path().join("acme/a/orders/x.json")).unwrap();
        let all = disk.all().unwrap();
        assert_eq!(all["a/account.json"].stamp, 0);
        assert!(!all.contains_key("a/orders/x.json"));
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_stamp_is_a_number_and_a_digest() {
        let known = Known { stamp: 12, digest: Digest([0xab; 32]) };
        let text = format!("12 {}\n", "ab".repeat(32));
        assert_eq!(parse(text.as_bytes()), Some(known));
        assert!((0..text.len() - 1).all(|end| parse(&text.as_bytes()[..end]).is_none()));
        assert_eq!(path_of(Path::new("acme/a/account.json")).as_deref(), Some("a/account.json"));
        assert_eq!(path_of(&below("a/account.json")).as_deref(), Some("a/account.json"));
        assert_eq!(path_of(Path::new("fleet/serving")), None);
    }
}
