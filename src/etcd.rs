//! etcd over its JSON gateway: reads, transactions, leases, watches; with failover between members, TLS and a user.
//!
//! All keys are given without the prefix of the settings, and come back without it. Must not know: what keys and values
//! mean.

use std::path::PathBuf;
use std::time::Duration;

use crate::fleet::store::{Entry, Lease, Revision, Transaction, Written};

/// How etcd is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `http://` or `https://`, host and port; tried one after the other.
    pub endpoints: Vec<String>,
    /// Before every key; without a slash at its end.
    pub prefix: String,
    /// The CAs that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name and the file of the password.
    pub user: Option<(String, PathBuf)>,
    /// For one request.
    pub timeout: Duration,
}

/// Why etcd did not do what it was asked for: for people; names the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No member answers, or those that do have no leader.
    #[error("{0}")]
    Unreachable(String),
    /// etcd refuses: no right, no space, a wrong password.
    #[error("{0}")]
    Refused(String),
    /// The lease has ended.
    #[error("the lease has ended")]
    LeaseEnded,
    /// What is to be watched was compacted away, or the store is not the one that it was (restored from a backup): read again.
    #[error("{0}")]
    Restart(String),
}

/// A client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Etcd(Settings);

/// The state of one member, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub endpoint: String,
    /// Or why it does not answer.
    pub state: Result<MemberState, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    pub version: String,
    pub database_bytes: u64,
    pub is_leader: bool,
    /// Such as `NOSPACE`.
    pub alarms: Vec<String>,
}

/// Changes, as they come.
#[derive(Debug)]
pub struct Watch(());

impl Etcd {
    /// Reads the files that the settings name.
    pub fn new(settings: &Settings) -> Result<Self, Trouble> {
        Ok(Self(settings.clone()))
    }

    /// Everything under these keys (or prefixes, which end in `/`), all at the returned revision; sorted, each key once.
    pub async fn read(&self, what: &[String]) -> Result<(Revision, Vec<Entry>), Trouble> {
        todo!("{what:?}")
    }

    /// A trouble is only returned if nothing was written and nothing will be; otherwise [`Written::Unknown`].
    pub async fn write(&self, transaction: &Transaction) -> Result<Written, Trouble> {
        todo!("{transaction:?}")
    }

    /// A lease for this time.
    pub async fn grant(&self, time: Duration) -> Result<Lease, Trouble> {
        todo!("{time:?}")
    }

    /// Renews it once.
    pub async fn keep(&self, lease: Lease) -> Result<(), Trouble> {
        todo!("{lease:?}")
    }

    /// Ends it: what was put with it goes.
    pub async fn revoke(&self, lease: Lease) -> Result<(), Trouble> {
        todo!("{lease:?}")
    }

    /// Watches keys (or prefixes) from after this revision.
    pub async fn watch(&self, what: &[String], after: Revision) -> Result<Watch, Trouble> {
        todo!("{what:?} {after}")
    }

    /// Which of these keys exist; any number of them.
    pub async fn existing(&self, keys: &[String]) -> Result<Vec<String>, Trouble> {
        todo!("{keys:?}")
    }

    /// The entries of these keys, those that exist; any number, within etcd's limits for one request.
    pub async fn get(&self, keys: &[String]) -> Result<Vec<Entry>, Trouble> {
        todo!("{keys:?}")
    }

    /// Puts values without a condition, in as few transactions as etcd's limits allow, in this order.
    pub async fn put(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), Trouble> {
        todo!("{values:?}")
    }

    /// All keys under a prefix, in pages.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Trouble> {
        todo!("{prefix}")
    }

    /// Deletes keys, any number.
    pub async fn delete(&self, keys: &[String]) -> Result<(), Trouble> {
        todo!("{keys:?}")
    }

    /// Asks every endpoint for its state.
    pub async fn members(&self) -> Vec<Member> {
        todo!()
    }
}

impl Watch {
    /// The next changes; waits for them.
    pub async fn next(&mut self) -> Result<Vec<Entry>, Trouble> {
        todo!()
    }
}
