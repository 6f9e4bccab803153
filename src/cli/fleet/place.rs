//! Where a fleet is: `fleet.toml` → etcd, opened with the fleet's secrets. Must not know: what a verb does there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::sleep;

use crate::cli::answer::print::complain;
use crate::cli::load::reading;
use crate::config;
use crate::config::located::ConfigError;
use crate::etcd::{Etcd, Trouble};
use crate::fleet::key;
use crate::fleet::part::Parts;
use crate::fleet::record::Leading;
use crate::fleet::seal::Seal;
use crate::fleet::store::{Change, Entry, Revision, Transaction};
use crate::member::secrets;

/// The file of every verb.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The file that `run --fleet` takes, of which `[fleet]` counts.
    #[arg(long, value_name = "FILE", default_value = "fleet.toml")]
    fleet: PathBuf,
}

/// A fleet's store.
pub(super) struct Store {
    pub(super) etcd: Etcd,
    pub(super) seal: Arc<Seal>,
    pub(super) parts: Arc<Parts>,
    /// The file of the secrets, for messages.
    secrets: PathBuf,
    /// For how long etcd is asked again until it has answered once.
    patience: Duration,
    has_answered: AtomicBool,
}

/// A value of the store.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    /// 0: it is absent.
    pub(super) revision: Revision,
    pub(super) value: Option<T>,
}

impl Place {
    /// Reads the file and the secrets.
    pub(super) fn open(&self) -> Result<Store, String> {
        let path = self.fleet.clone();
        let read = reading(move || {
            let fleet = config::load_machine(&path)?.fleet;
            let secrets = secrets::read(&fleet.secret_file, &fleet.etcd.prefix).map_err(|error| vec![error])?;
            Ok((fleet, secrets))
        });
        let (fleet, secrets) = read.map_err(|errors| several(&errors))?;
        let file = fleet.secret_file.value.clone();
        if secrets.exposed {
            complain(&format!("warning: {}: everybody can read the fleet's secret", file.display()));
        }
        let etcd = Etcd::new(&fleet.etcd).map_err(|trouble| trouble.to_string())?;
        let patience = fleet.etcd.timeout.max(ELECTION);
        let has_answered = AtomicBool::new(false);
        Ok(Store { etcd, seal: secrets.seal, parts: secrets.parts, secrets: file, patience, has_answered })
    }
}

impl Store {
    /// Opens what is under a key.
    pub(super) fn opened<T: DeserializeOwned>(&self, key: &str, sealed: &[u8]) -> Result<T, String> {
        let secrets = self.secrets.display();
        self.seal
            .open(key, sealed)
            .map_err(|error| format!("etcd's key {key}: {error} (the secrets of {secrets} were tried)"))
    }

    /// The value of one key.
    pub(super) async fn one<T: DeserializeOwned>(&self, key: &str) -> Result<Found<T>, String> {
        let (_, entries) = self.read(&[key]).await?;
        let found =
            entries.into_iter().find(|entry| entry.key == key).and_then(|entry| Some((entry.revision, entry.value?)));
        let Some((revision, sealed)) = found else { return Ok(Found { revision: 0, value: None }) };
        Ok(Found { revision, value: Some(self.opened(key, &sealed)?) })
    }

    /// Who leads; `None` where nobody does. What does not go with the lease of its holder was put there by somebody else.
    pub(super) async fn leader(&self) -> Result<Option<String>, String> {
        let (_, entries) = self.read(&[key::LEADER]).await?;
        let found = entries.into_iter().find_map(|entry| Some((entry.lease, entry.value?)));
        let Some((lease, sealed)) = found else { return Ok(None) };
        let leading: Leading = self.opened(key::LEADER, &sealed)?;
        Ok((leading.session == lease).then_some(leading.node))
    }

