//! The target of the access log's lines: opened and written without waiting for a reader.
//! Must not know: what a line contains.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, OFlags, access};

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    Stderr,
    Off,
    File(PathBuf),
}

/// An opened target.
pub(super) struct Out {
    pub(super) writer: Box<dyn Write + Send>,
    /// Several lines may be written in one call. Not for a pipe, since it may take only a part of them.
    pub(super) buffered: bool,
}

impl Target {
    /// Opens the target, and creates the file if there is none. It never waits, not even for the reader of a FIFO. An
    /// error begins with the path.
    pub(super) fn open(&self) -> io::Result<Out> {
        let buffered = |writer| Out { writer, buffered: true };
        Ok(match self {
            Self::Stdout => buffered(Box::new(io::stdout())),
            Self::Stderr => buffered(Box::new(io::stderr())),
            Self::Off => buffered(Box::new(io::sink())),
            Self::File(path) => open(path).map_err(|error| {
                let reason = reason(&error);
                io::Error::new(error.kind(), format!("{}: {reason}", path.display()))
            })?,
        })
    }

    /// Why it cannot be opened, as far as that is visible without opening it. Opening would create the file, which
    /// `check` must not do.
    pub fn refusal(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let reason = match fs::metadata(path) {
            Ok(is) if is.is_dir() => Some("is a folder, expected a file".to_owned()),
            Ok(is) if is.file_type().is_socket() => Some(NO_SOCKET.to_owned()),
            Ok(_) => access(path, Access::WRITE_OK).err().map(|_| "not writable for this user".to_owned()),
            Err(_) => match access(folder(path), Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => None,
                Err(error) => Some(reason(&error.into())),
            },
        };
        reason.map(|reason| format!("{}: {reason}", path.display()))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn open(path: &Path) -> io::Result<Out> {
    let kind = fs::metadata(path).ok().map(|is| is.file_type());
    if kind.is_some_and(|kind| kind.is_socket()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, NO_SOCKET));
    }
    if kind.is_some_and(|kind| kind.is_fifo()) {
        return Ok(Out { writer: Box::new(Stream::new(fifo(path)?)), buffered: false });
    }
    // The file can be replaced by a FIFO at this moment. O_NONBLOCK makes opening that an error if no process reads it.
    let file = options().append(true).create(true).mode(MODE).open(path)?;
    Ok(match file.metadata()?.is_file() {
        true => Out { writer: Box::new(file), buffered: true },
        false => Out { writer: Box::new(Stream::new(file)), buffered: false },
    })
}

/// Opens a FIFO for reading too: then it stays open even while no process reads it (fifo(7)).
fn fifo(path: &Path) -> io::Result<File> {
    match options().read(true).write(true).open(path) {
        // This user may only write to it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => options().write(true).open(path),
        opened => opened,
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // O_NOCTTY: a terminal that is named as the target must not become the controlling terminal of this process.
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    options
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "its folder does not exist".into(),
        ErrorKind::PermissionDenied => "not writable for this user".into(),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            "no process reads this FIFO".into()
        }
        _ => error.to_string(),
    }
}

/// A pipe or a device, which may take only a part of a line, or nothing.
struct Stream {
    file: File,
    /// It took nothing for a while. The next writes do not wait for it until it takes something again.
    // Otherwise every single line would wait for a reader that is stuck.
    clogged: bool,
    /// The last line was cut off.
    torn: bool,
}

impl Stream {
    fn new(file: File) -> Self {
        Self { file, clogged: false, torn: false }
    }

    fn writable_soon(&self) -> bool {
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let mut ready = [PollFd::new(&self.file, PollFlags::OUT)];
        poll(&mut ready, Some(&patience)).is_ok_and(|count| count > 0)
    }
}

impl Write for Stream {
    /// Writes a complete line, or fails. If the last line was cut off, a line break is written first.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let whole = if self.torn { [b"\n", line].concat() } else { line.to_vec() };
        let mut rest = whole.as_slice();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(count) => {
                    self.clogged = false;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.clogged && self.writable_soon() => {}
                Err(error) => {
                    self.clogged |= error.kind() == ErrorKind::WouldBlock;
                    self.torn |= rest.len() < whole.len();
                    return Err(error);
                }
            }
        }
        self.torn = false;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NO_SOCKET: &str = "is a socket, expected a file or a FIFO";

/// Not readable for all users: the log contains the addresses of clients and the names that they ask for.
const MODE: u32 = 0o640;

/// How long a slow reader is waited for. New records wait in the queue meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn fifo_in(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).unwrap();
        path
    }

    #[test]
    fn a_fifo_takes_whole_lines_before_and_after_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo_in(folder.path());
        let mut out = Target::File(path.clone()).open().unwrap();
        assert!(!out.buffered);
        // More than a pipe takes in one piece, so that the last one is cut off.
        let line = [&[b'x'; 9999][..], b"\n"].concat();
        let mut taken = 0;
        while out.writer.write_all(&line).is_ok() {
            taken += 1;
        }
        assert!(taken > 0);
        // It stays usable, and what comes later begins a line of its own.
        let mut lines = BufReader::new(options().read(true).open(&path).unwrap()).lines();
        assert!((0..taken).all(|_| lines.next().unwrap().unwrap().len() == 9999));
        out.writer.write_all(b"later\n").unwrap();
        let later = lines.map_while(Result::ok).find(|line| !line.starts_with('x'));
        assert_eq!(later.as_deref(), Some("later"));
    }

    #[test]
    fn a_file_is_made_for_its_owner_and_group_alone_and_keeps_the_mode_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        drop(Target::File(path.clone()).open().unwrap());
        assert_eq!(mode() & !0o640, 0, "{:o}", mode());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        drop(Target::File(path.clone()).open().unwrap());
        assert_eq!(mode(), 0o604);
    }

    #[test]
    fn what_cannot_be_opened_is_known_without_opening_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let rows = [
            (folder.path().join("gone/access.log"), "its folder does not exist"),
            (folder.path().to_owned(), "is a folder, expected a file"),
            (socket, NO_SOCKET),
        ];
        for (path, expected) in rows {
            let target = Target::File(path.clone());
            assert_eq!(target.refusal(), Some(format!("{}: {expected}", path.display())));
            assert!(target.open().is_err(), "{expected}");
        }
        for path in [folder.path().join("access.log"), fifo_in(folder.path()), "/dev/null".into()] {
            assert_eq!(Target::File(path.clone()).refusal(), None, "{}", path.display());
        }
        assert_eq!(Target::Stdout.refusal(), None);
    }
}
