//! Parts → files: which parts of a release are needed, in any order, also where another release is here already. Pure.
//!
//! Must not know: how parts are stored and sealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::Index;
use super::lists::Entry;
use super::{Below, File, List, MOST_BYTES, MOST_FILES, PIECE, TreeError, Use, bounded};
use crate::fleet::part::{Files, PartName, Plain};

/// Reads a release part by part: says which parts are needed, and takes them in any order.
#[derive(Debug)]
pub struct Reader {
    root: PartName,
    wanted: BTreeMap<PartName, Use>,
    files: Vec<File>,
    /// Of all files together.
    bytes: u64,
    pieces: BTreeMap<PartName, Plain>,
    /// Lists that were read: a list that leads to itself ends here.
    lists: BTreeMap<PartName, Arc<Plain>>,
    here: Option<Here>,
}

/// Another release, whose files are here. What is the same is not read.
#[derive(Debug)]
struct Here {
    index: Index,
    files: BTreeMap<String, Entry>,
}

/// A release that was read.
#[derive(Debug, Clone)]
pub struct Read {
    pub index: Index,
    /// Those that are not here already.
    pub files: Files,
}

impl Reader {
    /// Begins with the root.
    pub fn new(root: PartName) -> Self {
        let (wanted, lists) = (BTreeMap::from([(root.clone(), Use::List)]), BTreeMap::new());
        Self { root, wanted, files: Vec::new(), bytes: 0, pieces: BTreeMap::new(), lists, here: None }
    }

    /// The same where the lists of another release are here, which are not needed then; and, if so, its files: those that are the
    /// same in both are not needed, either.
    pub fn beside(root: PartName, here: Index, has_files: bool) -> Result<Self, TreeError> {
        let mut reader = Self::new(root.clone());
        let known = here.list(&root).cloned();
        let files = if has_files { here.entries() } else { BTreeMap::new() };
        reader.here = Some(Here { files, index: here });
        if let Some(list) = known {
            reader.take_list(&root, list)?;
        }
        Ok(reader)
    }

    /// The parts that are needed next. None: all are there.
    pub fn wanted(&self) -> impl Iterator<Item = &PartName> {
        self.wanted.keys()
    }

    /// Those of them that are pieces of files.
    pub fn pieces(&self) -> impl Iterator<Item = &PartName> {
        self.wanted.iter().filter(|(_, is)| **is == Use::Piece).map(|(name, _)| name)
    }

    /// A part, whose content is that of its name.
    pub fn take(&mut self, name: &PartName, content: Plain) -> Result<(), TreeError> {
        match self.wanted.remove(name) {
            Some(Use::Piece) if content.len() <= PIECE => {
                self.pieces.insert(name.clone(), content);
                Ok(())
            }
            Some(Use::List) => self.take_list(name, Arc::new(content)),
            Some(Use::Piece) => Err(TreeError::Part(name.0.clone())),
            None => Ok(()),
        }
    }

    /// A list, and those below it that are here.
    fn take_list(&mut self, name: &PartName, content: Arc<Plain>) -> Result<(), TreeError> {
        let mut left = vec![(name.clone(), content)];
        while let Some((name, content)) = left.pop() {
            self.wanted.remove(&name);
            let list = serde_json::from_slice(&content).map_err(|_| TreeError::Part(name.0.clone()))?;
            self.lists.insert(name, content);
            match list {
                List::Files(files) => self.add(files)?,
                List::Lists(lists) => {
                    for Below { list, .. } in lists {
                        if self.lists.contains_key(&list) || self.lists.len() + self.wanted.len() > MOST_FILES {
                            return Err(TreeError::Part(list.0));
                        }
                        let here = self.here.as_ref().and_then(|here| here.index.list(&list));
                        left.extend(here.map(|content| (list.clone(), Arc::clone(content))));
                        self.wanted.insert(list, Use::List);
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, files: Vec<File>) -> Result<(), TreeError> {
        let needed = files.iter().filter(|file| !self.is_here(file)).flat_map(|file| &file.pieces);
        let absent: Vec<PartName> = needed.filter(|piece| !self.pieces.contains_key(*piece)).cloned().collect();
        for piece in absent {
            self.wanted.entry(piece).or_insert(Use::Piece);
        }
        self.bytes = files.iter().fold(self.bytes, |bytes, file| bytes.saturating_add(file.size));
        self.files.extend(files);
        // Paths are looked at in the end.
        if self.files.len() > MOST_FILES {
            return Err(TreeError::Files { found: self.files.len() });
        }
        if self.bytes > MOST_BYTES { Err(TreeError::Bytes { found: self.bytes }) } else { Ok(()) }
    }

    fn is_here(&self, file: &File) -> bool {
        let here = self.here.as_ref().and_then(|here| here.files.get(&file.path));
        here.is_some_and(|here| here.size == file.size && here.pieces == file.pieces)
    }

    /// The release, if all parts are there.
    pub fn finish(self) -> Result<Read, TreeError> {
        if let Some(missing) = self.wanted.keys().next() {
            return Err(TreeError::Part(missing.0.clone()));
        }
        bounded(self.files.iter().map(|file| (file.path.as_str(), file.size)))?;
        let mut files = BTreeMap::new();
        for file in self.files.iter().filter(|file| !self.is_here(file)) {
            files.insert(file.path.clone(), self.joined(file)?);
        }
        Ok(Read { index: Index::new(self.root, self.lists), files })
    }

    fn joined(&self, file: &File) -> Result<Plain, TreeError> {
        // At once, since nobody would wipe what it grows out of; and no more than is there.
        let there: usize = file.pieces.iter().filter_map(|piece| self.pieces.get(piece)).map(|piece| piece.len()).sum();
        let mut content = Plain::new(Vec::with_capacity(there.min(usize::try_from(file.size).unwrap_or(0))));
        for piece in &file.pieces {
            let piece = self.pieces.get(piece).ok_or_else(|| TreeError::Part(piece.0.clone()))?;
            if (content.len() + piece.len()) as u64 > file.size {
                return Err(TreeError::Part(file.path.clone()));
            }
            content.extend_from_slice(piece);
        }
        if content.len() as u64 == file.size { Ok(content) } else { Err(TreeError::Part(file.path.clone())) }
    }
}
