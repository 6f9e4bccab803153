//! Whether a file may have changed since it was last looked at, without reading it. Must not know: what is in it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::progress;

/// A file's metadata that changes with its content: equal stamps mean equal bytes. Unlike the modification time, a program
/// cannot set the change time back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of the file that `path` leads to. `None` where there is no file, or where it changed so recently that
    /// another change might get the same time: then it has to be read.
    pub fn of(path: &Path, now: SystemTime) -> Option<Self> {
        progress::begin(path).ok()?;
        let metadata = fs::metadata(path).ok()?;
        let changed = UNIX_EPOCH + Duration::new(u64::try_from(metadata.ctime()).ok()?, 0);
        let settled = now.duration_since(changed).is_ok_and(|age| age >= SETTLED);
        (settled && metadata.is_file()).then(|| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Far above any file system's granularity of time.
const SETTLED: Duration = Duration::from_secs(3);
