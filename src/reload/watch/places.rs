//! Paths → the folders in which a change may make them lead elsewhere, with the names that matter there: every step of a
//! path, links in other folders included. Must not know: how folders are watched.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::interests::Interests;
use crate::files::opening;
use crate::tls::certificate::source::folder;

/// Folders, each by its real path.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order in which they were found.
    found: Vec<(PathBuf, Names)>,
    index: HashMap<PathBuf, usize>,
}

/// What matters in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    some: BTreeSet<OsString>,
    /// Every name matters, since every file may be a certificate; except those that begin with a dot, which are not read.
    all: bool,
    /// Except for these.
    but: BTreeSet<OsString>,
}

impl Names {
    pub(super) fn matter(&self, name: &OsStr) -> bool {
        let any = || self.all && !name.as_bytes().starts_with(b".") && !self.but.contains(name);
        self.some.contains(name) || any()
    }

    /// Whether every name that matters in `other` matters in this one.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let any = self.all || !other.all;
        any && self.but.is_subset(&other.but) && other.some.iter().all(|name| self.matter(name))
    }

    pub(super) fn add(&mut self, other: Self) {
        self.some.extend(other.some);
        self.all |= other.all;
        self.but.extend(other.but);
    }
}

impl Places {
    /// Follows every path as it leads now. Relative ones start from the working directory.
    pub(super) fn of(interests: &Interests) -> Self {
        let mut walk = Walk::default();
        for file in &interests.files {
            walk.follow(file);
        }
        for folder in &interests.folders {
            if let Some(folder) = walk.follow(folder).filter(|path| path.is_dir()) {
                walk.folder(&folder, folder::DEEPEST);
            }
        }
        for file in &interests.written {
            walk.written(file);
        }
        walk.places
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (PathBuf, Names)> {
        self.found.into_iter()
    }

    fn names(&mut self, folder: &Path) -> &mut Names {
        let next = self.found.len();
        let at = *self.index.entry(folder.to_owned()).or_insert(next);
        if at == next {
            self.found.push((folder.to_owned(), Names::default()));
        }
        &mut self.found[at].1
    }
}

#[derive(Default)]
struct Walk {
    places: Places,
    /// Where each step leads: ten thousand files of one folder share most of their steps.
    steps: HashMap<PathBuf, Option<PathBuf>>,
    /// Folders of certificates that were read, and how many levels below them: links can lead to one many times.
    entered: HashMap<PathBuf, usize>,
    folders: usize,
}

impl Walk {
    /// The real path; `None` where a part of it does not exist. Records every name that could change where it leads, the
    /// one that does not exist included.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        self.way(Path::new("/"), &std::path::absolute(path).ok()?, MOST_LINKS)
    }

    fn way(&mut self, from: &Path, path: &Path, links: usize) -> Option<PathBuf> {
        let mut here = from.to_owned();
        for component in path.components() {
            match component {
                Component::RootDir | Component::Prefix(_) => here = PathBuf::from("/"),
                Component::CurDir => {}
                // All links so far are resolved, so the parent is the one that the kernel would use.
                Component::ParentDir => drop(here.pop()),
                Component::Normal(name) => here = self.step(&here, name, links)?,
            }
        }
        Some(here)
    }

    fn step(&mut self, folder: &Path, name: &OsStr, links: usize) -> Option<PathBuf> {
        // Also where it does not exist: that it is created is a change.
        self.places.names(folder).some.insert(name.to_owned());
        let path = folder.join(name);
        if let Some(known) = self.steps.get(&path) {
            return known.clone();
        }
        let leads_to = match fs::read_link(&path) {
            Ok(target) => links.checked_sub(1).and_then(|left| self.way(folder, &target, left)),
            // EINVAL: it exists and is not a link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some(path.clone()),
            Err(_) => None,
        };
        self.steps.insert(path, leads_to.clone());
        leads_to
    }

    /// A folder of certificates, and what its links lead to.
    fn folder(&mut self, folder: &Path, depth: usize) {
        if self.entered.get(folder).is_some_and(|deep| *deep >= depth) {
            return;
        }
        self.entered.insert(folder.to_owned(), depth);
        self.places.names(folder).all = true;
        self.folders += 1;
        let Ok(entries) = opening::list(folder) else { return };
        for entry in entries {
            if entry.name.as_bytes().starts_with(b".") {
                continue;
            }
            let is_folder = match entry.is_link {
                true => self.step(folder, &entry.name, MOST_LINKS).is_some_and(|path| path.is_dir()),
                false => entry.is_folder,
            };
            if is_folder && depth > 0 && self.folders < MOST_FOLDERS {
                let below = self.steps.get(&entry.path).cloned().flatten();
                self.folder(&below.unwrap_or(entry.path), depth - 1);
            }
        }
    }

    fn written(&mut self, file: &Path) {
        // Only in a folder of certificates: elsewhere its name does not matter anyway.
        let real = file.parent().and_then(|parent| fs::canonicalize(parent).ok());
        if let (Some(folder), Some(name)) = (real, file.file_name())
            && self.places.index.contains_key(&folder)
        {
            self.places.names(&folder).but.insert(name.to_owned());
        }
    }
}

