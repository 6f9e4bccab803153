//! The client of etcd, the drive of the fleet's machines and the transfer of releases, against real members of two versions.

use std::future::Future;
use std::time::Duration;

use tlsgate::etcd::{Etcd, Settings, Trouble, Watch};
use tlsgate::fleet::store::{Change, Entry, Lease, Revision, Transaction, Written};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::etcd::Etcd as Store;

mod collections;
mod drive;
mod keys;
mod limits;
mod members;
mod restored;
mod security;
mod transfer;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE * 2, future).await.expect("not in time") })
}

fn settings(store: &Store) -> Settings {
    let ca = store.pki.as_ref().map(|pki| pki.ca());
    let identity = store.pki.as_ref().map(|_| store.client_pair());
    let prefix = "/test/a".to_owned();
    Settings { endpoints: store.urls(), prefix, ca, identity, user: None, timeout: Duration::from_secs(3) }
}

fn client(store: &Store) -> Etcd {
    Etcd::new(&settings(store)).unwrap()
}

fn put(key: &str, value: &str) -> Change {
    leased(key, value, None)
}

fn leased(key: &str, value: &str, lease: Option<Lease>) -> Change {
    Change::Put { key: key.into(), value: value.as_bytes().to_vec(), lease }
}

fn when(conditions: &[(&str, Revision)], then: Vec<Change>) -> Transaction {
    Transaction { when: conditions.iter().map(|(key, revision)| ((*key).to_owned(), *revision)).collect(), then }
}

async fn done(etcd: &Etcd, then: Vec<Change>) -> Revision {
    match etcd.write(&when(&[], then)).await.unwrap() {
        Written::Done(revision) => revision,
        other => panic!("{other:?}"),
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Key and value of each.
fn shown(entries: &[Entry]) -> Vec<(&str, Option<&str>)> {
    let text = |entry: &'_ Entry| entry.value.as_deref().map(|value| std::str::from_utf8(value).unwrap().to_owned());
    entries.iter().map(|entry| (entry.key.as_str(), text(entry).map(|text| &*text.leak()))).collect()
}

/// What comes until this key has been seen.
async fn until(watch: &mut Watch, key: &str) -> Result<Vec<Entry>, Trouble> {
    let mut all = Vec::new();
    while !all.iter().any(|entry: &Entry| entry.key == key) {
        all.extend(watch.next().await?);
    }
    Ok(all)
}
