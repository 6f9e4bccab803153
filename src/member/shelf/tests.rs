use std::os::unix::fs::MetadataExt as _;

use tempfile::TempDir;

use super::*;
use crate::fleet::part::Files;
use crate::fleet::secret;
use crate::member::releases::{configuration, configurations, read};

fn secrets(text: &str) -> Secrets {
    Secrets::of(&secret::parse(text).unwrap(), "/a").unwrap()
}

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec().into())).collect()
}

/// The folder of a node.
struct Node {
    folder: TempDir,
    shelf: Shelf,
    secrets: Secrets,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Self::shelf(&folder);
        Self { folder, shelf, secrets: secrets(&"ab".repeat(32)) }
    }

    fn shelf(folder: &TempDir) -> Shelf {
        let opened = Folder::open(&folder.path().join("fleet")).unwrap();
        Shelf::new(Arc::new(opened), folder.path())
    }

    /// As another process does it.
    fn restarts(&mut self) {
        self.shelf = Self::shelf(&self.folder);
    }

    fn of(&self, files: &Files) -> (Root, Read) {
        let index = Index::of(files, |part| self.secrets.parts.name(part).map_err(|error| error.to_string())).unwrap();
        (Root(index.root().0.clone()), Read { index, files: files.clone() })
    }

    /// Keeps a release of which it is given what differs from another one.
    fn keeps(&self, files: &Files, before: Option<&Root>) -> Root {
        let (root, mut read) = self.of(files);
        if let Some(before) = before {
            let index = self.shelf.index(before, &self.secrets).unwrap();
            let changed = read.index.since(&index).changed;
            read.files.retain(|path, _| changed.contains(path));
        }
        self.shelf.keep(&root, &read, before).unwrap();
        root
    }

    fn has(&self, root: &Root) -> Result<Files, String> {
        read(self.folder.path(), root, &self.secrets).map(|(read, _)| read.files)
    }

    fn path(&self, root: &Root, path: &str) -> PathBuf {
        releases::folder(self.folder.path(), root).join(path)
    }

    fn inode(&self, root: &Root, path: &str) -> u64 {
        fs::metadata(self.path(root, path)).unwrap().ino()
    }

    fn clears(&self, needed: &[&Root]) {
        self.shelf.clear(&needed.iter().copied().cloned().collect());
    }

    /// How many releases are there.
    fn count(&self) -> usize {
        configurations(self.folder.path()).len()
    }
}

const FIRST: [(&str, &str); 4] =
    [("tlsgate.toml", "x"), ("certs/a.crt", "a"), ("certs/b/tls.key", ""), ("old/alone.crt", "o")];

#[test]
fn a_release_is_read_as_it_was_kept_also_after_the_secret_was_changed() {
    let mut node = Node::new();
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    let root = node.keeps(&files(&FIRST), None);
    for text in [old.clone(), format!("{new}\n{old}")] {
        node.secrets = secrets(&text);
        assert_eq!(node.has(&root).unwrap(), files(&FIRST));
    }
    node.secrets = secrets(&new);
    assert!(node.has(&root).unwrap_err().contains("found files that are not those"));
    assert_eq!(configurations(node.folder.path()), [configuration(node.folder.path(), &root)]);
    node.restarts();
    node.clears(&[&root]);
    assert_eq!(node.count(), 1);
    node.clears(&[]);
    assert!(node.has(&root).unwrap_err().contains("no such file"));
}

#[test]
fn what_has_not_changed_since_the_last_release_is_on_the_disk_once() {
    let node = Node::new();
    let first = node.keeps(&files(&FIRST), None);
    let changed = files(&[("tlsgate.toml", "x"), ("certs/a.crt", "b"), ("certs/b/tls.key", ""), ("c/new.crt", "c")]);
    let second = node.keeps(&changed, Some(&first));
    for (path, is_same) in [("tlsgate.toml", true), ("certs/b/tls.key", true), ("certs/a.crt", false)] {
        assert_eq!(node.inode(&first, path) == node.inode(&second, path), is_same, "{path}");
    }
    let unchanged = node.shelf.loadable(&second, Some(&first)).unwrap().unchanged.unwrap();
    assert_eq!(unchanged.before(&node.path(&second, "tlsgate.toml")), Some(node.path(&first, "tlsgate.toml")));
    assert_eq!(unchanged.before(&node.path(&second, "certs/a.crt")), None);
    assert_eq!((node.has(&first).unwrap(), node.has(&second).unwrap()), (files(&FIRST), changed));
}

