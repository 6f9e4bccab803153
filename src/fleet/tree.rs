//! Files ↔ parts: a release as a tree of lists, in which a change of one file changes the lists above it and no others.
//!
//! Lists are cut where the hash of an entry says so, and not after so many entries: otherwise a file that is added would move
//! all that come after it from list to list. What is the same in two releases has the same names, and is stored once.
//!
//! Must not know: how parts are stored and sealed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::part::{Files, PartName, Plain};
use crate::tls::crypto::sha256;

pub mod lists;

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

/// Cuts files into parts. Each part is given to `keep`, which returns its name; the result is the root's.
pub fn cut(files: &Files, mut keep: impl FnMut(Plain) -> Result<PartName, String>) -> Result<PartName, TreeError> {
    bounded(files.iter().map(|(path, content)| (path.as_str(), content.len() as u64)))?;
    let mut keep = |part: Plain| keep(part).map_err(TreeError::Named);
    let mut entries = Vec::with_capacity(files.len());
    for (path, content) in files {
        let pieces = content.chunks(PIECE).map(|piece| keep(piece.to_vec().into())).collect::<Result<_, _>>()?;
        entries.push(File { path: path.clone(), size: content.len() as u64, pieces });
    }
    let mut below = Vec::new();
    for files in runs(&entries, |file| &file.path) {
        let first = files.first().map_or(String::new(), |file| file.path.clone());
        below.push(Below { first, list: keep(text(&List::Files(files.to_vec()))?)? });
    }
    while below.len() != 1 {
        let mut above = Vec::new();
        for lists in runs(&below, |below| &below.list.0) {
            let first = lists.first().map_or(String::new(), |below| below.first.clone());
            above.push(Below { first, list: keep(text(&List::Lists(lists.to_vec()))?)? });
        }
        below = above;
    }
    below.pop().map(|root| root.list).ok_or_else(|| TreeError::Part(String::new()))
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

/// Reads a release part by part: says which parts are needed, and takes them in any order.
#[derive(Debug)]
pub struct Reader {
    wanted: BTreeMap<PartName, Use>,
    files: Vec<File>,
    /// Of all files together.
    bytes: u64,
    pieces: BTreeMap<PartName, Plain>,
    /// Lists that were read: a list that leads to itself ends here.
    lists: BTreeSet<PartName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    List,
    Piece,
}

impl Reader {
    /// Begins with the root.
    pub fn new(root: PartName) -> Self {
        let (wanted, lists) = (BTreeMap::from([(root, Use::List)]), BTreeSet::new());
        Self { wanted, files: Vec::new(), bytes: 0, pieces: BTreeMap::new(), lists }
    }

    /// The parts that are needed next. None: all are there.
    pub fn wanted(&self) -> impl Iterator<Item = &PartName> {
        self.wanted.keys()
    }

    /// A part, whose content is that of its name.
    pub fn take(&mut self, name: &PartName, content: Plain) -> Result<(), TreeError> {
        match self.wanted.remove(name) {
            Some(Use::Piece) if content.len() <= PIECE => {
                self.pieces.insert(name.clone(), content);
                Ok(())
            }
            Some(Use::List) => self.list(name, &content),
            Some(Use::Piece) => Err(TreeError::Part(name.0.clone())),
            None => Ok(()),
        }
    }

    fn list(&mut self, name: &PartName, content: &[u8]) -> Result<(), TreeError> {
        let list = serde_json::from_slice(content).map_err(|_| TreeError::Part(name.0.clone()))?;
        self.lists.insert(name.clone());
        match list {
            List::Files(files) => {
                for piece in files.iter().flat_map(|file| &file.pieces) {
                    if !self.pieces.contains_key(piece) {
                        self.wanted.entry(piece.clone()).or_insert(Use::Piece);
                    }
                }
                self.bytes = files.iter().fold(self.bytes, |bytes, file| bytes.saturating_add(file.size));
                self.files.extend(files);
                // Paths are looked at in the end.
                if self.files.len() > MOST_FILES {
                    return Err(TreeError::Files { found: self.files.len() });
                }
                if self.bytes > MOST_BYTES {
                    return Err(TreeError::Bytes { found: self.bytes });
                }
            }
            List::Lists(lists) => {
                for below in lists {
                    if self.lists.contains(&below.list) || self.lists.len() + self.wanted.len() > MOST_FILES {
                        return Err(TreeError::Part(below.list.0));
                    }
                    self.wanted.insert(below.list, Use::List);
                }
            }
        }
        Ok(())
    }

    /// The files, if all parts are there.
    pub fn finish(self) -> Result<Files, TreeError> {
        if let Some(missing) = self.wanted.keys().next() {
            return Err(TreeError::Part(missing.0.clone()));
        }
        bounded(self.files.iter().map(|file| (file.path.as_str(), file.size)))?;
        let mut files = BTreeMap::new();
        for file in self.files {
            // At once, since nobody would wipe what it grows out of; and no more than is there.
            let there: usize =
                file.pieces.iter().filter_map(|piece| self.pieces.get(piece)).map(|piece| piece.len()).sum();
            let mut content = Plain::new(Vec::with_capacity(there.min(usize::try_from(file.size).unwrap_or(0))));
            for piece in &file.pieces {
                let piece = self.pieces.get(piece).ok_or_else(|| TreeError::Part(piece.0.clone()))?;
                if (content.len() + piece.len()) as u64 > file.size {
                    return Err(TreeError::Part(file.path));
                }
                content.extend_from_slice(piece);
            }
            if content.len() as u64 != file.size {
                return Err(TreeError::Part(file.path));
            }
            files.insert(file.path, content);
        }
        Ok(files)
    }
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
