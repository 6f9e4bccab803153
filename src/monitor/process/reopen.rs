//! Opens a file or folder for a process that may not, although it may read it: its sandbox knows only what was there at its
//! start. Must not know: which paths are allowed.
//!
//! Each folder on the way is opened by itself, and none may be a link: whoever asks could otherwise lead the way to a file that
//! only the monitor can read. For the same reason, the permissions on the way have to be enough for the user of that process.

use std::ffi::OsStr;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};

use crate::monitor::allowed::Ids;

/// Opens it for reading. `reader` is who has to be allowed to read it; without one, that is the user of this process.
pub(super) fn open(path: &Path, reader: Option<&Ids>) -> io::Result<OwnedFd> {
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err(Error::new(ErrorKind::InvalidInput, "expected a path that begins with /"));
    }
    let names = parts.map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(Error::new(ErrorKind::InvalidInput, "expected a path without . and ..")),
    });
    let names: Vec<&OsStr> = names.collect::<io::Result<_>>()?;
    let mut here = openat(CWD, "/", LOOK | OFlags::DIRECTORY, Mode::empty())?;
    let Some((last, above)) = names.split_last() else {
        return Err(Error::new(ErrorKind::InvalidInput, "expected a file or folder below /"));
    };
    for name in above {
        may(&fstat(&here)?, reader, SEARCH)?;
        here = openat(&here, *name, LOOK | OFlags::DIRECTORY, Mode::empty())?;
    }
    may(&fstat(&here)?, reader, SEARCH)?;
    // A FIFO or a device is not even opened for reading. It can be replaced at this moment: so a second look.
    readable(openat(&here, *last, LOOK, Mode::empty())?, reader)?;
    readable(openat(&here, *last, READ, Mode::empty())?, reader)
}

fn readable(opened: OwnedFd, reader: Option<&Ids>) -> io::Result<OwnedFd> {
    let is = fstat(opened.as_fd())?;
    match FileType::from_raw_mode(is.st_mode) {
        FileType::RegularFile | FileType::Directory => {
            may(&is, reader, LOOK_INTO)?;
            Ok(opened)
        }
        _ => Err(Error::new(ErrorKind::InvalidInput, "is neither a regular file nor a folder")),
    }
}

/// Whether the permissions, whose bits for everybody are `wanted`, are enough for that user.
fn may(is: &Stat, reader: Option<&Ids>, wanted: u32) -> io::Result<()> {
    let Some(reader) = reader else { return Ok(()) };
    // The first class that fits decides (path_resolution(7)).
    let shift = match () {
        () if is.st_uid == reader.uid => 6,
        () if is.st_gid == reader.gid || reader.groups.contains(&is.st_gid) => 3,
        () => 0,
    };
    if is.st_mode >> shift & wanted == wanted { Ok(()) } else { Err(ErrorKind::PermissionDenied.into()) }
}

/// Nothing is read with it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

const SEARCH: u32 = 0o1;

const LOOK_INTO: u32 = 0o4;

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::io::Read as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    fn opens(path: &Path, reader: Option<&Ids>) -> Result<(), ErrorKind> {
        open(path, reader).map(drop).map_err(|error| error.kind())
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A folder with a file in a folder.
    fn scene() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let real = top.path().canonicalize().unwrap();
        mode(&real, 0o755);
        let (folder, file) = (real.join("folder"), real.join("folder/file"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "contents").unwrap();
        (top, folder, file)
    }

    #[test]
    fn files_and_folders_are_opened_and_nothing_else() {
        let (top, folder, file) = scene();
        let mut text = String::new();
        File::from(open(&file, None).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "contents");
        assert_eq!(opens(&folder, None), Ok(()));
        let fifo = folder.join("fifo");
        rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
        for odd in [&fifo, Path::new("/dev/null"), Path::new("/"), Path::new("file"), &folder.join("../folder/file")] {
            assert_eq!(opens(odd, None), Err(ErrorKind::InvalidInput), "{odd:?}");
        }
        assert_eq!(opens(&folder.join("absent"), None), Err(ErrorKind::NotFound));
        drop(top);
    }

    #[test]
    fn no_link_is_followed() {
        let (top, folder, _) = scene();
        symlink("file", folder.join("link")).unwrap();
        symlink(&folder, top.path().join("way")).unwrap();
        assert!(opens(&folder.join("link"), None).is_err());
        assert!(opens(&folder.parent().unwrap().join("way/file"), None).is_err());
    }

    #[test]
    fn the_permissions_have_to_be_enough_for_the_reader() {
        let (_top, folder, file) = scene();
        let is = fs::metadata(&file).unwrap();
        let (uid, gid, other) = (is.uid(), is.gid(), 65_533);
        let ids = |uid, gid, groups: &[u32]| Ids { uid, gid, groups: groups.to_vec() };
        let (owner, member) = (ids(uid, other, &[]), ids(other, other, &[gid]));
        let (group, stranger) = (ids(other, gid, &[]), ids(other, other, &[]));
        let cases = [
            (0o755, 0o400, [true, false, false, false]),
            (0o755, 0o040, [false, true, true, false]),
            (0o755, 0o004, [false, false, false, true]),
            (0o755, 0o444, [true, true, true, true]),
            (0o700, 0o444, [true, false, false, false]),
            (0o710, 0o444, [true, true, true, false]),
            (0o644, 0o444, [false, false, false, false]),
        ];
        for (of_folder, of_file, expected) in cases {
            mode(&file, of_file);
            mode(&folder, of_folder);
            let may = [&owner, &group, &member, &stranger].map(|reader| {
                // As anyone but root, the test itself cannot open everything.
                open(&file, Some(reader)).is_ok()
            });
            mode(&folder, 0o755);
            match rustix::process::geteuid().is_root() {
                true => assert_eq!(may, expected, "{of_folder:o} {of_file:o}"),
                false => assert!(may.iter().zip(expected).all(|(may, expected)| !may || expected)),
            }
        }
    }
}
