//! Reads standard input, or a pipe that the user has named, once and to its end. Must not know: what it contains.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::bounded::{read_to_end, text};
use super::progress;

/// Whether `path` can be read only once: `-` is standard input, and a shell's `<(…)` is a pipe below `/dev/fd`.
pub fn is_read_once(path: &Path) -> bool {
    is_stdin(path)
        || DESCRIPTORS.iter().any(|folder| path.parent() == Some(Path::new(folder)))
        || progress::begin(path).and_then(|()| fs::metadata(path)).is_ok_and(|is| is.file_type().is_fifo())
}

/// Reads what is written into it, at most `largest` bytes. It waits until the writer closes it, however long that
/// takes.
pub fn read_once(path: &Path, largest: u64) -> io::Result<String> {
    progress::begin_pipe(path)?;
    let bytes = match is_stdin(path) {
        true => read_to_end(io::stdin().lock(), 0, largest)?,
        false => read_to_end(File::open(path)?, 0, largest)?,
    };
    text(bytes).map(|mut text| std::mem::take(&mut *text))
}

fn is_stdin(path: &Path) -> bool {
    // A socket as standard input cannot be opened by its path.
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name))
}

const DESCRIPTORS: &[&str] = &["/dev/fd", "/proc/self/fd"];

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(is_read_once(&path));
        for (text, largest, fits) in [("contents", 8, true), ("contents", 7, false)] {
            let to = path.clone();
            let writer = thread::spawn(move || File::create(to).unwrap().write_all(text.as_bytes()));
            assert_eq!(read_once(&path, largest).ok(), fits.then(|| text.to_owned()));
            writer.join().unwrap().unwrap();
        }
    }

    #[test]
    fn who_waits_sees_which_file_is_looked_at() {
        let seen = progress::Progress::default();
        assert!(!seen.watch(|| is_read_once(Path::new("/gone/file"))));
        assert_eq!(seen.place().path.as_deref(), Some(Path::new("/gone/file")));
    }

    #[test]
    fn only_what_can_be_read_once_counts_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"] {
            assert!(is_read_once(Path::new(path)), "{path}");
        }
        for path in [file.as_path(), folder.path(), Path::new("/dev/null"), Path::new("gone")] {
            assert!(!is_read_once(path), "{}", path.display());
        }
    }
}
