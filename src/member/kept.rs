//! What a node keeps on its disk: the sealed record of what it serves, who this machine is, and releases.
//!
//! Must not know: etcd, who serves what is kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::fleet::drained::Drained;
use crate::fleet::record::Record;
use crate::fleet::tickets::Ring;
use crate::member::secrets::Secrets;
use crate::member::shelf::Shelf;
use crate::state::{Folder, Lock};
use crate::tls::crypto::random;

/// The folder, locked.
#[derive(Debug)]
pub(super) struct House {
    folder: Arc<Folder>,
    /// The releases in it.
    pub(super) shelf: Shelf,
    _lock: Lock,
}

/// The record of the release that was served last. `None` where there is none.
pub fn record(state: &Path, secrets: &Secrets) -> Result<Option<Record>, String> {
    let path = serving(state);
    let sealed = match files::read(&path, files::LARGEST_SECRET) {
        Ok(contents) => contents.bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {}", path.display(), files::reason(&error))),
    };
    let record = secrets.seal.open(SEALED_AS, &sealed);
    record.map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where that record is.
pub(super) fn serving(state: &Path) -> PathBuf {
    folder_of(state).join(SERVING)
}

/// Which release was tried last by a process that had not served it before: its stamp.
pub(super) fn tried(state: &Path) -> Option<u64> {
    let contents = files::read(&folder_of(state).join(TRIED), files::LARGEST_SECRET).ok()?;
    std::str::from_utf8(&contents.bytes).ok()?.parse().ok()
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
        let folder = Arc::new(folder);
        Ok(Self { shelf: Shelf::new(Arc::clone(&folder), state), folder, _lock: lock })
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
}

/// A new random id: 32 hexadecimal digits. `None` where the system has no random bytes.
pub(super) fn id() -> Option<String> {
    let mut bytes = [0; 16];
    random(&mut bytes).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a node keeps in the folder of the state.
fn folder_of(state: &Path) -> PathBuf {
    state.join("fleet")
}

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
    use std::fs;

    use super::*;
    use crate::fleet::record::Root;
    use crate::fleet::secret;

    #[test]
    fn a_record_opens_only_as_what_it_was_kept_as() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(&secret::parse(&"ab".repeat(32)).unwrap(), "/a").unwrap();
        assert_eq!(record(folder.path(), &secrets), Ok(None));
        let house = House::open(folder.path()).unwrap();
        let served = Record {
            number: 7,
            stamp: 1,
            attempt: "x".into(),
            root: Root("ab".repeat(32)),
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
