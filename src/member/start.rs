//! What a node starts with: the current release of the fleet if that can be had in a moment, or else the one that it served last,
//! from its disk; without one, the current one, for which it waits.
//!
//! Must not know: how a release is served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::time::{sleep, timeout};

use crate::config::located::ConfigError;
use crate::config::validate::fleet::Fleet;
use crate::etcd::Etcd;
use crate::files::manifest::Manifest;
use crate::files::unchanged::Known;
use crate::fleet::key;
use crate::fleet::part::{PartName, Plain};
use crate::fleet::record::Record;
use crate::fleet::store::{Entry, Revision};
use crate::fleet::transfer::{self, Here};
use crate::fleet::tree::index::Index;
use crate::fleet::tree::reader::Read;
use crate::member::kept::{self, House};
use crate::member::releases;
use crate::member::secrets::{self, Secrets};

/// A release to start with.
#[derive(Debug, Clone)]
pub struct First {
    pub record: Record,
    /// Where its configuration is, or will be.
    pub file: PathBuf,
    /// What has come over the network and is not on the disk yet.
    pub fetched: Option<Read>,
    /// What is known of its files, once they are on the disk.
    pub known: Option<Arc<Known>>,
    /// Whether it is another one than was served last.
    is_new: bool,
}

impl First {
    /// The release that was served last. `None` where there is none; the error is why it cannot be used.
    pub fn kept(fleet: &Fleet, secrets: &Secrets) -> Result<Option<Self>, String> {
        let state = state_of(fleet)?;
        let Some(record) = kept::record(state, secrets)? else { return Ok(None) };
        let root = record.root_for(&fleet.node);
        let read = releases::read(state, root, secrets);
        let (_, manifest) = read.map_err(|reason| format!("release {}: {reason}", record.number))?;
        let (file, known) = (releases::configuration(state, root), Some(known(manifest)));
        Ok(Some(Self { file, fetched: None, known, record, is_new: false }))
    }

    /// The current release of the fleet, if it is later than this one. The error is why that is not known, or why it is not
    /// used. Blocks the thread for a moment, also where etcd does not answer.
    pub fn later(&self, fleet: &Fleet, secrets: &Secrets) -> Result<Option<Self>, String> {
        let state = state_of(fleet)?;
        let etcd = Etcd::new(&fleet.etcd).map_err(|error| error.to_string())?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let ask = async {
            let (_, entries) = etcd
                .read(&[key::CURRENT.to_owned()])
                .await
                .map_err(|error| format!("etcd cannot be asked: {error}"))?;
            let Some(record) = opened(&entries, secrets)?.filter(|record| record.stamp > self.record.stamp) else {
                return Ok(None);
            };
            if kept::tried(state) == Some(record.stamp) {
                return Err(format!("release {} did not come to serve when it was started last", record.number));
            }
            let here = releases::read(state, self.record.root_for(&fleet.node), secrets).ok();
            let here = InMemory(here.map(|(read, _)| read));
            Self::of(record, (fleet, state), (&etcd, secrets), &here).await.map(Some)
        };
        let in_time = async { timeout(PATIENCE, ask).await };
        let found = runtime.block_on(in_time);
        // A look-up of a name cannot be stopped, and its thread would keep the rights of the start.
        runtime.shutdown_timeout(LOOK_UP);
        found.unwrap_or_else(|_| Err(format!("etcd has not answered within {} s", PATIENCE.as_secs())))
    }

    /// The current release of the fleet. Waits as long as etcd cannot be reached or has none; `report` is called with the
    /// reason where it is another one. Blocks the thread.
    pub fn awaited(fleet: &Fleet, secrets: &Secrets, mut report: impl FnMut(&str)) -> Result<Self, String> {
        let state = state_of(fleet)?.to_owned();
        let etcd = Etcd::new(&fleet.etcd).map_err(|error| error.to_string())?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let mut last = String::new();
            loop {
                let found = match current(&etcd, fleet, secrets, &mut report).await {
                    Ok(record) => Self::of(record, (fleet, &state), (&etcd, secrets), &InMemory(None)).await,
                    Err(reason) => Err(reason),
                };
                match found {
                    Ok(first) => return Ok(first),
                    Err(reason) if reason != last => {
                        report(&reason);
                        last = reason;
                    }
                    Err(_) => {}
                }
                sleep(AGAIN).await;
            }
        })
    }

    /// The release of that record. What is on the disk already need not come from etcd.
    async fn of(
        record: Record,
        (fleet, state): (&Fleet, &Path),
        (etcd, secrets): (&Etcd, &Secrets),
        here: &InMemory,
    ) -> Result<Self, String> {
        let root = record.root_for(&fleet.node);
        let (fetched, known) = match releases::read(state, root, secrets) {
            Ok((_, manifest)) => (None, Some(known(manifest))),
            Err(_) => {
                let read = transfer::get(etcd, &secrets.parts, root, here).await.map_err(|error| error.to_string())?;
                (Some(here.completed(read)), None)
            }
        };
        Ok(Self { file: releases::configuration(state, root), fetched, known, record, is_new: true })
    }

    /// The text of its configuration, where that is not on the disk yet.
    pub fn text(&self) -> Result<Option<&str>, Vec<ConfigError>> {
        let Some(Read { files, .. }) = &self.fetched else { return Ok(None) };
        let wrong = |message: &str| vec![ConfigError { path: String::new(), position: None, message: message.into() }];
        let bytes = files.get(releases::CONFIGURATION).ok_or_else(|| wrong("the release has no tlsgate.toml"))?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| wrong("tlsgate.toml of the release is not UTF-8"))
    }

    /// Puts what was fetched on the disk, and notes that this release is tried. That it is served is noted once it is.
    pub fn keep(&mut self, fleet: &Fleet) -> Result<(), String> {
        if !self.is_new {
            return Ok(());
        }
        let fetched = self.fetched.take();
        let house = match (House::open(state_of(fleet)?), &fetched) {
            (Ok(house), _) => house,
            // Nothing has to be written: the process from which this one takes over has the folder yet.
            (Err(_), None) => return Ok(()),
            (Err(reason), Some(_)) => return Err(reason),
        };
        if let Some(read) = fetched {
            self.known = Some(known(house.shelf.keep(self.record.root_for(&fleet.node), &read, None)?));
        }
        house.tries(&self.record)
    }
}

