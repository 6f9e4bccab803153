//! Where passphrases and PINs come from, and what is read there. Must not know: what they open.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::credential;
use crate::files;

mod program;

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// The first line of this file.
    File(PathBuf),
    /// The first line of the credential of this name, which systemd puts into a folder for the service.
    Credential(String),
    /// The first line that this program writes to its standard output.
    Program(PathBuf),
}

/// A passphrase, which is wiped when it is dropped. Not `Debug`, since it must never be shown.
pub struct Passphrase {
    text: Zeroizing<Vec<u8>>,
    /// Whether users who are neither the file's owner nor in its group may read it.
    pub exposed: bool,
}

impl Passphrase {
    /// Its bytes, without a line break.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

impl Source {
    /// The reverse of `to_string`. `None` if it is neither form, or if what follows the colon cannot be used.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            _ if rest.is_empty() => None,
            "file" => Some(Self::File(rest.into())),
            "program" => Some(Self::Program(rest.into())),
            "credential" if credential::is_name(rest) => Some(Self::Credential(rest.into())),
            _ => None,
        }
    }

    /// The same with a relative path below `folder`.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Program(path) => Self::Program(folder.join(path)),
            Self::Credential(name) => Self::Credential(name),
        }
    }

    /// The file in which a change is another passphrase; `None` for a program.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::Credential(name) => credential::named(name).ok(),
            Self::Program(_) => None,
        }
    }

    /// The program; `None` for a file.
    pub fn program(&self) -> Option<&Path> {
        match self {
            Self::Program(path) => Some(path),
            Self::File(_) | Self::Credential(_) => None,
        }
    }

    /// Reads it. A program gets `purpose`, which says what the passphrase is for, as its only argument. The error begins
    /// with the source.
    pub fn read(&self, purpose: &OsStr) -> Result<Passphrase, String> {
        self.found(purpose).map_err(|reason| format!("{self}: {reason}"))
    }

    fn found(&self, purpose: &OsStr) -> Result<Passphrase, String> {
        let (mut text, exposed) = match self {
            Self::Program(path) => (program::output(path, purpose)?, false),
            Self::File(path) => contents(path)?,
            Self::Credential(name) => contents(&credential::named(name)?)?,
        };
        let line = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let line = if line > 0 && text.get(line - 1) == Some(&b'\r') { line - 1 } else { line };
        // What is behind it is still in memory, and wiped when the vector is dropped.
        text.truncate(line);
        match text.is_empty() {
            true => Err("its first line is empty, expected a passphrase".into()),
            false => Ok(Passphrase { text, exposed }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Program(path) => write!(f, "program:{}", path.display()),
        }
    }
}

/// All that is in a file, and whether it is exposed.
fn contents(path: &Path) -> Result<(Zeroizing<Vec<u8>>, bool), String> {
    let read = files::read(path, files::LARGEST_SECRET).map_err(|error| files::reason(&error))?;
    let exposed = read.readable_by_all();
    Ok((read.bytes, exposed))
}

/// How a source is written.
pub const EXPECTED: &str = "\"file:PATH\", \"credential:NAME\" or \"program:PATH\"";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(source: &Source) -> Result<Vec<u8>, String> {
        source.read(OsStr::new("x.key")).map(|passphrase| passphrase.as_bytes().to_vec())
    }

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for text in ["file:/a b", "file:x", "credential:key", "program:/usr/bin/x", "file:a:b"] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "file", "file:", "/a", "credential:../x", "credential:.", "credential:a/b", "exec:x", "FILE:x"]
        {
            assert_eq!(Source::parse(text), None, "{text}");
        }
        let below = Source::parse("file:x").unwrap().below(Path::new("/etc"));
        assert_eq!(below.file(), Some("/etc/x".into()));
    }

    #[test]
    fn the_first_line_of_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        let source = Source::File(path.clone());
        for (text, line) in [("a b ", "a b "), ("x\n", "x"), ("x\r\ny", "x"), ("ä", "ä")] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&source).unwrap(), line.as_bytes());
        }
        for text in ["", "\nx", "\r\n"] {
            fs::write(&path, text).unwrap();
            assert!(read(&source).is_err(), "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        let error = read(&source).unwrap_err();
        assert!(error.starts_with("file:") && error.ends_with(": no such file"), "{error}");
    }

    /// A program as a shell script.
    fn script(folder: &Path, text: &str) -> Source {
        let path = folder.join("program");
        // Written by another process: a test in another thread that starts one at this moment would inherit the open file,
        // and the system runs no program that is open for writing.
        let written = std::process::Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .args([path.as_os_str(), OsStr::new(text)])
            .status();
        assert!(written.unwrap().success());
        Source::Program(path)
    }

    #[test]
    fn a_program_gets_the_purpose_and_its_first_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let source = script(folder.path(), "echo \"for $1\"; echo more; test $# = 1");
        assert_eq!(read(&source).unwrap(), b"for x.key");
        // Also from a thread that runs a runtime of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(async { read(&source) }).unwrap(), b"for x.key");
        for (text, part) in [
            ("echo secret; echo why >&2; exit 3", "why"),
            ("echo why >&2", "why"),
            ("kill -9 $$", "signal 9"),
            ("head -c 100000 /dev/zero | tr '\\0' x", "long"),
        ] {
            let error = read(&script(folder.path(), text)).unwrap_err();
            assert!(error.starts_with("program:") && error.contains(part), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let error = read(&Source::Program(folder.path().join("gone"))).unwrap_err();
        assert!(error.ends_with("no such file"), "{error}");
    }

    #[test]
    fn a_file_that_everybody_may_read_is_marked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        fs::write(&path, "x").unwrap();
        for (mode, exposed) in [(0o600, false), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let source = Source::File(path.clone());
            assert_eq!(source.read(OsStr::new("")).map(|read| read.exposed).ok(), Some(exposed));
        }
    }
}
