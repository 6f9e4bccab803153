//! Changes the two files of a certificate in one step that can be undone. Must not know: what is in them.
//!
//! Two renames are two steps, and a process can be killed between them. So the change is first written to a journal: a
//! hidden folder beside the files, which no other user can enter, with the new and the old contents. One rename of that
//! folder decides. From then on the change is finished, here, at the next change or at the next start:
//!
//! | name of the folder | what it means | what [`tidy`] does |
//! |---|---|---|
//! | `.tlsgate-X` | not decided yet, or done | removes it |
//! | `.tlsgate-X.do` | decided | does what is left to do |
//! | `.tlsgate-X.undo` | to be undone | restores the old contents |
//!
//! In it, `new-NAME` is to become `NAME`, `gone-NAME` means that `NAME` is to be removed, `old-NAME` is the old `NAME`, and
//! `none-NAME` means that there was none. A folder with any other contents is not a journal, whatever its name is.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where certificate and key are, in one folder.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Pair {
    pub(in crate::admin) folder: PathBuf,
    /// File names.
    pub(in crate::admin) certificate: String,
    pub(in crate::admin) key: String,
}

/// A change that was made and can still be undone. It has to be kept or taken back; where neither happens, the next change
/// or start keeps it.
#[derive(Debug)]
#[must_use]
pub(in crate::admin) struct Change {
    journal: Journal,
    /// Held until the change is kept or taken back, so that no other process finishes it in the meantime.
    _lock: File,
}

/// A change in its folder.
#[derive(Debug)]
struct Journal {
    folder: PathBuf,
    /// `.tlsgate-X`, without the stage's suffix.
    name: String,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not decided yet, or done.
    Open,
    Do,
    Undo,
}

impl Pair {
    pub(in crate::admin) fn certificate_path(&self) -> PathBuf {
        self.folder.join(&self.certificate)
    }
}

impl Change {
    /// Writes both files, or neither.
    pub(in crate::admin) fn write(pair: &Pair, certificate: &str, key: &str) -> Result<Self> {
        Self::make(pair, |journal| {
            // The key first: a key without a certificate is ignored, the reverse is an error.
            journal.write("new", &pair.key, key, 0o600)?;
            journal.write("new", &pair.certificate, certificate, 0o644)
        })
    }

    /// Removes both files, as far as they exist, or neither.
    pub(in crate::admin) fn remove(pair: &Pair) -> Result<Self> {
        Self::make(pair, |journal| {
            for name in [&pair.key, &pair.certificate] {
                journal.write("gone", name, "", 0o600)?;
            }
            Ok(())
        })
    }

    /// Makes the change permanent.
    pub(in crate::admin) fn keep(self) -> Result<()> {
        self.journal.end()
    }

    /// Restores the files as they were.
    pub(in crate::admin) fn take_back(mut self) -> Result<()> {
        self.journal.becomes(Stage::Undo)?;
        self.journal.undo()?;
        self.journal.end()
    }

    fn make(pair: &Pair, write: impl FnOnce(&Journal) -> Result<()>) -> Result<Self> {
        let lock = lock(&pair.folder)?
            .ok_or_else(|| Error::new(ErrorKind::ResourceBusy, "another process is changing files in it"))?;
        tidy_locked(&pair.folder)?;
        let mut journal = Journal::new(&pair.folder)?;
        let written = [&pair.key, &pair.certificate].into_iter().try_for_each(|name| journal.remember(name));
        if let Err(error) = written.and_then(|()| write(&journal)).and_then(|()| journal.becomes(Stage::Do)) {
            journal.end()?;
            return Err(error);
        }
        let change = Self { journal, _lock: lock };
        match change.journal.apply() {
            Ok(()) => Ok(change),
            Err(error) => {
                change.take_back()?;
                Err(error)
            }
        }
    }
}

/// Finishes the changes that a killed process has left in a folder of certificates, and removes those that were not
/// decided. Returns how many there were; 0 where another process is changing files there, since they may be its own.
pub(in crate::admin) fn tidy(folder: &Path) -> Result<usize> {
    if Journal::all(folder)?.is_empty() {
        return Ok(0);
    }
    match lock(folder)? {
        Some(_lock) => tidy_locked(folder),
        None => Ok(0),
    }
}

fn tidy_locked(folder: &Path) -> Result<usize> {
    let journals = Journal::all(folder)?;
    for journal in &journals {
        let finished = match journal.stage {
            Stage::Open => Ok(()),
            Stage::Do => journal.apply(),
            Stage::Undo => journal.undo(),
        };
        finished.map_err(|error| of(&journal.path(), &error))?;
    }
    let count = journals.len();
    for journal in journals {
        let path = journal.path();
        journal.end().map_err(|error| of(&path, &error))?;
    }
    Ok(count)
}