/// The release that this machine serves now, as its disk has it, if its configuration is not that one: for a process that takes
/// part no longer. `None` also where it cannot be read. It waits for files.
pub fn other(fleet: &Fleet, than: &Path) -> Option<(PathBuf, Arc<Known>)> {
    let secrets = secrets::read(&fleet.secret_file, &fleet.etcd.prefix).ok()?;
    let record = kept::record(state_of(fleet).ok()?, &secrets).ok()??;
    // Only then is all of it read.
    (releases::configuration(state_of(fleet).ok()?, record.root_for(&fleet.node)) != than).then_some(())?;
    let First { file, known, .. } = First::kept(fleet, &secrets).ok()??;
    Some((file, known?))
}

/// The file that changes whenever another release is served.
pub fn serving(fleet: &Fleet) -> Option<PathBuf> {
    state_of(fleet).ok().map(kept::serving)
}

fn known(manifest: Manifest) -> Arc<Known> {
    Arc::new(Known { manifest, unchanged: None })
}

/// A release that was read whole, if there is one.
struct InMemory(Option<Read>);

impl Here for InMemory {
    fn index(&self) -> Option<&Index> {
        self.0.as_ref().map(|read| &read.index)
    }

    fn has_files(&self) -> bool {
        true
    }

    async fn pieces(&self, _: &[PartName]) -> Vec<(PartName, Plain)> {
        Vec::new()
    }
}

impl InMemory {
    /// Another release, with the files that are the same in this one.
    fn completed(&self, mut read: Read) -> Read {
        let Some(here) = &self.0 else { return read };
        for path in read.index.entries().into_keys() {
            if let Some(content) = here.files.get(&path) {
                read.files.entry(path).or_insert_with(|| content.clone());
            }
        }
        read
    }
}

fn state_of(fleet: &Fleet) -> Result<&Path, String> {
    fleet.directory().map(|directory| directory.value.as_path()).map_err(|error| error.to_string())
}

/// The record of the current release. Waits for the first one as long as etcd answers.
async fn current(
    etcd: &Etcd,
    fleet: &Fleet,
    secrets: &Secrets,
    report: &mut impl FnMut(&str),
) -> Result<Record, String> {
    let watched = [key::CURRENT.to_owned()];
    let (revision, entries) = etcd.read(&watched).await.map_err(|error| error.to_string())?;
    if let Some(record) = opened(&entries, secrets)? {
        return Ok(record);
    }
    report(&format!("etcd has no release yet under {}, and waits for the first one", fleet.etcd.prefix));
    waited(etcd, &watched, revision).await?;
    // It is read again, as everything else.
    Err("a first release is published".into())
}

fn opened(entries: &[Entry], secrets: &Secrets) -> Result<Option<Record>, String> {
    let sealed = entries.iter().find(|entry| entry.key == key::CURRENT).and_then(|entry| entry.value.as_ref());
    let record = sealed.map(|sealed| secrets.seal.open(key::CURRENT, sealed)).transpose();
    record.map_err(|error| format!("{}: {error}", key::CURRENT))
}

async fn waited(etcd: &Etcd, watched: &[String], revision: Revision) -> Result<(), String> {
    let mut watch = etcd.watch(watched, revision).await.map_err(|error| error.to_string())?;
    watch.next().await.map(drop).map_err(|error| error.to_string())
}

/// How long a start with a release on the disk waits for a later one: a node that is up with the last one soon has the later one,
/// too.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a look-up of a name may take that nobody waits for any longer.
const LOOK_UP: Duration = Duration::from_secs(10);

/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_secs(1);
