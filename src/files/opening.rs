//! Opens files and folders for reading. What only the sandbox of this process refuses is opened by a stand-in, if it has one.
//! Must not know: what is read, who the stand-in is.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, OFlags, accessat};

use crate::files::progress;

/// Opens a file or folder, whose path has no links, for reading.
pub type StandIn = Box<dyn Fn(&Path) -> io::Result<OwnedFd> + Send + Sync>;

/// Names the stand-in of this process. A second one is ignored.
pub fn set_stand_in(stand_in: StandIn) {
    let _ = STAND_IN.set(stand_in);
}

/// Opens it, whatever is there, without waiting.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // With O_NONBLOCK, not even a FIFO blocks. O_NOCTTY: a terminal must not become the controlling terminal of this process.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    opened.or_else(|error| open_elsewhere(path, error, STAND_IN.get()))
}

/// What a folder holds.
#[derive(Debug)]
pub struct Entry {
    pub name: OsString,
    pub path: PathBuf,
    /// A link is no folder.
    pub is_folder: bool,
    pub is_link: bool,
}

/// The contents of a folder, in no order.
pub fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    progress::begin(folder)?;
    let mut entries = Vec::new();
    for entry in Dir::new(open(folder)?)? {
        let entry = entry?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        let path = folder.join(&name);
        let kind = match entry.file_type() {
            // Some file systems do not say it here.
            FileType::Unknown => match fs::symlink_metadata(&path) {
                Ok(is) => FileType::from_raw_mode(is.mode()),
                // It was removed after the folder was listed.
                Err(_) => continue,
            },
            kind => kind,
        };
        let (is_folder, is_link) = (kind == FileType::Directory, kind == FileType::Symlink);
        entries.push(Entry { name, path, is_folder, is_link });
    }
    Ok(entries)
}

/// After the error of opening it: what the stand-in opens, where only the sandbox of this process refuses it.
fn open_elsewhere(path: &Path, error: io::Error, stand_in: Option<&StandIn>) -> io::Result<File> {
    // What this user may do, which is asked here, does not depend on the sandbox.
    let by_sandbox = error.kind() == io::ErrorKind::PermissionDenied
        && accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).is_ok();
    if !by_sandbox {
        return Err(error);
    }
    let opened = stand_in.and_then(|open| open(&fs::canonicalize(path).ok()?).ok());
    opened.map(File::from).ok_or_else(|| io::Error::new(error.kind(), OUTSIDE))
}

static STAND_IN: OnceLock<StandIn> = OnceLock::new();

const OUTSIDE: &str = "is not one of the files that this process can use, since a link leads elsewhere now, or it was replaced; \
                       an upgrade in place (SIGUSR2) or a restart makes it one";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_listed_with_what_its_entries_are() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        symlink("folder", folder.path().join("link")).unwrap();
        let mut entries = list(folder.path()).unwrap();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let seen: Vec<_> =
            entries.iter().map(|entry| (entry.name.to_str().unwrap(), entry.is_folder, entry.is_link)).collect();
        assert_eq!(seen, [("file", false, false), ("folder", true, false), ("link", false, true)]);
        assert!(entries.iter().all(|entry| entry.path == folder.path().join(&entry.name)));
        let error = list(&folder.path().join("file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(list(&folder.path().join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_stand_in_opens_what_only_the_sandbox_refuses_by_its_real_path() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "contents").unwrap();
        symlink("file", &link).unwrap();
        let real = file.canonicalize().unwrap();
        let stand_in: StandIn = Box::new(move |path| match path == real {
            true => Ok(File::open(path)?.into()),
            false => Err(io::ErrorKind::NotFound.into()),
        });
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(open_elsewhere(&link, refused(), Some(&stand_in)).unwrap().metadata().unwrap().len(), 8);
        let error = open_elsewhere(folder.path(), refused(), Some(&stand_in)).unwrap_err();
        assert!(error.to_string().contains("SIGUSR2"), "{error}");
        let error = open_elsewhere(&link, refused(), None).unwrap_err();
        assert!(error.to_string().contains("SIGUSR2"), "{error}");
        // Another error is left as it is.
        let error = open_elsewhere(&link, io::ErrorKind::NotFound.into(), Some(&stand_in)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
