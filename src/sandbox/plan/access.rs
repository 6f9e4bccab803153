//! How a process uses a path. Must not know: which path.

use serde::Serialize;

use crate::words::words;

/// How a path is used. A later one includes the earlier ones, except that what is written only cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Files are read, and folders.
    Read,
    /// Files are made and written to.
    Append,
    /// Files are removed.
    Remove,
    /// All of it.
    Change,
}

words! { Access { Read => "read", Append => "append", Remove => "remove", Change => "change" } }
