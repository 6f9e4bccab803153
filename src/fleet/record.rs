//! What is written under the keys: releases, proposals, registrations, answers; as JSON. Pure.
//!
//! Must not know: how it is sealed, when it is written.

use serde::{Deserialize, Serialize};

/// Identifies the content of a release: the same files have the same root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Root(pub String);

/// One release, as it is or was served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 1 for the first one. A roll-back is a new release with an old root.
    pub number: u64,
    /// Milliseconds since 1970, and at least one more than in every record that its publisher could see: the order of
    /// releases. Numbers can be given twice when the store was restored from a backup, and this cannot.
    pub stamp: u64,
    /// The attempt that committed it.
    pub attempt: String,
    pub root: Root,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// The node or person that published it.
    pub by: String,
    #[serde(default)]
    pub note: String,
}

/// Some nodes serve another root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    pub root: Root,
    pub nodes: Vec<String>,
    /// When whoever has published it has decided at the latest, in milliseconds since 1970: later than that, nobody is there
    /// who would. Records from before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl Record {
    /// What this node is to serve.
    pub fn root_for(&self, node: &str) -> &Root {
        let canary = self.canary.as_ref().filter(|canary| canary.nodes.iter().any(|name| name == node));
        canary.map_or(&self.root, |canary| &canary.root)
    }

    /// All that is to be prepared: also what only others serve at first, since it comes to all of them next.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        std::iter::once(&self.root).chain(self.canary.as_ref().map(|canary| &canary.root))
    }
}

/// A release that is to be prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    pub record: Record,
    /// Nodes that are not waited for.
    #[serde(default)]
    pub without: Vec<String>,
}

/// A node that is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Identifies the machine across restarts, so that two machines cannot have one name.
    pub machine: String,
    /// Identifies the process.
    pub process: String,
    /// Identifies the time in which it has been connected: its lease.
    pub session: i64,
    /// What it serves.
    pub serving: Option<Served>,
    /// Why it does not serve what it is to serve; or why what it serves as a canary is not good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a node serves, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    pub number: u64,
    pub stamp: u64,
    pub root: Root,
}

/// Whether a node can serve what was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What a node has answered in an earlier session does not count.
    pub session: i64,
    /// The revision of the proposal: one that was lost and made again is another one, since nodes have let go of it.
    pub proposal: i64,
    /// `None`: it is ready. Otherwise why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// The node that leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leading {
    pub node: String,
    /// The lease of its time in that place.
    pub session: i64,
}