/// As many links as Linux follows in one path.
const MOST_LINKS: usize = 40;

/// Folders of certificates that are watched. The kernel limits the watches of a user.
const MOST_FOLDERS: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The folders below `root`, each with the names that matter.
    fn places(root: &Path, interests: &Interests) -> BTreeMap<String, Names> {
        let root = root.canonicalize().unwrap();
        let below = |path: &Path| Some(path.strip_prefix(&root).ok()?.display().to_string());
        Places::of(interests).into_iter().filter_map(|(path, names)| Some((below(&path)?, names))).collect()
    }

    fn files(paths: impl IntoIterator<Item = PathBuf>) -> Interests {
        Interests { files: paths.into_iter().collect(), ..Interests::default() }
    }

    fn folders(paths: impl IntoIterator<Item = PathBuf>) -> Interests {
        Interests { folders: paths.into_iter().collect(), ..Interests::default() }
    }

    fn some(names: &[&str]) -> Names {
        Names { some: names.iter().map(Into::into).collect(), ..Names::default() }
    }

    #[test]
    fn every_step_of_a_way_over_links_matters() {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        for folder in ["conf", "releases/1/certs", "store"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("store/abc.crt"), "").unwrap();
        symlink("../releases/current/certs/x.crt", at("conf/x.crt")).unwrap();
        symlink("1", at("releases/current")).unwrap();
        symlink(at("store/abc.crt"), at("releases/1/certs/x.crt")).unwrap();
        let places = places(root.path(), &files([at("conf/x.crt")]));
        let expected = [
            ("", some(&["conf", "releases", "store"])),
            ("conf", some(&["x.crt"])),
            ("releases", some(&["1", "current"])),
            ("releases/1", some(&["certs"])),
            ("releases/1/certs", some(&["x.crt"])),
            ("store", some(&["abc.crt"])),
        ];
        assert_eq!(places, expected.map(|(path, names)| (path.to_owned(), names)).into());
    }

    #[test]
    fn where_a_way_ends_too_early_the_missing_name_matters() {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        symlink("round", at("about")).unwrap();
        symlink("about", at("round")).unwrap();
        let places = places(root.path(), &files([at("gone/deep/x.crt"), at("about/x.crt")]));
        assert_eq!(places, BTreeMap::from([(String::new(), some(&["about", "gone", "round"]))]));
    }

    #[test]
    fn in_a_folder_of_certificates_all_matters_but_what_the_program_writes() {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        for folder in ["certs/secret/..2", "certs/site", "other"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("certs/secret/..2/tls.crt"), "").unwrap();
        symlink("..2", at("certs/secret/..data")).unwrap();
        symlink("..data/tls.crt", at("certs/secret/tls.crt")).unwrap();
        symlink("../other", at("certs/linked")).unwrap();
        let interests = Interests { written: [at("certs/access.log")].into(), ..folders([at("certs")]) };
        let places = places(root.path(), &interests);
        let known: Vec<_> = places.keys().map(String::as_str).collect();
        assert_eq!(known, ["", "certs", "certs/secret", "certs/secret/..2", "certs/site", "other"]);
        for (folder, name, matters) in [
            ("certs", "new.crt", true),
            ("certs", "new", true),
            ("certs", "access.log", false),
            ("certs", ".new.crt.swp", false),
            ("certs/secret", "..data", true),
            ("certs/secret", "..data_tmp", false),
            ("certs/secret/..2", "tls.crt", true),
            ("certs/secret/..2", "else", false),
            ("certs/site", "fullchain.pem", true),
            ("other", "tls.crt", true),
            ("", "certs", true),
            ("", "tlsgate.log", false),
        ] {
            assert_eq!(places[folder].matter(OsStr::new(name)), matters, "{folder}/{name}");
        }
    }

    #[test]
    fn a_folder_to_which_many_links_lead_is_looked_into_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap();
        fs::create_dir(folder.join("sub")).unwrap();
        for number in 0..100 {
            symlink(".", folder.join(format!("here{number}"))).unwrap();
            symlink("..", folder.join("sub").join(format!("up{number}"))).unwrap();
        }
        let mut walk = Walk::default();
        walk.folder(&folder, folder::DEEPEST);
        assert_eq!(walk.folders, 2);
    }

    #[test]
    fn names_cover_those_of_which_none_is_missed() {
        let all = Names { all: true, ..Names::default() };
        let but = Names { all: true, but: [OsString::from("log")].into(), ..Names::default() };
        assert!(all.cover(&but) && all.cover(&some(&["a"])) && some(&["a", "b"]).cover(&some(&["a"])));
        assert!(!but.cover(&all) && !but.cover(&some(&["log"])) && !some(&["a"]).cover(&some(&["b"])));
        assert!(!all.cover(&some(&["..data"])) && !some(&["a"]).cover(&all));
    }
}
