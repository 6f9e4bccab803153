//! Files ↔ parts: a release as a tree of lists, in which a change of one file changes the lists above it and no others.
//!
//! Lists are cut where the hash of an entry says so, and not after so many entries: otherwise a file that is added would move
//! all that come after it from list to list. What is the same in two releases has the same names, and is stored once.
//!
//! Must not know: how parts are stored and sealed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::part::{Files, PartName, Plain};
use crate::tls::crypto::sha256;

pub mod index;
pub mod lists;
pub mod reader;

/// A list. Its first entry names what the whole list begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum List {
    Files(Vec<File>),
    Lists(Vec<Below>),
}

/// A file, cut into pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    size: u64,
    pieces: Vec<PartName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Below {
    first: String,
    list: PartName,
}

/// Why files cannot be a release, or parts cannot be files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error(
        "found the path {0:?}, expected one below the folder of the configuration, without \".\" and \"..\", of at most {LONGEST_PATH} bytes and {DEEPEST} names"
    )]
    Path(String),
    #[error("found {0:?} twice, or as a file and as a folder")]
    Twice(String),
    #[error("found {found} files, expected at most {MOST_FILES}")]
    Files { found: usize },
    #[error("found {found} bytes, expected at most {MOST_BYTES}")]
    Bytes { found: u64 },
    #[error("found a part {0} that is neither a list nor a piece of a file")]
    Part(String),
    #[error("{0}")]
    Named(String),
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    List,
    Piece,
}

/// Cuts files into parts. Each part is given to `keep`, which returns its name; the result is the root's.
pub fn cut(files: &Files, mut keep: impl FnMut(Plain) -> Result<PartName, String>) -> Result<PartName, TreeError> {
    cut_as(files, |_, part| keep(part))
}

/// The same, and says of each part what it is.
fn cut_as(files: &Files, mut keep: impl FnMut(Use, Plain) -> Result<PartName, String>) -> Result<PartName, TreeError> {
    bounded(files.iter().map(|(path, content)| (path.as_str(), content.len() as u64)))?;
    let mut keep = |what, part: Plain| keep(what, part).map_err(TreeError::Named);
    let mut entries = Vec::with_capacity(files.len());
    for (path, content) in files {
        let pieces = pieces(content).map(|piece| keep(Use::Piece, piece.to_vec().into())).collect::<Result<_, _>>()?;
        entries.push(File { path: path.clone(), size: content.len() as u64, pieces });
    }
    let mut below = Vec::new();
    for files in runs(&entries, |file| &file.path) {
        let first = files.first().map_or(String::new(), |file| file.path.clone());
        below.push(Below { first, list: keep(Use::List, text(&List::Files(files.to_vec()))?)? });
    }
    while below.len() != 1 {
        let mut above = Vec::new();
        for lists in runs(&below, |below| &below.list.0) {
            let first = lists.first().map_or(String::new(), |below| below.first.clone());
            above.push(Below { first, list: keep(Use::List, text(&List::Lists(lists.to_vec()))?)? });
        }
        below = above;
    }
    below.pop().map(|root| root.list).ok_or_else(|| TreeError::Part(String::new()))
}

/// The pieces of a file, in order.
pub fn pieces(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.chunks(PIECE)
}

/// What a list leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Leads {
    ToLists(Vec<PartName>),
    ToPieces(Vec<PartName>),
}

/// What this list leads to; `None` if it is no list.
pub fn leads(content: &[u8]) -> Option<Leads> {
    Some(match serde_json::from_slice(content).ok()? {
        List::Files(files) => Leads::ToPieces(files.into_iter().flat_map(|file| file.pieces).collect()),
        List::Lists(lists) => Leads::ToLists(lists.into_iter().map(|below| below.list).collect()),
    })
}

fn text(list: &List) -> Result<Plain, TreeError> {
    serde_json::to_vec(list).map(Plain::new).map_err(|error| TreeError::Part(error.to_string()))
}

/// Cuts a list after each entry whose hash ends in a certain way. No entries are one empty run.
fn runs<T>(entries: &[T], key: impl Fn(&T) -> &str) -> Vec<&[T]> {
    let (mut runs, mut from) = (Vec::new(), 0);
    for (index, entry) in entries.iter().enumerate() {
        let [byte, ..] = sha256(key(entry).as_bytes());
        let length = index + 1 - from;
        // Each run has two at least, so that each level has at most half as many.
        if (byte % ONE_IN == 0 && length >= 2) || length >= LONGEST_LIST {
            runs.push(&entries[from..=index]);
            from = index + 1;
        }
    }
    if from < entries.len() || runs.is_empty() {
        runs.push(&entries[from..]);
    }
    runs
}

/// What is held against the bounds before it is stored, and after it was read.
fn bounded<'f>(files: impl Iterator<Item = (&'f str, u64)>) -> Result<(), TreeError> {
    let (mut paths, mut folders, mut bytes) = (BTreeSet::new(), BTreeSet::new(), 0_u64);
    for (path, size) in files {
        let is_plain = |name: &str| {
            (1..=LONGEST_NAME).contains(&name.len()) && name != "." && name != ".." && !name.contains(['\0', '\\'])
        };
        let is_deep = path.split('/').count() > DEEPEST;
        if path.len() > LONGEST_PATH || is_deep || !path.split('/').all(is_plain) {
            return Err(TreeError::Path(path.to_owned()));
        }
        if !paths.insert(path) {
            return Err(TreeError::Twice(path.to_owned()));
        }
        folders.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
        bytes = bytes.saturating_add(size);
    }
    if let Some(both) = paths.intersection(&folders).next() {
        return Err(TreeError::Twice((*both).to_owned()));
    }
    if paths.len() > MOST_FILES {
        return Err(TreeError::Files { found: paths.len() });
    }
    if bytes > MOST_BYTES { Err(TreeError::Bytes { found: bytes }) } else { Ok(()) }
}

/// Of a file, in bytes. etcd takes 1.5 MiB in a request.
pub const PIECE: usize = 256 * 1024;

/// So many entries has a list in the mean, and at most.
const ONE_IN: u8 = 64;
const LONGEST_LIST: usize = 512;

/// In bytes.
const LONGEST_PATH: usize = 1024;

/// Of a file or a folder, in bytes: what file systems take.
const LONGEST_NAME: usize = 255;

/// Names in a path.
pub const DEEPEST: usize = 12;

const MOST_FILES: usize = 200_000;
const MOST_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests;
