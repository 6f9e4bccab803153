//! Folders → a nudge when something in them changes. Must not know: what is in them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches folders rather than files: files are replaced by rename, and Kubernetes swaps a link.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

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
        Self { watcher, folders: BTreeSet::new() }
    }

    /// Watches these folders and no others. True where one is new: what changed in it before now was not noticed.
    pub fn follow(&mut self, folders: BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.folders.difference(&folders) {
            // A folder that was removed is no longer watched anyway.
            let _ = watcher.unwatch(gone);
        }
        let mut watched: BTreeSet<PathBuf> = self.folders.intersection(&folders).cloned().collect();
        let known = watched.len();
        for folder in folders.difference(&self.folders) {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(watched.insert(folder.clone())),
                // It is tried again after the next reload.
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "cannot be watched"),
            }
        }
        self.folders = watched;
        self.folders.len() > known
    }
}

/// Reading is no change, or reloading would set off itself.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
