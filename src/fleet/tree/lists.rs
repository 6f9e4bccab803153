//! The lists of releases without their files: what a release consists of, and which parts it needs. Pure.
//!
//! Must not know: how parts are stored and sealed.

use std::collections::{BTreeMap, BTreeSet};

use super::{List, MOST_FILES, TreeError};
use crate::fleet::part::PartName;

/// Lists that were read, of any number of releases. What several of them have in common is read once.
#[derive(Debug, Default)]
pub struct Lists {
    wanted: BTreeSet<PartName>,
    read: BTreeMap<PartName, List>,
}

/// A file of a release. Two with the same pieces have the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub size: u64,
    pub pieces: Vec<PartName>,
}

impl Lists {
    /// Adds a release.
    pub fn add(&mut self, root: PartName) {
        if !self.read.contains_key(&root) {
            self.wanted.insert(root);
        }
    }

    /// The lists that are needed next. None: all are there.
    pub fn wanted(&self) -> impl Iterator<Item = &PartName> {
        self.wanted.iter()
    }

    /// A list, whose content is that of its name.
    pub fn take(&mut self, name: &PartName, content: &[u8]) -> Result<(), TreeError> {
        let list = parsed(content).ok_or_else(|| TreeError::Part(name.0.clone()))?;
        self.wanted.remove(name);
        if let List::Lists(below) = &list {
            let unread = below.iter().map(|below| &below.list).filter(|list| !self.read.contains_key(*list));
            self.wanted.extend(unread.filter(|list| *list != name).cloned());
        }
        self.read.insert(name.clone(), list);
        if self.read.len() + self.wanted.len() > MOST_LISTS {
            return Err(TreeError::Files { found: self.read.len() + self.wanted.len() });
        }
        Ok(())
    }

    /// Gives a list up that does not exist: what is below it is unknown.
    pub fn miss(&mut self, name: &PartName) {
        self.wanted.remove(name);
    }

    /// All parts that the releases need: lists and pieces.
    pub fn parts(&self) -> BTreeSet<PartName> {
        self.read.iter().flat_map(|(name, list)| std::iter::once(name).chain(of(list))).cloned().collect()
    }

    /// The parts that a list leads to; none if it was not read.
    pub fn below(&self, name: &PartName) -> impl Iterator<Item = &PartName> {
        self.read.get(name).into_iter().flat_map(of)
    }

    /// The files of one release, by path.
    pub fn files(&self, root: &PartName) -> Result<BTreeMap<String, Entry>, TreeError> {
        let (mut files, mut left, mut seen) = (BTreeMap::new(), vec![root], BTreeSet::new());
        while let Some(name) = left.pop() {
            if !seen.insert(name) {
                continue;
            }
            match self.read.get(name) {
                None => return Err(TreeError::Part(name.0.clone())),
                Some(List::Lists(below)) => left.extend(below.iter().map(|below| &below.list)),
                Some(List::Files(of)) => {
                    let entry = |file: &super::File| Entry { size: file.size, pieces: file.pieces.clone() };
                    files.extend(of.iter().map(|file| (file.path.clone(), entry(file))));
                }
            }
            if files.len() > MOST_FILES {
                return Err(TreeError::Files { found: files.len() });
            }
        }
        Ok(files)
    }
}

fn parsed(content: &[u8]) -> Option<List> {
    serde_json::from_slice(content).ok()
}

fn of(list: &List) -> Vec<&PartName> {
    match list {
        List::Files(files) => files.iter().flat_map(|file| &file.pieces).collect(),
        List::Lists(lists) => lists.iter().map(|below| &below.list).collect(),
    }
}

/// Of all releases of a fleet together.
const MOST_LISTS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::part::{Files, Plain};
    use crate::fleet::tree::cut;

    /// Names parts by their number.
    fn stored(files: &Files, parts: &mut BTreeMap<PartName, Plain>) -> PartName {
        cut(files, |part| {
            let name = PartName(crate::tls::crypto::sha256(&part).iter().map(|byte| format!("{byte:02x}")).collect());
            parts.insert(name.clone(), part);
            Ok(name)
        })
        .unwrap()
    }

    fn read(roots: &[&PartName], parts: &BTreeMap<PartName, Plain>) -> (Lists, usize) {
        let (mut lists, mut count) = (Lists::default(), 0);
        roots.iter().for_each(|root| lists.add((*root).clone()));
        loop {
            let Some(name) = lists.wanted().next().cloned() else { break };
            lists.take(&name, &parts[&name]).unwrap();
            count += 1;
        }
        (lists, count)
    }

    #[test]
    fn a_release_is_listed_without_reading_its_files_and_needs_exactly_its_parts() {
        let mut files: Files = (0..3_000)
            .map(|number| (format!("certs/{number:05}.pem"), format!("file {number}").into_bytes().into()))
            .collect();
        files.insert("large".into(), vec![7; 700_000].into());
        let mut parts = BTreeMap::new();
        let root = stored(&files, &mut parts);
        let (lists, _) = read(&[&root], &parts);
        let listed = lists.files(&root).unwrap();
        assert_eq!(listed.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        assert_eq!((listed["large"].size, listed["large"].pieces.len()), (700_000, 3));
        assert_eq!(lists.parts(), parts.keys().cloned().collect());
    }

    #[test]
    fn what_two_releases_have_in_common_is_read_once() {
        let mut files: Files =
            (0..3_000).map(|number| (format!("{number:05}"), format!("file {number}").into_bytes().into())).collect();
        let mut parts = BTreeMap::new();
        let one = stored(&files, &mut parts);
        files.insert("01000".into(), b"another".to_vec().into());
        let other = stored(&files, &mut parts);
        let (lists, both) = read(&[&one, &other], &parts);
        let (_, single) = read(&[&one], &parts);
        assert!(both <= single + 4, "{both} lists were read, and {single} of one release");
        assert_eq!(lists.parts(), parts.keys().cloned().collect());
        let (one, other) = (lists.files(&one).unwrap(), lists.files(&other).unwrap());
        let changed: Vec<_> = one.iter().filter(|(path, entry)| other[*path] != **entry).collect();
        assert_eq!(changed.len(), 1);
    }

    #[test]
    fn what_is_no_list_is_an_error_and_a_list_that_leads_to_itself_ends() {
        let name = PartName("a".into());
        let list = br#"{"lists":[{"first":"","list":"a"}]}"#;
        let mut lists = Lists::default();
        lists.add(name.clone());
        lists.take(&name, list).unwrap();
        assert_eq!((lists.wanted().count(), lists.files(&name).unwrap().len()), (0, 0));
        assert!(lists.take(&name, b"no list").is_err());
    }
}
