//! A release comes to the disk of a node, is built and bound. Must not know: when.

use std::sync::Arc;

use super::{Own, aside, reason};
use crate::files::Unchanged;
use crate::fleet::part::{Files, PartName, Plain};
use crate::fleet::record::Root;
use crate::fleet::transfer::{self, Here};
use crate::fleet::tree::index::Index;
use crate::member::kept::House;
use crate::member::releases;

impl Own {
    /// Fetches a release unless it is here, and has it built and bound.
    pub(super) async fn prepare(&mut self, root: &Root) -> Result<(), String> {
        let last = self.serving.root_for(&self.node).clone();
        // Whoever changes a folder between this and the build is the owner of the process.
        let before = self.index(&last).await;
        if let Err(reason) = &before {
            tracing::warn!(%reason, "the files of the release that is served are not those that were published: all are written again");
        }
        let before = before.ok();
        if self.index(root).await.is_err() {
            self.fetch(root, (&last, before.as_ref())).await?;
        }
        let known = before.and_then(|_| self.house.shelf.unchanged(root, &last));
        self.hold(root, known.map(Arc::new)).await
    }

    /// Has it built and bound.
    async fn hold(&mut self, root: &Root, known: Option<Arc<Unchanged>>) -> Result<(), String> {
        let file = releases::configuration(&self.state, root);
        let prepared = self.control.prepare(&file, known, self.spoils.clone()).await;
        prepared.map_err(|stopping| stopping.to_string())?.map_err(|errors| reason(&errors))
    }

    /// The lists of a release that is on the disk.
    async fn index(&self, root: &Root) -> Result<Index, String> {
        let (house, root, secrets) = (Arc::clone(&self.house), root.clone(), self.secrets.clone());
        aside(move || house.shelf.index(&root, &secrets)).await
    }

    /// Puts a release on the disk. What has not changed since the last one is here already.
    async fn fetch(&self, root: &Root, (last, before): (&Root, Option<&Index>)) -> Result<(), String> {
        for before in [before, None] {
            let here = OnDisk { house: &self.house, release: last, index: before };
            let read = transfer::get(&self.etcd, &self.secrets.parts, root, &here).await;
            let read = read.map_err(|error| error.to_string())?;
            let (house, root, last) = (Arc::clone(&self.house), root.clone(), before.map(|_| last.clone()));
            match aside(move || house.shelf.keep(&root, &read, last.as_ref())).await {
                // Somebody has taken away what was here.
                Err(_) if before.is_some() => {}
                kept => return kept,
            }
        }
        Ok(())
    }

    /// The files of a release that is on the disk.
    pub(super) async fn kept(&self, root: &Root) -> Result<Files, String> {
        let (state, root, secrets) = (self.state.clone(), root.clone(), self.secrets.clone());
        aside(move || releases::read(&state, &root, &secrets)).await.map(|read| read.files)
    }
}

/// A release that is on the disk, out of which another one is made.
struct OnDisk<'d> {
    house: &'d Arc<House>,
    release: &'d Root,
    /// Unless somebody has changed its files.
    index: Option<&'d Index>,
}

impl Here for OnDisk<'_> {
    fn index(&self) -> Option<&Index> {
        self.index
    }

    async fn parts(&self, names: &[PartName]) -> Vec<(PartName, Plain)> {
        let (house, release, names) = (Arc::clone(self.house), self.release.clone(), names.to_vec());
        aside(move || Ok(house.shelf.parts(&release, &names))).await.unwrap_or_default()
    }
}
