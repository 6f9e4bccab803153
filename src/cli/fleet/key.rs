//! `tlsgate fleet key`: makes the secret of a fleet, and changes it in steps that need no stop. Must not know: what it seals.
//!
//! The file has a line of 64 hexadecimal digits, or two while the secret is changed: the first seals, and each opens. What is
//! sealed with a secret that a node does not have is unreadable for it. So a new secret is at first the second line
//! everywhere, then the first, and the old one goes when nothing that counts is sealed with it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::cli::answer::print::{complain, say};
use crate::files;
use crate::fleet::secret;
use crate::tls::crypto::random;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Verb {
    /// Make a secret: a line of 64 hexadecimal digits.
    New {
        /// Write it to this new file, which only its owner can read, instead of printing it.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Add a new secret as the second line: it opens, and does not seal yet. First step of a change.
    Add {
        /// The file of the secrets.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Exchange the lines: what was second seals from now on, and the other one still opens. Second step, once every node has
    /// started with both.
    Promote {
        /// The file of the secrets.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove the second line. Last step, once every node seals with the first, and a release was published with it.
    Drop {
        /// The file of the secrets.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn key(verb: &Verb) -> Result<ExitCode, String> {
    match verb {
        Verb::New { out: None } => say(&format!("{}\n", *new()?)),
        Verb::New { out: Some(path) } => {
            create(path, &new()?).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            say(&format!("{}: a new secret; every node and whoever publishes needs a copy\n", path.display()));
        }
        Verb::Add { file } => {
            let [old] = lines::<1>(file)?;
            replace(file, &[&old, &new()?])?;
            say(&format!("{}: the second line is a new secret, which opens; the first one seals\n", file.display()));
        }
        Verb::Promote { file } => {
            let [first, second] = lines::<2>(file)?;
            replace(file, &[&second, &first])?;
            say(&format!("{}: what was the second line seals, and both open\n", file.display()));
        }
        Verb::Drop { file } => {
            let [first, _] = lines::<2>(file)?;
            replace(file, &[&first])?;
            say(&format!("{}: the second line is removed\n", file.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn new() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    if !random(&mut *bytes) {
        return Err("the system provides no random bytes".into());
    }
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// The lines of a file that must have so many.
fn lines<const N: usize>(path: &Path) -> Result<[Zeroizing<String>; N], String> {
    let texts = texts(path)?;
    let found = texts.len();
    texts.try_into().map_err(|_| format!("{}: found {found} secrets, expected {N}", path.display()))
}

fn texts(path: &Path) -> Result<Vec<Zeroizing<String>>, String> {
    let secret = files::read_secret(path).map_err(|error| format!("{}: {}", path.display(), files::reason(&error)))?;
    if secret.exposed {
        complain(&format!("warning: {}: everybody can read the fleet's secret", path.display()));
    }
    secret::parse(&secret.text).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = secret.text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|line| Zeroizing::new(line.to_owned())).collect())
}

/// Writes a file that does not exist.
fn create(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Replaces a file by one with these lines, the same owner and mode. Whoever opens it finds the old lines or the new ones.
fn replace(path: &Path, lines: &[&Zeroizing<String>]) -> Result<(), String> {
    let write = || {
        // A link stays: what it leads to is replaced.
        let path = fs::canonicalize(path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let is = fs::metadata(&path)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for line in lines {
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
        }
        let owner = (fs::metadata(file.path())?.uid(), fs::metadata(file.path())?.gid());
        if owner != (is.uid(), is.gid()) {
            std::os::unix::fs::fchown(file.as_file(), Some(is.uid()), Some(is.gid()))?;
        }
        file.as_file().set_permissions(fs::Permissions::from_mode(is.mode() & 0o777))?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error: io::Error| format!("{} cannot be replaced: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_secret_is_changed_in_steps_in_each_of_which_the_one_that_seals_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.key");
        key(&Verb::New { out: Some(path.clone()) }).unwrap();
        assert_eq!(mode(&path), 0o600);
        let old = texts(&path).unwrap();
        assert_eq!((old.len(), old[0].len()), (1, 64));
        assert!(key(&Verb::New { out: Some(path.clone()) }).unwrap_err().contains("cannot be written"));
        assert!(key(&Verb::Drop { file: path.clone() }).unwrap_err().contains("found 1 secrets, expected 2"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        key(&Verb::Add { file: path.clone() }).unwrap();
        let both = texts(&path).unwrap();
        assert_eq!((both.len(), &both[0]), (2, &old[0]));
        assert!(key(&Verb::Add { file: path.clone() }).unwrap_err().contains("found 2 secrets, expected 1"));
        key(&Verb::Promote { file: path.clone() }).unwrap();
        assert_eq!(texts(&path).unwrap(), [both[1].clone(), both[0].clone()]);
        key(&Verb::Drop { file: path.clone() }).unwrap();
        assert_eq!(texts(&path).unwrap(), [both[1].clone()]);
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.key");
        let good = "0123456789abcdef".repeat(4);
        for wrong in ["", "abc", &good[1..], &good.replace('0', "g")] {
            fs::write(&path, wrong).unwrap();
            let message = texts(&path).unwrap_err();
            assert!(message.contains("fleet.key: ") && !message.contains("23456"), "{message}");
        }
        fs::write(&path, format!("\n {good} \n\n{}\n", good.replace('0', "f"))).unwrap();
        assert_eq!(texts(&path).unwrap().len(), 2);
        assert!(texts(&folder.path().join("absent")).unwrap_err().contains("no such file"));
    }
}
