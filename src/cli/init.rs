//! `tlsgate init`: writes a first configuration, with comments, checks it, and shows the next command. Must not know: how a
//! configuration is validated.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::answer::exit::{FAILED, USAGE};
use crate::cli::answer::print::{complain, say, visible};
use crate::cli::check;
use crate::cli::convert::write_new;

mod ask;
mod text;
mod wanted;

pub(super) use wanted::What;

pub(super) fn init(what: What) -> ExitCode {
    let what = match ask::complete(what) {
        Ok(what) => what,
        Err(message) => {
            complain(&message);
            return USAGE.into();
        }
    };
    if let Err(message) = written(&what) {
        complain(&message);
        return FAILED.into();
    }
    let checked = check::check(&what.output, check::How::default());
    let shown = what.output.display();
    let next = if checked == ExitCode::SUCCESS { "run" } else { "check" };
    say(&format!("{}\n", visible(&format!("The next command: tlsgate {next} -c {shown}"))));
    checked
}

/// Writes the file. It is replaced as a whole, never in part.
fn written(what: &What) -> Result<(), String> {
    let Output { target, temporary } = Output::of(&what.output);
    let text = text::configuration(what);
    let failed = |error: std::io::Error| format!("{}: cannot be written: {error}", target.display());
    if !what.force {
        return write_new(target, &text).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{}: found a file, expected none (--force replaces it)", target.display())
            }
            _ => failed(error),
        });
    }
    write_new(&temporary, &text).and_then(|()| std::fs::rename(&temporary, target)).map_err(failed)
}

/// The file, and the one that is renamed to it.
struct Output<'a> {
    target: &'a Path,
    temporary: PathBuf,
}

impl<'a> Output<'a> {
    fn of(target: &'a Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Self { target, temporary: target.with_file_name(format!(".{name}.{}", std::process::id())) }
    }
}
