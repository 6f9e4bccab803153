//! The folder in which tlsgate keeps what it must not lose: private, whole files, one writer. Must not know: what is kept.
//!
//! Below the folder, each step is opened from the one before, and never through a link, so that nothing is read or written
//! elsewhere. Names that begin with a dot are the room's own: what a crash leaves behind has such a name.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat, stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::files;
use crate::files::manifest::Manifest;

mod lock;
mod made;
mod place;
mod reason;
mod steps;
mod whole;

pub use lock::Lock;
pub use made::{Content, Made};
pub use place::{make, usable};

/// An open folder. Everything in it is named by a relative path without `..` and without hidden names.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    top: OwnedFd,
    told: Option<Told>,
}

/// Who is told what was changed.
#[derive(Clone)]
pub struct Told(Arc<dyn Fn(&Path) + Send + Sync>);

impl Folder {
    /// Opens the folder, and makes it, for this user alone, if it does not exist. A folder of another user, or one that
    /// others may write to, is an error. Errors name the folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let top = place::open(path)?;
        Ok(Self { path: path.to_owned(), top, told: None })
    }

    /// From now on, somebody is told of each file or folder that was written or removed.
    #[must_use]
    pub fn telling(self, told: Told) -> Self {
        Self { told: Some(told), ..self }
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a file, at most [`files::LARGEST_CERTIFICATES`]; `None` if it does not exist. They are wiped when they are
    /// dropped, since most files here are keys.
    pub fn read(&self, file: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let read = || {
            let (folder, name) = split(file)?;
            let folder = steps::enter(&self.top, folder)?;
            // Not even a FIFO blocks with O_NONBLOCK; what is opened is then refused unless it is a regular file.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let opened = File::from(openat(&folder, name, flags, Mode::empty())?);
            Ok(files::read_opened(&opened, files::LARGEST_CERTIFICATES)?.bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.explained(file, "read", &error)),
        }
    }

    /// Writes a file, with mode 0600, and the folders above it, with mode 0700. After a crash the file is the old one or the
    /// new one, never a part.
    pub fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let write = || {
            let (folder, name) = split(file)?;
            whole::file(&self.made(folder)?, name, bytes)
        };
        write().map_err(|error| self.explained(file, "written", &error))?;
        self.tell(file);
        Ok(())
    }

    /// Replaces a whole folder, with everything in it, by one that has these files, of which each may be in a folder of its own.
    /// Whoever opens the folder finds the old files in it or the new ones, never some of each; the old ones are removed then.
    pub fn replace(&self, folder: &Path, new: &[(&str, &[u8])]) -> io::Result<()> {
        let files: Vec<_> = new.iter().map(|(path, bytes)| (*path, Content::Bytes(bytes))).collect();
        self.replaced(folder, &Made { files: &files, gone: &[] }, None, None).map(drop)
    }

    /// The same where the folder `like` has some of the files by the same names. Returns what is in the folder.
    pub fn replace_like(&self, folder: &Path, made: &Made<'_>, like: Option<&Path>) -> io::Result<Manifest> {
        self.replaced(folder, made, like, None)
    }

    /// The same out of the folder `spare` beside it, which nobody needs: `made` is how the new one differs from it. An error may
    /// have cost the spare one.
    pub fn replace_out_of(
        &self,
        folder: &Path,
        spare: &Path,
        made: &Made<'_>,
        like: Option<&Path>,
    ) -> io::Result<Manifest> {
        self.replaced(folder, made, like, Some(spare))
    }

    fn replaced(
        &self,
        folder: &Path,
        made: &Made<'_>,
        like: Option<&Path>,
        spare: Option<&Path>,
    ) -> io::Result<Manifest> {
        let replace = || {
            let (above, name) = split(folder)?;
            // Others would lead out of the folder.
            if let Some(wrong) = made.improper() {
                return Err(improper(Path::new(wrong)));
            }
            let like = like.and_then(|like| steps::enter(&self.top, like).ok());
            let opened = self.made(above)?;
            let path = self.path.join(folder);
            let Some(spare) = spare else { return whole::folder(&opened, (name, &path), made, like.as_ref()) };
            match split(spare)? {
                (beside, spare) if beside == above => {
                    whole::folder_out_of(&opened, (spare, name, &path), made, like.as_ref())
                }
                _ => Err(improper(spare)),
            }
        };
        let manifest = replace().map_err(|error| self.explained(folder, "written", &error))?;
        self.tell(folder);
        Ok(manifest)
    }

    /// Removes a file, or a folder with everything in it. What does not exist is no error.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let remove = || {
            let (folder, name) = split(path)?;
            self.expect_in_place()?;
            whole::remove(&steps::enter(&self.top, folder)?, name)
        };
        match remove() {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::NOENT) => {
                return Err(self.explained(path, "removed", &error));
            }
            _ => {}
        }
        self.tell(path);
        Ok(())
    }

    /// Removes what a crash has left behind, and returns how much that was. Only the one who holds the [`Lock`] may do it:
    /// what another process is about to write looks the same.
    pub fn tidy(&self) -> io::Result<usize> {
        whole::tidy(&self.top).map_err(|error| self.explained(Path::new(""), "tidied", &error))
    }

    /// Locks the folder, so that there is one writer; `None` if it is locked already, by another process or by this one.
    pub fn lock(&self) -> io::Result<Option<Lock>> {
        let lock = || self.expect_in_place().and_then(|()| lock::take(&self.top));
        lock().map_err(|error| self.explained(Path::new(lock::FILE), "locked", &error))
    }

    /// The id of the process that locked the folder last, unless it has released it. In another container it may mean
    /// another process.
    pub fn holder(&self) -> Option<u32> {
        let bytes = self.read(Path::new(lock::FILE)).ok()??;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    fn tell(&self, path: &Path) {
        if let Some(Told(tell)) = &self.told {
            tell(path);
        }
    }

    fn made(&self, folder: &Path) -> io::Result<OwnedFd> {
        self.expect_in_place()?;
        Ok(steps::make(&self.top, folder)?)
    }

    /// Whether the path still leads to the open folder. Where it does not, what is written would not be found again.
    fn expect_in_place(&self) -> io::Result<()> {
        let (is, there) = (fstat(&self.top)?, stat(&self.path));
        match there {
            Ok(there) if (there.st_dev, there.st_ino) == (is.st_dev, is.st_ino) => Ok(()),
            _ => Err(io::Error::other(format!("{} is no longer the folder that was opened", self.path.display()))),
        }
    }

    fn explained(&self, below: &Path, what: &str, error: &io::Error) -> io::Error {
        let path = if below.as_os_str().is_empty() { self.path.clone() } else { self.path.join(below) };
        io::Error::new(error.kind(), format!("{} cannot be {what}: {}", path.display(), reason::of(error)))
    }
}

impl Told {
    pub fn new(tell: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told(…)")
    }
}

/// The folder and the name of a path.
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let proper =
        |part: Component<'_>| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."));
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if path.components().all(proper) => Ok((folder, name)),
        _ => Err(improper(path)),
    }
}

fn improper(path: &Path) -> io::Error {
    let message = format!("found {path:?}, expected a relative path without hidden names");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests;
