//! The lists of one release: which files it has, and how it differs from another one, without their contents. Pure.
//!
//! Must not know: where the files are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lists::Entry;
use super::{File, List, TreeError, Use, cut_as};
use crate::fleet::part::{Files, PartName, Plain};

/// The lists of a release, each with the content that its name names. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    root: PartName,
    lists: BTreeMap<PartName, Arc<Plain>>,
}

/// How a release differs from another one, by paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files that the other one does not have, or has with another content.
    pub changed: BTreeSet<String>,
    /// Files that only the other one has.
    pub gone: BTreeSet<String>,
}

impl Index {
    pub(super) fn new(root: PartName, lists: BTreeMap<PartName, Arc<Plain>>) -> Self {
        Self { root, lists }
    }

    /// That of these files. `name` names a part.
    pub fn of(files: &Files, mut name: impl FnMut(&[u8]) -> Result<PartName, String>) -> Result<Self, TreeError> {
        let mut lists = BTreeMap::new();
        let root = cut_as(files, |what, part| {
            let name = name(&part)?;
            if what == Use::List {
                lists.insert(name.clone(), Arc::new(part));
            }
            Ok(name)
        })?;
        Ok(Self { root, lists })
    }

    pub fn root(&self) -> &PartName {
        &self.root
    }

    /// The names of its lists.
    pub fn lists(&self) -> impl Iterator<Item = &PartName> {
        self.lists.keys()
    }

    /// A list of it.
    pub fn list(&self, name: &PartName) -> Option<&Arc<Plain>> {
        self.lists.get(name)
    }

    /// All its files, by path.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        files(self.lists.values())
    }

    /// How it differs from the other one. What both have in common is not looked into.
    pub fn since(&self, other: &Self) -> Difference {
        let without = |lists: &Self, those: &Self| {
            files(lists.lists.iter().filter(|(name, _)| !those.lists.contains_key(*name)).map(|(_, list)| list))
        };
        let (own, others) = (without(self, other), without(other, self));
        let changed = own.iter().filter(|(path, entry)| others.get(*path) != Some(*entry));
        Difference {
            changed: changed.map(|(path, _)| path.clone()).collect(),
            gone: others.into_keys().filter(|path| !own.contains_key(path)).collect(),
        }
    }
}

fn files<'l>(lists: impl Iterator<Item = &'l Arc<Plain>>) -> BTreeMap<String, Entry> {
    let files = lists.filter_map(|list| match serde_json::from_slice(list) {
        Ok(List::Files(files)) => Some(files),
        // It was read once.
        Ok(List::Lists(_)) | Err(_) => None,
    });
    files.flatten().map(|File { path, size, pieces }| (path, Entry { size, pieces })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::crypto::sha256;

    fn index(files: &Files) -> Index {
        let name = |part: &[u8]| Ok(PartName(sha256(part).iter().map(|byte| format!("{byte:02x}")).collect()));
        Index::of(files, name).unwrap()
    }

    fn paths(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn it_differs_by_what_was_added_changed_and_removed() {
        let text = |number: u32| format!("file {number}").into_bytes();
        let mut before: Files = (0..2_000).map(|number| (format!("{number:04}"), text(number).into())).collect();
        let first = index(&before);
        assert_eq!(first.entries().len(), 2_000);
        assert_eq!(first.since(&first), Difference::default());
        before.insert("0005".into(), b"another".to_vec().into());
        before.insert("new".into(), text(7).into());
        before.remove("1234");
        let second = index(&before);
        assert_eq!(second.since(&first), Difference { changed: paths(&["0005", "new"]), gone: paths(&["1234"]) });
        assert_eq!(first.since(&second), Difference { changed: paths(&["0005", "1234"]), gone: paths(&["new"]) });
        assert_eq!(index(&Files::new()).since(&second).gone.len(), 2_000);
        assert_eq!(second.entries().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    }
}
