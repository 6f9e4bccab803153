//! A release comes to the disk of a node, is built and bound, and stays there as it was published. Must not know: when it is
//! served.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Own, aside, reason, short};
use crate::etcd::Etcd;
use crate::fleet::part::{Files, PartName, Plain};
use crate::fleet::record::Root;
use crate::fleet::transfer::{self, Here};
use crate::fleet::tree::index::Index;
use crate::member::kept::House;
use crate::member::releases;
use crate::member::secrets::Secrets;
use crate::reload::control::Control;

/// Where releases come from, and where they are put.
#[derive(Clone)]
struct Source {
    house: Arc<House>,
    secrets: Secrets,
    etcd: Etcd,
    /// Hears of what was written again.
    control: Control,
    state: PathBuf,
}

impl Own {
    /// Fetches a release unless it is here, and has it built and bound.
    pub(super) async fn prepare(&mut self, root: &Root) -> Result<(), String> {
        let (source, last) = (self.source(), self.serving.root_for(&self.node).clone());
        // Who changes a file between this and the end of the build is found out by the loader.
        let is_whole = match source.index(&last).await {
            Ok(_) => true,
            Err(reason) => {
                tracing::warn!(%reason, "the release that is served is not on the disk as it was published");
                false
            }
        };
        if source.index(root).await.is_err() {
            source.fetch(root, (&last, is_whole)).await?;
        }
        let file = releases::configuration(&self.state, root);
        let known = self.house.shelf.loadable(root, is_whole.then_some(&last)).map(Arc::new);
        let prepared = self.control.prepare(&file, known, self.spoils.clone()).await;
        prepared.map_err(|stopping| stopping.to_string())?.map_err(|errors| reason(&errors))
    }

    /// The files of a release that is on the disk.
    pub(super) async fn kept(&self, root: &Root) -> Result<Files, String> {
        let (state, root, secrets) = (self.state.clone(), root.clone(), self.secrets.clone());
        aside(move || releases::read(&state, &root, &secrets)).await.map(|(read, _)| read.files)
    }

    /// Looks now and then whether somebody has changed the files of what is served, and puts them right: no reload is done
    /// meanwhile, so as not to serve what the others do not serve.
    pub(super) fn look_after(&mut self) {
        if !self.looked.is_due(Instant::now()) {
            return;
        }
        let (source, root) = (self.source(), self.serving.root_for(&self.node).clone());
        let said = Arc::clone(&self.looked.said);
        self.looked.begins(tokio::spawn(async move {
            let Err(found) = source.index(&root).await else {
                said.store(false, Ordering::Relaxed);
                return;
            };
            let (release, fetched) = (short(&root), source.fetch(&root, (&root, false)).await);
            let was_said = said.swap(fetched.is_err(), Ordering::Relaxed);
            match fetched {
                Ok(()) => tracing::warn!(%release, %found, "files of the release were changed, and are as they were published again"),
                // Said once.
                Err(_) if was_said => {}
                Err(error) => tracing::error!(%release, %found, %error, "files of the release were changed, and cannot be put right yet"),
            }
        }));
    }

    fn source(&self) -> Source {
        Source {
            house: Arc::clone(&self.house),
            secrets: self.secrets.clone(),
            etcd: self.etcd.clone(),
            control: self.control.clone(),
            state: self.state.clone(),
        }
    }
}

impl Source {
    /// The lists of a release that is on the disk.
    async fn index(&self, root: &Root) -> Result<Index, String> {
        let (house, root, secrets) = (Arc::clone(&self.house), root.clone(), self.secrets.clone());
        aside(move || house.shelf.index(&root, &secrets)).await
    }

    /// Puts a release on the disk. What has not changed since the last one is here already, if that is there as it was published.
    async fn fetch(&self, root: &Root, (last, is_whole): (&Root, bool)) -> Result<(), String> {
        let file = releases::configuration(&self.state, root);
        for is_whole in [is_whole, false] {
            let here = OnDisk { source: self, release: last, index: self.house.shelf.lists(last), is_whole };
            let read = transfer::get(&self.etcd, &self.secrets.parts, root, &here).await;
            let read = read.map_err(|error| error.to_string())?;
            let (house, root, before) = (Arc::clone(&self.house), root.clone(), is_whole.then(|| last.clone()));
            match aside(move || house.shelf.keep(&root, &read, before.as_ref())).await {
                Err(reason) if is_whole => {
                    tracing::warn!(%reason, "a release cannot be made out of the last one: all of its files are written");
                }
                kept => {
                    // The process is ending if this fails.
                    let _ = self.control.written(&file, kept?).await;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A release that is on the disk, out of which another one is made.
struct OnDisk<'d> {
    source: &'d Source,
    release: &'d Root,
    index: Option<Index>,
    /// Unless somebody has changed its files.
    is_whole: bool,
}

impl Here for OnDisk<'_> {
    fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    fn has_files(&self) -> bool {
        self.is_whole
    }

    async fn pieces(&self, names: &[PartName]) -> Vec<(PartName, Plain)> {
        let (house, parts) = (Arc::clone(&self.source.house), Arc::clone(&self.source.secrets.parts));
        let (release, names) = (self.release.clone(), names.to_vec());
        aside(move || Ok(house.shelf.pieces(&release, &names, &parts))).await.unwrap_or_default()
    }
}