impl Journal {
    fn new(folder: &Path) -> Result<Self> {
        loop {
            let journal = Self {
                folder: folder.to_owned(),
                name: format!("{PREFIX}{:08x}", fastrand::u32(..)),
                stage: Stage::Open,
            };
            step();
            match fs::DirBuilder::new().mode(0o700).create(journal.path()) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|()| journal),
            }
        }
    }

    /// The journals in a folder, of any process.
    fn all(folder: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(|name| Some(name.strip_prefix(PREFIX)?.to_owned()))
            else {
                continue;
            };
            let stages = [Stage::Do, Stage::Undo]
                .into_iter()
                .find_map(|stage| Some((name.strip_suffix(stage.suffix())?.to_owned(), stage)));
            let (name, stage) = stages.unwrap_or((name, Stage::Open));
            // The temporary name of a Unix socket that is being bound has the same prefix, but other characters.
            let is_ours = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            // An entry without a type was removed in the meantime.
            if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let journal = Self { folder: folder.to_owned(), name: format!("{PREFIX}{name}"), stage };
                found.extend(journal.is_one()?.then_some(journal));
            }
        }
        Ok(found)
    }

    /// Whether the folder is a journal: it contains only what a change puts there.
    fn is_one(&self) -> Result<bool> {
        let path = self.path();
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            // It belongs to another user. If it is decided, it has to be finished before anything else changes: an error.
            Err(_) if self.stage == Stage::Open => return Ok(false),
            Err(error) => return Err(of(&path, &error)),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let kind = name.to_str().and_then(|name| Some(name.split_once('-')?.0));
            if !kind.is_some_and(|kind| KINDS.contains(&kind)) || entry.file_type()?.is_dir() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}{}", self.name, self.stage.suffix()))
    }

    fn entry(&self, kind: &str, name: &str) -> PathBuf {
        self.path().join(format!("{kind}-{name}"))
    }

    /// Saves the file of that name in the journal, or that there is none.
    fn remember(&self, name: &str) -> Result<()> {
        let (path, old) = (self.folder.join(name), self.entry("old", name));
        step();
        match fs::hard_link(&path, &old) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.write("none", name, "", 0o600),
            // Some file systems have no hard links, and Linux may forbid links to other users' files (protected_hardlinks).
            Err(_) => fs::copy(&path, &old).and_then(|_| File::open(&old)?.sync_all()),
        }
    }

    fn write(&self, kind: &str, name: &str, text: &str, mode: u32) -> Result<()> {
        step();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.entry(kind, name))?;
        step();
        file.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        file.sync_all()
    }

    /// Changes the stage: the one step that decides.
    fn becomes(&mut self, stage: Stage) -> Result<()> {
        // After a power failure, a decided journal must be complete: its contents are on the disk before the rename.
        sync(&self.path())?;
        let before = self.path();
        let decided = Self { folder: self.folder.clone(), name: self.name.clone(), stage };
        step();
        fs::rename(before, decided.path())?;
        *self = decided;
        sync(&self.folder)
    }

    /// Does what is left to do. A step that is done has removed its entry.
    fn apply(&self) -> Result<()> {
        // Keys are written before certificates, and removed after them: a certificate never lacks its key.
        for name in self.names("new")? {
            self.rename("new", &name)?;
        }
        for name in self.names("gone")?.into_iter().rev() {
            self.remove(&name)?;
        }
        sync(&self.folder)
    }

    fn undo(&self) -> Result<()> {
        for name in self.names("old")? {
            self.rename("old", &name)?;
        }
        for name in self.names("none")?.into_iter().rev() {
            self.remove(&name)?;
        }
        sync(&self.folder)
    }

    /// Removes the journal.
    fn end(mut self) -> Result<()> {
        // Not decided any more, in one step: a journal that is only partly removed must not be applied.
        if self.stage != Stage::Open {
            self.becomes(Stage::Open)?;
        }
        for entry in fs::read_dir(self.path())?.collect::<Result<Vec<_>>>()? {
            step();
            fs::remove_file(entry.path())?;
        }
        step();
        fs::remove_dir(self.path())?;
        sync(&self.folder)
    }

    fn rename(&self, kind: &str, name: &str) -> Result<()> {
        let (from, to) = (self.entry(kind, name), self.folder.join(name));
        step();
        fs::rename(&from, to)?;
        // A rename does nothing where both names are hard links to the same file (rename(2)).
        absent_is_fine(fs::remove_file(from))
    }

    fn remove(&self, name: &str) -> Result<()> {
        step();
        absent_is_fine(fs::remove_file(self.folder.join(name)))
    }

    /// The names of one kind, keys first.
    fn names(&self, kind: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path())? {
            let entry = entry?.file_name();
            let name = entry.to_str().and_then(|entry| entry.strip_prefix(kind)?.strip_prefix('-'));
            names.extend(name.map(str::to_owned));
        }
        names.sort_by_key(|name| (!name.ends_with(".key"), name.clone()));
        Ok(names)
    }
}

impl Stage {
    fn suffix(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Do => ".do",
            Self::Undo => ".undo",
        }
    }
}

/// The lock for changing files in a folder; `None` where another process has it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = File::open(folder)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        // Some file systems have no locks. Normally there is only one process, which does not need any.
        Err(_) => Ok(Some(file)),
    }
}

/// Writes the entries of a folder to the disk.
fn sync(folder: &Path) -> Result<()> {
    step();
    // Without it, a rename may be lost in a power failure (fsync(2)).
    File::open(folder)?.sync_all()
}

/// The error, with the path that it is about.
fn of(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn absent_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Called before each step. A test stops there, as if the process were killed.
#[cfg(not(test))]
fn step() {}

#[cfg(test)]
use tests::step;

const PREFIX: &str = ".tlsgate-";

/// What the names in a journal begin with.
const KINDS: [&str; 4] = ["new", "gone", "old", "none"];

#[cfg(test)]
mod tests;
