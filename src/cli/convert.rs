//! `tlsgate convert`: a configuration of another program → one of tlsgate, and a list of what was not taken over. Must not
//! know: how a configuration is converted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::answer::exit::{FAILED, PARTLY, USAGE};
use crate::cli::answer::print::{complain, say, visible};
use crate::cli::check;
use crate::convert::disk::Disk;
use crate::convert::list::Weight;
use crate::convert::peer::Peer;
use crate::convert::{self, Converted};
use crate::files::{self, opening};
use crate::tls::certificate::pem;
use crate::words::Words as _;

#[derive(Debug, Args)]
pub(super) struct What {
    /// The configuration of the other program.
    file: PathBuf,
    /// Whose configuration it is: haproxy, nginx, stunnel or hitch. By default this is found out from the text.
    #[arg(long, value_name = "PROGRAM", value_parser = peer)]
    from: Option<Peer>,
    /// Write the configuration to a new file, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn peer(text: &str) -> Result<Peer, String> {
    Peer::named(text).ok_or_else(|| format!("expected {}", Peer::EXPECTED))
}

pub(super) fn convert(what: What) -> ExitCode {
    let What { file, from, output } = what;
    let text = match files::read_text(&file, files::LARGEST_CONFIGURATION) {
        Ok(text) => text,
        Err(error) => return failed(&format!("{}: cannot be read: {}", file.display(), files::reason(&error))),
    };
    let Some(peer) = from.or_else(|| Peer::of(&text)) else {
        complain(&format!("{}: it is not clear whose configuration this is: write --from", file.display()));
        return USAGE.into();
    };
    // The result may be put anywhere, so the paths in it are absolute.
    let whole = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    let folder = whole.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Converted { text, left } = convert::convert(peer, &text, &name, folder, &Files);
    for one in &left {
        complain(&format!("{}: {one}", file.display()));
    }
    if text.is_empty() {
        return failed(&format!("{}: nothing could be taken over", file.display()));
    }
    let faults = check::faults(&text, folder);
    match &output {
        Some(output) => {
            if let Err(error) = write_new(output, &text) {
                return failed(&format!("{}: cannot be written: {error}", output.display()));
            }
            say(&visible(&format!(
                "{} is written. The next command: tlsgate check -c {}",
                output.display(),
                output.display()
            )));
            say("\n");
        }
        None => say(&text),
    }
    let shown = output.as_deref().unwrap_or(Path::new("the result"));
    for fault in &faults {
        complain(&format!("{}: error: {fault}", shown.display()));
    }
    let lost = left.iter().any(|one| one.weight != Weight::Note);
    match (faults.is_empty(), lost) {
        (false, _) => FAILED.into(),
        (true, true) => PARTLY.into(),
        (true, false) => ExitCode::SUCCESS,
    }
}

/// Never over another file. Only its owner and group can read it, as is usual for configurations.
pub(super) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn failed(message: &str) -> ExitCode {
    complain(message);
    FAILED.into()
}

/// The files of this machine, each of bounded size.
struct Files;

impl Disk for Files {
    fn text(&self, path: &Path) -> Result<String, String> {
        files::read_text(path, LARGEST).map_err(|error| files::reason(&error))
    }

    fn folder(&self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let entries = opening::list(path).map_err(|error| files::reason(&error))?;
        let mut files: Vec<PathBuf> =
            entries.into_iter().filter(|entry| !entry.is_folder).map(|entry| entry.path).collect();
        files.sort();
        Ok(files)
    }

    fn has_key(&self, path: &Path) -> Option<bool> {
        let read = files::read(path, files::LARGEST_CERTIFICATES).ok()?;
        Some(pem::read(&read.bytes).is_ok_and(|contents| !contents.keys.is_empty() || !contents.encrypted.is_empty()))
    }
}

/// Of a file that is included.
const LARGEST: u64 = 1 << 20;
