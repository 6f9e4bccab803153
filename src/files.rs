//! Reading files that others wrote: whatever is at a path, reading it ends, and soon.
//! Must not know: what is in them.
//!
//! A FIFO without a writer, a device or a file without end would otherwise hold up whoever reads it for good.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

mod bounded;
pub mod pipe;
pub mod progress;

use bounded::{read_to_end, text, too_large};

/// A file as it was read.
#[derive(Debug)]
pub struct Contents {
    pub bytes: Vec<u8>,
    /// Its permission bits, as `chmod` takes them.
    pub mode: u32,
}

impl Contents {
    /// Whether users who are neither its owner nor in its group may read it.
    pub fn readable_by_all(&self) -> bool {
        self.mode & READABLE_BY_ALL != 0
    }
}

/// A secret as it was read. Not `Debug`: it is never shown.
pub struct Secret {
    pub text: String,
    /// Whether users who are neither its owner nor in its group may read it.
    pub exposed: bool,
}

/// Reads a regular file of at most `largest` bytes. Anything else at `path` is an error that names its kind;
/// nothing is opened that opening could change or that could block.
pub fn read(path: &Path, largest: u64) -> io::Result<Contents> {
    progress::begin(path)?;
    let is = fs::metadata(path)?;
    expect_regular(&is)?;
    // It may have been replaced since: it is opened so that not even a FIFO blocks, and looked at again.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let is = file.metadata()?;
    expect_regular(&is)?;
    if is.len() > largest {
        return Err(too_large(largest));
    }
    Ok(Contents { bytes: read_to_end(file, is.len(), largest)?, mode: is.mode() & 0o7777 })
}

/// The same as text.
pub fn read_text(path: &Path, largest: u64) -> io::Result<String> {
    text(read(path, largest)?.bytes)
}

/// Reads a secret: a token, a password, ticket keys. That everybody may read it is a warning and no error, as with private
/// keys, since Docker and Kubernetes mount secrets like that unless they are asked not to.
pub fn read_secret(path: &Path) -> io::Result<Secret> {
    let contents = read(path, LARGEST_SECRET)?;
    let exposed = contents.readable_by_all();
    Ok(Secret { text: text(contents.bytes)?, exposed })
}

/// Why a file cannot be read, as the end of a sentence that begins with its path.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "not readable for this user".into(),
        io::ErrorKind::IsADirectory => "is a folder, expected a file".into(),
        _ => error.to_string(),
    }
}

fn expect_regular(is: &Metadata) -> io::Result<()> {
    let kind = is.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let found = match () {
        () if kind.is_fifo() => "FIFO",
        () if kind.is_socket() => "socket",
        () if kind.is_char_device() || kind.is_block_device() => "device",
        () => "special file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("is a {found}, expected a regular file")))
}

const READABLE_BY_ALL: u32 = 0o004;

/// Bytes. The largest bundles of roots take a quarter of one MiB.
pub const LARGEST_CERTIFICATES: u64 = 16 << 20;

/// Bytes. Lists of revoked certificates of large authorities reach tens of MiB.
pub const LARGEST_LIST: u64 = 256 << 20;

/// Bytes. 8,000 routes take half of one MiB.
pub const LARGEST_CONFIGURATION: u64 = 16 << 20;

/// Bytes: a token, a password, ticket keys.
pub const LARGEST_SECRET: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_regular_file_is_read_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "contents").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let contents = read(&path, 8).unwrap();
        assert_eq!((contents.bytes.as_slice(), contents.mode), (&b"contents"[..], 0o640));
        assert!(!contents.readable_by_all());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(read(&path, 8).unwrap().readable_by_all());
    }

    #[test]
    fn what_is_no_regular_file_is_named_without_waiting_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let socket = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let zero = folder.path().join("zero");
        symlink("/dev/zero", &zero).unwrap();
        let expected = [(fifo, "FIFO"), (socket, "socket"), (zero, "device")];
        for (path, kind) in expected {
            let error = read(&path, 10).unwrap_err();
            assert_eq!(reason(&error), format!("is a {kind}, expected a regular file"));
        }
        assert_eq!(reason(&read(folder.path(), 10).unwrap_err()), "is a folder, expected a file");
        assert_eq!(reason(&read(&folder.path().join("absent"), 10).unwrap_err()), "no such file");
    }

    #[test]
    fn no_more_is_read_than_the_largest_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::File::create(&path).unwrap().set_len((1 << 20) + 1).unwrap();
        assert_eq!(reason(&read(&path, 1 << 20).unwrap_err()), "is larger than 1 MiB");
        assert_eq!(read(&path, (1 << 20) + 1).unwrap().bytes.len(), (1 << 20) + 1);
        // It has no length of its own, and is read to its end all the same.
        assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().bytes.is_empty());
        assert!(read(Path::new("/proc/self/status"), 10).is_err());
    }

    #[test]
    fn what_is_not_text_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(reason(&read_text(&path, 8).unwrap_err()), "is not text in UTF-8");
        fs::write(&path, "ä").unwrap();
        assert_eq!(read_text(&path, 8).unwrap(), "ä");
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_read_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "secret").unwrap();
        for (mode, exposed) in [(0o600, false), (0o440, false), (0o644, true), (0o444, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let secret = read_secret(&path).unwrap();
            assert_eq!(secret.text, "secret");
            assert_eq!(secret.exposed, exposed, "{mode:o}");
        }
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(reason(&read_secret(&path).err().unwrap()), "is not text in UTF-8");
    }
}
