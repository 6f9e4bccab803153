//! Folders → a nudge when something in them changes. Must not know: what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches folders rather than files: files are replaced by rename, and Kubernetes swaps a link.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// With what it was when it was last looked at: a folder that was removed and made again is another one.
    folders: BTreeMap<PathBuf, Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Watch {
    /// Nudges through `nudge`, whose queue may be full: one nudge is as good as many. Where the system cannot watch, the
    /// slow re-read still notices.
    pub fn new(nudge: mpsc::Sender<()>) -> Self {
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(&event.kind)) {
                let _ = nudge.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched, changes are noticed by re-reading"))
            .ok();
        Self { watcher, folders: BTreeMap::new() }
    }

    /// Watches these folders and no others. True where one is new: what changed in it before now was not noticed.
    pub fn follow(&mut self, folders: BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let there: BTreeMap<PathBuf, Identity> =
            folders.into_iter().filter_map(|folder| identity(&folder).map(|identity| (folder, identity))).collect();
        for (gone, _) in self.folders.iter().filter(|(folder, identity)| there.get(*folder) != Some(*identity)) {
            // A folder that was removed is no longer watched anyway.
            let _ = watcher.unwatch(gone);
        }
        let mut fresh = false;
        let mut watched = BTreeMap::new();
        for (folder, identity) in there {
            if self.folders.get(&folder) == Some(&identity) {
                watched.insert(folder, identity);
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder, identity);
                    fresh = true;
                }
                // It is tried again after the next reload.
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot be watched"),
            }
        }
        self.folders = watched;
        fresh
    }
}

fn identity(folder: &Path) -> Option<Identity> {
    let metadata = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

/// Reading is no change, or reloading would set off itself.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
