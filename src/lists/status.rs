//! What is known of every list that is fetched, for who shows it. Must not know: who shows it, how it came about.

use std::sync::Arc;

use crate::lists::url::Url;
use crate::words::words;

/// Everything at one moment. Times are seconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Sorted by URL.
    pub lists: Vec<OfList>,
    /// Why nothing is fetched; `None` where nothing is in the way.
    pub trouble: Option<String>,
}

/// One list.
#[derive(Debug, Clone)]
pub struct OfList {
    pub url: Arc<Url>,
    pub found: Found,
    pub state: State,
    /// What the list says of itself; `None` where there is none.
    pub list: Option<OfContent>,
    /// When it was fetched last, or the server said that it is still the same.
    pub fetched: Option<i64>,
    /// When it is fetched next.
    pub next: Option<i64>,
    /// Fetches that have failed since the last one that succeeded.
    pub failures: u32,
    pub last_failure: Option<Failure>,
    /// Since the start of the process: fetches with a new list, with the same, and without a list that could be used.
    pub counts: Counts,
}

/// What a list says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfContent {
    pub issuer: String,
    pub this_update: i64,
    pub next_update: i64,
    /// Certificates that are revoked.
    pub entries: usize,
}

/// How the address of a list is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A key names it.
    Url,
    /// The certificate of a CA names it.
    Authority,
    /// The certificate of a peer named it.
    Peer,
}

words! { Found { Url => "url", Authority => "ca_certificate", Peer => "peer_certificate" } }

/// What has become of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// There is none yet.
    Pending,
    /// It is used.
    Current,
    /// The last good one is out of date.
    Outdated,
}

words! { State { Pending => "pending", Current => "current", Outdated => "outdated" } }

/// How fetches have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub fetched: u64,
    pub unchanged: u64,
    pub failed: u64,
}

impl Counts {
    /// With their names.
    pub fn all(self) -> [(&'static str, u64); 3] {
        [("fetched", self.fetched), ("unchanged", self.unchanged), ("failed", self.failed)]
    }
}

/// A fetch that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub at: i64,
    pub message: String,
}
