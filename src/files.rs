//! Reads regular files of bounded size, and lists folders. Must not know: what they contain.
//!
//! Whatever is at a path, reading it ends. Otherwise a FIFO without a writer, a device or an endless file would block
//! the reader forever.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use zeroize::Zeroizing;

mod bounded;
pub mod manifest;
pub mod opening;
pub mod pipe;
pub mod progress;
mod shown;
pub mod unchanged;

use bounded::{read_to_end, text, too_large};
pub use shown::{in_release, shown};

/// What was read from a file.
#[derive(Debug)]
pub struct Contents {
    /// All of its bytes, which are wiped when they are dropped: a private key may be among them.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its permission bits, as `chmod` takes them.
    pub mode: u32,
}

impl Contents {
    /// Whether users who are neither its owner nor in its group may read it.
    pub fn readable_by_all(&self) -> bool {
        self.mode & READABLE_BY_ALL != 0
    }
}

/// What was read from the file of a secret; it is wiped when it is dropped. Not `Debug`, since it must never be shown.
pub struct Secret {
    /// The whole file, with the line break at its end if it has one.
    pub text: Zeroizing<String>,
    /// Whether users who are neither its owner nor in its group may read it.
    pub exposed: bool,
}

/// Reads a regular file of at most `largest` bytes. Anything else at `path` is an error with its kind; it is not
/// opened, since that could block or have an effect, as with a FIFO or a device.
pub fn read(path: &Path, largest: u64) -> io::Result<Contents> {
    progress::begin(path)?;
    let is = fs::metadata(path)?;
    expect_regular(&is)?;
    // It can be replaced at this moment: so it is opened without waiting, and checked again.
    read_opened(&opening::open(path)?, largest)
}

/// The same for a file that is open already.
pub fn read_opened(file: &File, largest: u64) -> io::Result<Contents> {
    let is = file.metadata()?;
    expect_regular(&is)?;
    // A file that is too large is refused without reading it; `read_to_end` checks again, since it can grow.
    if is.len() > largest {
        return Err(too_large(largest));
    }
    Ok(Contents { bytes: read_to_end(file, is.len(), largest)?, mode: is.mode() & 0o7777 })
}

/// Reads a regular file of at most `largest` bytes as UTF-8 text.
pub fn read_text(path: &Path, largest: u64) -> io::Result<String> {
    text(read(path, largest)?.bytes).map(|mut text| std::mem::take(&mut *text))
}

/// Reads a secret: a token, a password, ticket keys. If all users may read it, that is not an error, as with private
/// keys, but the caller warns: Docker and Kubernetes mount secrets like that by default.
pub fn read_secret(path: &Path) -> io::Result<Secret> {
    let contents = read(path, LARGEST_SECRET)?;
    let exposed = contents.readable_by_all();
    Ok(Secret { text: text(contents.bytes)?, exposed })
}

/// Why a file cannot be read, as the part of a message that follows its path.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied if error.get_ref().is_none() => "not readable for this user".into(),
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

/// In bytes. The largest bundles of root certificates take a quarter of one MiB.
pub const LARGEST_CERTIFICATES: u64 = 16 << 20;

/// In bytes. Revocation lists of large certificate authorities reach tens of MiB.
pub const LARGEST_LIST: u64 = 256 << 20;

/// In bytes: a list of addresses, fingerprints or keys. Two million addresses.
pub const LARGEST_FEED: u64 = 16 << 20;

/// In bytes. 8,000 routes take half of one MiB.
pub const LARGEST_CONFIGURATION: u64 = 16 << 20;

/// In bytes: a token, a password, ticket keys.
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
            assert_eq!(*secret.text, "secret");
            assert_eq!(secret.exposed, exposed, "{mode:o}");
        }
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(reason(&read_secret(&path).err().unwrap()), "is not text in UTF-8");
    }
}