#[test]
fn the_next_release_is_made_out_of_one_that_nobody_needs() {
    let node = Node::new();
    let many: Vec<(String, String)> = (0..300).map(|at| (format!("many/{at}"), format!("{at}"))).collect();
    let with = |some: &[(&str, &str)]| {
        let mut all: Files = files(&FIRST);
        all.extend(many.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes().into())));
        all.extend(files(some));
        all
    };
    let (one, mut two) = (with(&[]), with(&[("certs/a.crt", "two"), ("old", "a file")]));
    two.remove("old/alone.crt");
    let (mut three, four) = (with(&[("certs/b/tls.key", "three"), ("many", "a file")]), with(&[("new/x/y", "four")]));
    three.retain(|path, _| !path.starts_with("many/"));
    let first = node.keeps(&one, None);
    let mut last = first.clone();
    let marked = node.inode(&first, "tlsgate.toml");
    let mut of_last = one.clone();
    for (round, next) in [two, three, four, one].into_iter().enumerate() {
        let root = node.keeps(&next, Some(&last));
        assert_eq!(node.has(&root).unwrap(), next, "{round}");
        assert_eq!(node.has(&last).unwrap(), of_last, "{round}");
        assert_eq!(node.inode(&root, "tlsgate.toml"), marked);
        node.clears(&[&root, &last]);
        // The one that is not needed stays: those before it are gone.
        assert_eq!(node.count(), if round == 0 { 2 } else { 3 }, "{round}");
        (last, of_last) = (root, next);
    }
    assert_eq!(last, first);
}

#[test]
fn what_somebody_has_changed_is_not_used() {
    let node = Node::new();
    let after = |text: &str| {
        let mut after = files(&FIRST);
        after.extend(files(&[("certs/a.crt", text)]));
        after
    };
    type Meddling = fn(&Path);
    let meddled: [Meddling; 4] = [
        |folder| fs::write(folder.join("tlsgate.toml"), "y").unwrap(),
        |folder| fs::write(folder.join("certs/b/more.crt"), "y").unwrap(),
        |folder| fs::remove_file(folder.join("old/alone.crt")).unwrap(),
        |folder| {
            fs::remove_file(folder.join("tlsgate.toml")).unwrap();
            std::os::unix::fs::symlink("certs/a.crt", folder.join("tlsgate.toml")).unwrap();
        },
    ];
    // Of what is served: it is said, and nothing is made out of it. Parts of it are still found, to be proved.
    for (round, meddles) in meddled.into_iter().enumerate() {
        let root = node.keeps(&after(&format!("served {round}")), None);
        assert!(node.shelf.index(&root, &node.secrets).is_ok());
        meddles(&releases::folder(node.folder.path(), &root));
        // As often as it is asked.
        for _ in 0..3 {
            assert!(node.shelf.index(&root, &node.secrets).is_err(), "{round}");
        }
        let index = node.of(&after(&format!("served {round}"))).1.index;
        let names = index.entries()["certs/a.crt"].pieces.clone();
        assert_eq!(node.shelf.pieces(&root, &names, &node.secrets.parts).len(), 1, "{round}");
    }
    // Of what nobody needs.
    let node = Node::new();
    let first = node.keeps(&files(&FIRST), None);
    for (round, meddles) in meddled.into_iter().enumerate() {
        let spare = node.keeps(&after(&format!("spare {round}")), Some(&first));
        node.clears(&[&first]);
        assert_eq!(node.count(), 2);
        meddles(&releases::folder(node.folder.path(), &spare));
        let first = node.keeps(&files(&FIRST), None);
        let next = node.keeps(&after(&format!("next {round}")), Some(&first));
        assert_eq!(node.has(&next).unwrap(), after(&format!("next {round}")), "{round}");
        node.clears(&[&first]);
    }
    // What two releases share is wrong in both.
    let second = node.keeps(&after("second"), Some(&first));
    fs::write(node.path(&second, "tlsgate.toml"), "y").unwrap();
    for root in [&second, &first, &second] {
        assert!(node.shelf.index(root, &node.secrets).is_err());
    }
    // What was not there before, and is said to be.
    let (root, mut read) = node.of(&after("again"));
    read.files.clear();
    assert!(node.shelf.keep(&root, &read, None).is_err());
}

#[test]
fn no_root_leads_out_of_the_folder() {
    let node = Node::new();
    let (_, read) = node.of(&files(&FIRST));
    for root in ["", "..", "../../etc", &"/".repeat(64), &"g".repeat(64)] {
        let root = Root(root.to_owned());
        assert!(node.shelf.keep(&root, &read, None).unwrap_err().contains("expected the 64 hexadecimal digits"));
        assert!(node.has(&root).is_err());
    }
}
