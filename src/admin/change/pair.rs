//! The two files of a certificate, changed in one step that can be taken back. Must not know: what is in them.
//!
//! Two renames are two steps, and a process can be killed between them. So the change is written down first, in a hidden
//! folder beside the files that nobody else can enter: what is to be put in place, and what stood there. One rename of
//! that folder decides; from then on the change is finished by whoever comes next, here or at the next start:
//!
//! | name of the folder | what it means | what [`tidy`] does |
//! |---|---|---|
//! | `.tlsgate-X` | not decided yet, or done | removes it |
//! | `.tlsgate-X.do` | decided | does what is left of it |
//! | `.tlsgate-X.undo` | to be taken back | puts back what stood there |
//!
//! In it, `new-NAME` is to become `NAME`, `gone-NAME` says that `NAME` is to go, `old-NAME` is what stood there, and
//! `none-NAME` says that nothing did. A folder that holds anything else is somebody else's, whatever its name is.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where certificate and key stand, in one folder.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Pair {
    pub(in crate::admin) folder: PathBuf,
    /// File names.
    pub(in crate::admin) certificate: String,
    pub(in crate::admin) key: String,
}

/// A change that was made, and can still be taken back. It has to be kept or taken back; where neither happens, it is
/// kept at the next change or start.
#[derive(Debug)]
#[must_use]
pub(in crate::admin) struct Change {
    journal: Journal,
    /// Held until the change is kept or taken back, so that no other process finishes it meanwhile.
    _lock: File,
}

/// A change as it is written down.
#[derive(Debug)]
struct Journal {
    folder: PathBuf,
    /// `.tlsgate-X`, without what follows that.
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
    /// Puts both in place, or neither. The key comes first: a key alone is not looked at.
    pub(in crate::admin) fn write(pair: &Pair, certificate: &str, key: &str) -> Result<Self> {
        Self::make(pair, |journal| {
            journal.write("new", &pair.key, key, 0o600)?;
            journal.write("new", &pair.certificate, certificate, 0o644)
        })
    }

    /// Removes both, as far as they are there, or neither.
    pub(in crate::admin) fn remove(pair: &Pair) -> Result<Self> {
        Self::make(pair, |journal| {
            for name in [&pair.key, &pair.certificate] {
                journal.write("gone", name, "", 0o600)?;
            }
            Ok(())
        })
    }

    /// It stays.
    pub(in crate::admin) fn keep(self) -> Result<()> {
        self.journal.end()
    }

    /// Puts everything back as it was.
    pub(in crate::admin) fn take_back(mut self) -> Result<()> {
        self.journal.becomes(Stage::Undo)?;
        self.journal.undo()?;
        self.journal.end()
    }

    fn make(pair: &Pair, write: impl FnOnce(&Journal) -> Result<()>) -> Result<Self> {
        let lock = lock(&pair.folder)?
            .ok_or_else(|| Error::new(ErrorKind::ResourceBusy, "another process changes files in it"))?;
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

/// Finishes what a process that was killed has left in a folder of certificates, and removes what it never decided on.
/// Returns how many such changes there were. Where another process changes files there just now, they are its own.
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

    /// Those in a folder, of whatever process.
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
            // A socket that is being bound beside it, or a file of somebody else, has another kind of name.
            let is_ours = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            // One that is gone meanwhile is nobody's.
            if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let journal = Self { folder: folder.to_owned(), name: format!("{PREFIX}{name}"), stage };
                found.extend(journal.is_one()?.then_some(journal));
            }
        }
        Ok(found)
    }

    /// Whether there is nothing in it but what a change puts there. What another user has begun stays theirs; what they
    /// have decided is an error, since nothing may change before it is finished.
    fn is_one(&self) -> Result<bool> {
        let path = self.path();
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
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

    /// Keeps what stands under that name, or that nothing does.
    fn remember(&self, name: &str) -> Result<()> {
        let (path, old) = (self.folder.join(name), self.entry("old", name));
        step();
        match fs::hard_link(&path, &old) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.write("none", name, "", 0o600),
            // Some file systems have no links, and some files of other users may not be linked.
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

    /// The one step that decides. What is in it is on the disk before that, and the decision after it.
    fn becomes(&mut self, stage: Stage) -> Result<()> {
        sync(&self.path())?;
        let before = self.path();
        let decided = Self { folder: self.folder.clone(), name: self.name.clone(), stage };
        step();
        fs::rename(before, decided.path())?;
        *self = decided;
        sync(&self.folder)
    }

    /// Does what is left to do; what was done already is not there any more.
    fn apply(&self) -> Result<()> {
        // Keys before certificates, and certificates gone before keys: at no moment is a certificate without a key.
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

    /// It means nothing any more, and goes: first its meaning, in one step, then what is in it.
    fn end(mut self) -> Result<()> {
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
        // Two names of one file are left as they are by a rename.
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

/// The right to change files in a folder; `None` where another process has it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = File::open(folder)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        // Some file systems have no locks; there, the one process that is the rule needs none.
        Err(_) => Ok(Some(file)),
    }
}

/// What was renamed in a folder is certain to stay so only after this.
fn sync(folder: &Path) -> Result<()> {
    step();
    File::open(folder)?.sync_all()
}

/// The error, with what it is about.
fn of(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn absent_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Stands before each step; a test ends it there, as if the process were killed.
#[cfg(not(test))]
fn step() {}

#[cfg(test)]
use tests::step;

const PREFIX: &str = ".tlsgate-";

/// What the names in a journal begin with.
const KINDS: [&str; 4] = ["new", "gone", "old", "none"];

#[cfg(test)]
mod tests;
