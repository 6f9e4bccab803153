//! Which lists of revoked certificates are fetched, and how. Must not know: how settings are written, what has become of the
//! lists.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::lists::url::Url;

/// Everything that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[state] directory`. Nothing can be fetched without one.
    pub state: Option<PathBuf>,
    /// The HTTP proxy that is asked for all lists.
    pub proxy: Option<Url>,
    /// PEM of the certificates that are trusted at `https` addresses. `None`: the system's roots.
    pub ca: Option<PathBuf>,
    /// The longest time from one fetch of a list to the next.
    pub refresh: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// In the order of the configuration.
    pub wanted: Vec<Wanted>,
}

/// Lists that somebody is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub from: From,
    /// The files with the CAs that may have signed them.
    pub ca: Vec<PathBuf>,
}

/// Where lists are fetched from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum From {
    Url(Arc<Url>),
    /// The distribution points in the certificates of the CAs, and in those that they issued.
    Points,
}

/// The folder below `[state] directory` in which lists are kept.
pub fn folder(state: &Path) -> PathBuf {
    state.join("lists")
}

/// The file of a list in that folder.
pub fn file(url: &Url) -> String {
    format!("{}.{EXTENSION}", url.stem())
}

/// Of the files of lists, and of no other file in the folder.
pub const EXTENSION: &str = "crl";

/// As many as a start can wait for; a configuration with more is wrong.
pub const MOST: usize = 256;