    /// All values under a prefix, by what follows it; those that cannot be opened with the reason.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Result<T, String>)>, String> {
        let (_, entries) = self.read(&[prefix]).await?;
        Ok(self.opened_below(prefix, entries))
    }

    /// The same, of a prefix under which there is more than of records.
    pub(super) async fn collection<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Result<T, String>)>, String> {
        let (_, entries) = self.read_with(&self.etcd.for_collections(), &[prefix]).await?;
        Ok(self.opened_below(prefix, entries))
    }

    fn opened_below<T: DeserializeOwned>(&self, prefix: &str, entries: Vec<Entry>) -> Vec<(String, Result<T, String>)> {
        let one = |entry: Entry| {
            let name = entry.key.strip_prefix(prefix)?.to_owned();
            Some((name, self.opened(&entry.key, &entry.value?)))
        };
        entries.into_iter().filter_map(one).collect()
    }

    /// The revision of the last change of a key; 0 if it is absent.
    pub(super) async fn revision(&self, key: &str) -> Result<Revision, String> {
        let (_, entries) = self.read(&[key]).await?;
        Ok(entries.iter().find(|entry| entry.key == key && entry.value.is_some()).map_or(0, |entry| entry.revision))
    }

    /// The keys below these that only the second secret opens: nobody reads them any more once that is dropped.
    pub(super) async fn of_second_secret(&self, what: &[&str]) -> Result<Vec<String>, String> {
        if !self.seal.is_changing() {
            return Ok(Vec::new());
        }
        let (_, entries) = self.read_with(&self.etcd.for_collections(), what).await?;
        let is_of_second = |entry: &Entry| {
            let Entry { key, value: Some(sealed), .. } = entry else { return false };
            !self.seal.is_of_first(key, sealed) && self.seal.open::<IgnoredAny>(key, sealed).is_ok()
        };
        Ok(entries.into_iter().filter(is_of_second).map(|entry| entry.key).collect())
    }

    /// Seals the value of a key with the first secret if the other one has sealed it. Nothing is done if it changes meanwhile.
    pub(super) async fn reseal(&self, key: &str) -> Result<(), String> {
        let (_, entries) = self.read(&[key]).await?;
        let found = entries.into_iter().find(|entry| entry.key == key);
        let Some((revision, sealed)) = found.and_then(|entry| Some((entry.revision, entry.value?))) else {
            return Ok(());
        };
        if self.seal.is_of_first(key, &sealed) {
            return Ok(());
        }
        let value: serde_json::Value = self.opened(key, &sealed)?;
        let value = self.seal.close(key, &value).map_err(|error| error.to_string())?;
        let change = Change::Put { key: key.to_owned(), value, lease: None };
        let transaction = Transaction { when: vec![(key.to_owned(), revision)], then: vec![change] };
        self.etcd.write(&transaction).await.map(|_| ()).map_err(|trouble| trouble.to_string())
    }

    async fn read(&self, what: &[&str]) -> Result<(Revision, Vec<Entry>), String> {
        self.read_with(&self.etcd, what).await
    }

    /// The first time, etcd is asked again for a while: it elects a leader perhaps, or a member does not answer. Whoever waits
    /// for something else later has a time limit for that.
    async fn read_with(&self, etcd: &Etcd, what: &[&str]) -> Result<(Revision, Vec<Entry>), String> {
        let what: Vec<String> = what.iter().map(|key| (*key).to_owned()).collect();
        let begun = Instant::now();
        let mut is_reported = false;
        loop {
            let is_first = !self.has_answered.load(Ordering::Relaxed);
            match etcd.read(&what).await {
                Err(Trouble::Unreachable(why)) if is_first && begun.elapsed() < self.patience => {
                    if !std::mem::replace(&mut is_reported, true) {
                        complain(&format!(
                            "warning: {why}; etcd is asked again for up to {} s",
                            self.patience.as_secs()
                        ));
                    }
                    sleep(AGAIN).await;
                }
                Ok(read) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return Ok(read);
                }
                Err(trouble) => return Err(trouble.to_string()),
            }
        }
    }
}

/// Runs what a verb does in etcd.
pub(super) fn wait_for<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot start: {error}"))?.block_on(work)
}

fn several(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: ")
}

/// Longer than an election takes: members of etcd wait up to 2 s before they elect another leader.
const ELECTION: Duration = Duration::from_secs(3);

/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_millis(200);
