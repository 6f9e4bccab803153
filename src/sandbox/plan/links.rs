//! A path → where it leads, and the folders in which a change may make it lead elsewhere. Must not know: what the path is for.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Where a path leads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leads {
    /// Without links; `None` where a part of it does not exist.
    pub(super) end: Option<PathBuf>,
    /// The folders that hold its last name, and the last name of what each link there leads to: a file in one of them takes
    /// the place of a link, or of the file.
    pub(super) lasts: BTreeSet<PathBuf>,
    /// The folders with a link to a neighbour on the way (`current` to `release-7`, Kubernetes' `..data`): the link is about
    /// to lead to another neighbour.
    pub(super) switches: BTreeSet<PathBuf>,
}

/// Follows paths. It remembers links, since ten thousand files of one folder share most of their steps.
#[derive(Debug, Default)]
pub(super) struct Links {
    known: HashMap<PathBuf, Option<PathBuf>>,
}

impl Links {
    /// Follows a path as it leads now. A relative one starts from the working directory.
    pub(super) fn of(&mut self, path: &Path) -> Leads {
        let mut leads = Leads::default();
        if let Ok(path) = std::path::absolute(path) {
            leads.end = self.way(Path::new("/"), &path, true, MOST, &mut leads);
        }
        leads
    }

    fn way(&mut self, from: &Path, path: &Path, last: bool, left: usize, leads: &mut Leads) -> Option<PathBuf> {
        let mut here = from.to_owned();
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let last = last && names.peek().is_none();
            match name {
                Component::RootDir | Component::Prefix(_) => here = PathBuf::from("/"),
                Component::CurDir => {}
                // All links so far are resolved, so the parent is the one that the kernel would use.
                Component::ParentDir => drop(here.pop()),
                Component::Normal(name) => {
                    if last {
                        leads.lasts.insert(here.clone());
                    }
                    let next = here.join(name);
                    here = match self.link(&next)? {
                        Some(target) => {
                            let end = self.way(&here, &target, last, left.checked_sub(1)?, leads);
                            if !last && end.as_deref().and_then(Path::parent) == Some(&here) {
                                leads.switches.insert(here.clone());
                            }
                            end?
                        }
                        None => next,
                    };
                }
            }
        }
        Some(here)
    }

    /// What a link contains, or that it is none; `None` where nothing is there.
    #[expect(clippy::option_option)]
    fn link(&mut self, path: &Path) -> Option<Option<PathBuf>> {
        if let Some(known) = self.known.get(path) {
            return Some(known.clone());
        }
        let target = match fs::read_link(path) {
            Ok(target) => Some(target),
            // EINVAL: it exists and is not a link.
            Err(error) if error.kind() == ErrorKind::InvalidInput => None,
            Err(_) => return None,
        };
        self.known.insert(path.to_owned(), target.clone());
        Some(target)
    }
}

/// As many links as Linux follows in one path.
const MOST: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folders(root: &Path, names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(|name| root.join(name)).collect()
    }

    #[test]
    fn every_folder_that_can_change_a_file_is_found() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let at = |below: &str| root.join(below);
        for folder in ["live/a", "archive/a", "releases/1/certs", "store"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("archive/a/x1.pem"), "").unwrap();
        fs::write(at("store/y.pem"), "").unwrap();
        symlink("../../archive/a/x1.pem", at("live/a/x.pem")).unwrap();
        symlink("1", at("releases/current")).unwrap();
        symlink(at("store/y.pem"), at("releases/1/certs/y.pem")).unwrap();
        symlink("store", at("linked")).unwrap();
        let mut links = Links::default();
        let certbot = links.of(&at("live/a/x.pem"));
        assert_eq!(certbot.end, Some(at("archive/a/x1.pem")));
        assert_eq!((certbot.lasts, certbot.switches), (folders(&root, &["live/a", "archive/a"]), BTreeSet::new()));
        let switched = links.of(&at("releases/current/certs/y.pem"));
        assert_eq!(switched.end, Some(at("store/y.pem")));
        assert_eq!(switched.lasts, folders(&root, &["releases/1/certs", "store"]));
        assert_eq!(switched.switches, folders(&root, &["releases"]));
        // The last name of a path is not on the way.
        let folder = links.of(&at("linked"));
        assert_eq!((folder.end, folder.switches), (Some(at("store")), BTreeSet::new()));
    }

    #[test]
    fn what_leads_nowhere_has_no_end() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        symlink("round", root.join("about")).unwrap();
        symlink("about", root.join("round")).unwrap();
        symlink("gone/x", root.join("broken")).unwrap();
        let mut links = Links::default();
        for path in ["about", "about/x", "gone/x", "broken"] {
            assert_eq!(links.of(&root.join(path)).end, None, "{path}");
        }
        assert_eq!(links.of(&root.join("new")).lasts, BTreeSet::from([root.clone()]), "where it would be made");
    }
}
