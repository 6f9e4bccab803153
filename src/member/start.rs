//! What a node starts with: the release that it served last, from its disk; without one, the current one of the fleet, for which
//! it waits.
//!
//! Must not know: how a release is served.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime;
use tokio::time::sleep;

use crate::config::located::ConfigError;
use crate::config::validate::fleet::Fleet;
use crate::etcd::Etcd;
use crate::fleet::key;
use crate::fleet::record::Record;
use crate::fleet::store::{Entry, Revision};
use crate::fleet::transfer;
use crate::member::kept::{self, Files, House};
use crate::member::secrets::Secrets;

/// A release to start with.
#[derive(Debug, Clone)]
pub struct First {
    pub record: Record,
    /// Where its configuration is, or will be.
    pub file: PathBuf,
    /// What has come over the network and is not on the disk yet.
    pub fetched: Option<Files>,
}

impl First {
    /// The release that was served last. `None` where there is none; the error is why it cannot be used.
    pub fn kept(fleet: &Fleet, secrets: &Secrets) -> Result<Option<Self>, String> {
        let state = state_of(fleet)?;
        let Some(record) = kept::record(state, secrets)? else { return Ok(None) };
        let root = record.root_for(&fleet.node);
        kept::release(state, root, secrets).map_err(|reason| format!("release {}: {reason}", record.number))?;
        Ok(Some(Self { file: kept::configuration(state, root), fetched: None, record }))
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
                match current(&etcd, fleet, secrets, &mut report).await {
                    Ok((record, files)) => {
                        let file = kept::configuration(&state, record.root_for(&fleet.node));
                        return Ok(Self { record, file, fetched: Some(files) });
                    }
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

    /// The text of its configuration, where that is not on the disk yet.
    pub fn text(&self) -> Result<Option<&str>, Vec<ConfigError>> {
        let Some(files) = &self.fetched else { return Ok(None) };
        let wrong = |message: &str| vec![ConfigError { path: String::new(), position: None, message: message.into() }];
        let bytes = files.get(CONFIGURATION).ok_or_else(|| wrong("the release has no tlsgate.toml"))?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| wrong("tlsgate.toml of the release is not UTF-8"))
    }

    /// Puts what was fetched on the disk, to start from it another time.
    pub fn keep(&mut self, fleet: &Fleet, secrets: &Secrets) -> Result<(), String> {
        let Some(files) = self.fetched.take() else { return Ok(()) };
        let house = House::open(state_of(fleet)?)?;
        house.keep(self.record.root_for(&fleet.node), &files)?;
        house.serve(&self.record, secrets)
    }
}

fn state_of(fleet: &Fleet) -> Result<&Path, String> {
    fleet.directory().map(|directory| directory.value.as_path()).map_err(|error| error.to_string())
}

/// The current release with its files. Waits for the first one as long as etcd answers.
async fn current(
    etcd: &Etcd,
    fleet: &Fleet,
    secrets: &Secrets,
    report: &mut impl FnMut(&str),
) -> Result<(Record, Files), String> {
    let watched = [key::CURRENT.to_owned()];
    let (revision, entries) = etcd.read(&watched).await.map_err(|error| error.to_string())?;
    let record = match opened(&entries, secrets)? {
        Some(record) => record,
        None => {
            report(&format!("etcd has no release yet under {}, and waits for the first one", fleet.etcd.prefix));
            waited(etcd, &watched, revision).await?;
            // It is read again, as everything else.
            return Err("a first release is published".into());
        }
    };
    let known = |_: &str| None;
    let files = transfer::get(etcd, &secrets.parts, record.root_for(&fleet.node), &known).await;
    Ok((record, files.map_err(|error| error.to_string())?))
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

const CONFIGURATION: &str = "tlsgate.toml";

/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_secs(1);
