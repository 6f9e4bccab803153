//! What a folder is made of: files that are written, and files that another folder has already. Must not know: where it is, by
//! which name it is found.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fsync, linkat, openat, syncfs, unlinkat};
use rustix::io::Errno;

use crate::files;
use crate::state::steps;

/// The files of a folder, or those in which it differs from another one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made<'m> {
    /// By their paths, sorted.
    pub files: &'m [(&'m str, Content<'m>)],
    /// Files that the other folder has and this one has not.
    pub gone: &'m [&'m str],
}

/// What is in a file.
#[derive(Debug, Clone, Copy)]
pub enum Content<'m> {
    Bytes(&'m [u8]),
    /// What is in the file of the same path of a folder that this one is like. It becomes one file with two names, as far as
    /// that is possible, which costs less than to write it, and no room; so it must never be written in place.
    Same,
}

impl Made<'_> {
    /// A path that would lead out of the folder.
    pub(super) fn improper(&self) -> Option<&str> {
        let is_plain = |name: &str| !name.is_empty() && name != "." && name != "..";
        let all = self.files.iter().map(|(path, _)| *path).chain(self.gone.iter().copied());
        all.into_iter().find(|path| !path.split('/').all(is_plain))
    }

    /// Writes the files into a new folder; all of it is on the disk when it returns.
    pub(super) fn fill(&self, new: &OwnedFd, like: Option<&OwnedFd>) -> io::Result<()> {
        let is_large = self.files.len() + self.gone.len() > MANY;
        let mut within: Option<Within> = None;
        for (path, content) in self.files {
            let (folder, name) = split(path);
            // Those of one folder mostly come one after the other, and only one folder is open.
            if within.as_ref().is_none_or(|last| last.path != folder) {
                if let Some(last) = within.filter(|_| !is_large) {
                    fsync(last.new)?;
                }
                let like = like.and_then(|like| steps::enter(like, Path::new(folder)).ok());
                within = Some(Within { path: folder, new: steps::make(new, Path::new(folder))?, like });
            }
            let Some(within) = &within else { continue };
            let file = match content {
                Content::Bytes(bytes) => Some(make(&within.new, OsStr::new(name), bytes)?),
                Content::Same => within.same(name)?,
            };
            let Some(file) = file else { continue };
            // To wait for the disk for each of thousands would take minutes.
            if !is_large {
                file.sync_all()?;
            }
        }
        if is_large {
            syncfs(new)?;
        } else if let Some(last) = within {
            fsync(last.new)?;
        }
        Ok(fsync(new)?)
    }

    /// Makes it out of a folder from which it differs by this.
    pub(super) fn change(&self, folder: &OwnedFd, like: Option<&OwnedFd>) -> io::Result<()> {
        let is_large = self.files.len() + self.gone.len() > MANY;
        for (path, is_gone) in
            self.gone.iter().map(|path| (path, true)).chain(self.files.iter().map(|(path, _)| (path, false)))
        {
            let (below, name) = split(path);
            let within = match steps::enter(folder, Path::new(below)) {
                Ok(within) => within,
                // Of a file that is new, or has become a folder.
                Err(Errno::NOENT | Errno::NOTDIR) if !is_gone => continue,
                Err(error) => return Err(error.into()),
            };
            match unlinkat(&within, name, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::NOENT | Errno::ISDIR) if !is_gone => continue,
                Err(error) => return Err(error.into()),
            }
            if !is_large {
                fsync(&within)?;
            }
            if is_gone {
                remove_empty(folder, Path::new(below), is_large)?;
            }
        }
        self.fill(folder, like)
    }
}

/// Removes a folder below another one if nothing is left in it, and those above it in which nothing is left then.
fn remove_empty(top: &OwnedFd, folder: &Path, is_large: bool) -> io::Result<()> {
    for folder in folder.ancestors() {
        let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else { break };
        let above = steps::enter(top, above)?;
        match unlinkat(&above, name, AtFlags::REMOVEDIR) {
            Ok(()) if is_large => {}
            Ok(()) => fsync(&above)?,
            Err(Errno::NOTEMPTY | Errno::EXIST) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// One folder of a new one, and the one of the same path that it is like.
struct Within<'p> {
    path: &'p str,
    new: OwnedFd,
    like: Option<OwnedFd>,
}

impl Within<'_> {
    /// Links a file. Not every file system has links, and none has any number of them: then it is written, and returned.
    fn same(&self, name: &str) -> io::Result<Option<File>> {
        let like = self.like.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if linkat(like, name, &self.new, name, AtFlags::empty()).is_ok() {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = File::from(openat(like, name, flags, Mode::empty())?);
        let contents = files::read_opened(&opened, files::LARGEST_LIST)?;
        make(&self.new, OsStr::new(name), &contents.bytes).map(Some)
    }
}

/// A new file of this user's, which is not on the disk yet.
pub(super) fn make(folder: &OwnedFd, name: &OsStr, bytes: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, PRIVATE)?);
    // The umask can remove permissions that are needed.
    fchmod(&file, PRIVATE)?;
    file.write_all(bytes)?;
    Ok(file)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// So many files are synchronised with the disk together, and with whatever else waits for it.
const MANY: usize = 64;

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
