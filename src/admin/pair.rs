//! The two files of a certificate, changed so that it can be taken back. Must not know: what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where certificate and key stand, in one folder.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) folder: PathBuf,
    /// File names.
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A change that was made, and what it takes to undo it. Dropping it forgets what was before.
#[derive(Debug)]
#[must_use]
pub(super) struct Change {
    folder: PathBuf,
    /// A hidden folder beside the files, and on their file system, which nobody else can enter.
    aside: TempDir,
    /// What was changed, last one last, and whether something stood there before.
    done: Vec<(String, bool)>,
}

impl Pair {
    pub(super) fn certificate_path(&self) -> PathBuf {
        self.folder.join(&self.certificate)
    }
}

impl Change {
    /// Writes both, or neither. The key comes first: a key alone is not looked at.
    pub(super) fn write(pair: &Pair, certificate: &str, key: &str) -> Result<Self> {
        Self::new(pair)?.or_undone(|change| {
            let fresh = [(&pair.key, key, 0o600), (&pair.certificate, certificate, 0o644)];
            for (name, text, mode) in fresh {
                write_whole(&change.fresh(name), text, mode)?;
            }
            for (name, ..) in fresh {
                change.replace(name)?;
            }
            Ok(())
        })
    }

    /// Removes both, as far as they are there, or neither.
    pub(super) fn remove(pair: &Pair) -> Result<Self> {
        Self::new(pair)?.or_undone(|change| {
            change.remove_one(&pair.certificate)?;
            change.remove_one(&pair.key)
        })
    }

    /// Puts everything back as it was.
    pub(super) fn take_back(self) -> Result<()> {
        for (name, stood) in self.done.iter().rev() {
            let path = self.folder.join(name);
            match stood {
                true => fs::rename(self.old(name), path)?,
                false => fs::remove_file(path)?,
            }
        }
        sync(&self.folder)
    }

    fn new(pair: &Pair) -> Result<Self> {
        let aside = tempfile::Builder::new().prefix(".tlsgate-").tempdir_in(&pair.folder)?;
        Ok(Self { folder: pair.folder.clone(), aside, done: Vec::new() })
    }

    fn or_undone(mut self, make: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        match make(&mut self).and_then(|()| sync(&self.folder)) {
            Ok(()) => Ok(self),
            Err(error) => {
                self.take_back()?;
                Err(error)
            }
        }
    }

    fn replace(&mut self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        let stood = match fs::hard_link(&path, self.old(name)) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        fs::rename(self.fresh(name), path)?;
        self.done.push((name.to_owned(), stood));
        Ok(())
    }

    fn remove_one(&mut self, name: &str) -> Result<()> {
        match fs::rename(self.folder.join(name), self.old(name)) {
            Ok(()) => self.done.push((name.to_owned(), true)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn fresh(&self, name: &str) -> PathBuf {
        self.aside.path().join(format!("new-{name}"))
    }

    fn old(&self, name: &str) -> PathBuf {
        self.aside.path().join(format!("old-{name}"))
    }
}

fn write_whole(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.sync_all()
}

/// What was renamed in a folder is certain to stay so only after this.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn scene(files: &[(&str, &str)]) -> (TempDir, Pair) {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let pair = Pair { folder: folder.path().to_owned(), certificate: "x.crt".into(), key: "x.key".into() };
        (folder, pair)
    }

    fn files(folder: &TempDir) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let named = entries.filter(|entry| entry.path().is_file());
        named
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    #[test]
    fn what_is_taken_back_is_as_it_was() {
        let stands: [&[(&str, &str)]; 3] = [&[], &[("x.crt", "c"), ("x.key", "k")], &[("x.key", "k")]];
        for before in stands {
            let (folder, pair) = scene(before);
            let was = files(&folder);
            let change = Change::write(&pair, "C", "K").unwrap();
            assert_eq!(files(&folder), [("x.crt", "C\n"), ("x.key", "K\n")].map(|(a, b)| (a.into(), b.into())).into());
            change.take_back().unwrap();
            assert_eq!(files(&folder), was);
            Change::remove(&pair).unwrap().take_back().unwrap();
            assert_eq!(files(&folder), was);
        }
    }

    #[test]
    fn what_is_kept_leaves_nothing_else_behind() {
        let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k"), ("y.crt", "y")]);
        drop(Change::write(&pair, "C", "K").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        drop(Change::remove(&pair).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_half_way_is_undone() {
        let (folder, pair) = scene(&[("x.key", "k")]);
        // A folder in the certificate's place cannot be replaced.
        fs::create_dir(folder.path().join("x.crt")).unwrap();
        assert!(Change::write(&pair, "C", "K").is_err());
        assert_eq!(files(&folder), [("x.key".to_owned(), "k".to_owned())].into());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
