//! What is done on the disk, one thing after the other and never on the thread that renews leases. Must not know: why.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::fleet::mirror::item::{Content, Item};
use crate::fleet::mirror::paths::Known;
use crate::member::orders::disk::Disk;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    /// Those who order have written these.
    Changed(Vec<String>),
    /// The store lacks these.
    Lacking(Vec<String>),
    Write(Vec<(String, Item)>),
    Learn(BTreeMap<String, Known>),
}

/// What has come of it.
#[derive(Debug)]
pub(super) enum Done {
    Changed(Vec<(String, Result<Content, String>)>),
    Lacking(Vec<(String, Result<Content, String>)>),
    Wrote(Vec<(String, Item, Result<(), String>)>),
    /// Or why a stamp was not kept: it is a loss after a restored backup only.
    Learned(Result<(), String>),
}

/// The disk, and what is being done there.
#[derive(Debug)]
pub(super) struct Jobs {
    disk: Arc<Disk>,
    running: Option<JoinHandle<Done>>,
    done: Option<Done>,
}

impl Jobs {
    pub(super) fn new(disk: Arc<Disk>) -> Self {
        Self { disk, running: None, done: None }
    }

    pub(super) fn are_free(&self) -> bool {
        self.running.is_none() && self.done.is_none()
    }

    pub(super) fn begin(&mut self, job: Job) {
        let disk = Arc::clone(&self.disk);
        self.running = Some(spawn_blocking(move || perform(&disk, job)));
    }

    /// Waits for the end of what is being done; for ever if there is nothing. If the future is dropped, nothing is lost.
    pub(super) async fn end(&mut self) {
        match &mut self.running {
            Some(running) => {
                let done = running.await;
                self.running = None;
                // A panic was reported; the node goes on without what it would have brought.
                self.done = Some(done.unwrap_or_else(|error| Done::Learned(Err(error.to_string()))));
            }
            None => std::future::pending().await,
        }
    }

    pub(super) fn take(&mut self) -> Option<Done> {
        self.done.take()
    }
}

fn perform(disk: &Disk, job: Job) -> Done {
    let read = |paths: Vec<String>| -> Vec<_> {
        let read = |path: String| {
            let content = disk.read(&path);
            (path, content)
        };
        paths.into_iter().map(read).collect()
    };
    match job {
        Job::Changed(paths) => Done::Changed(read(paths)),
        Job::Lacking(paths) => Done::Lacking(read(paths)),
        Job::Write(items) => {
            let write = |(path, item): (String, Item)| {
                let written = disk.write(&path, &item);
                (path, item, written)
            };
            Done::Wrote(items.into_iter().map(write).collect())
        }
        Job::Learn(all) => Done::Learned(all.iter().try_for_each(|(path, known)| disk.learn(path, known))),
    }
}
