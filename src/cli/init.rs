//! `tlsgate init`: writes a first configuration, with comments, checks it, and shows the next command. Must not know: how a
//! configuration is validated.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::answer::exit::{FAILED, USAGE};
use crate::cli::answer::print::{complain, say, visible};
use crate::cli::check;
use crate::cli::convert::write_new;

mod ask;
mod text;

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// LDAPS in front of directory servers; with --starttls also on their plain port.
    Ldaps,
    /// Any service that speaks TCP.
    Tcp,
    /// TLS that is passed through by server name.
    Passthrough,
    /// PostgreSQL, whose clients ask for TLS first.
    Postgres,
}

/// The options, and after the questions their answers.
#[derive(Debug, Clone, Args)]
pub(super) struct What {
    /// What is served.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// An address to listen on, such as 0.0.0.0:636. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// A folder with certificates, or a file. Can be given several times, each with its own --key.
    #[arg(long, value_name = "PATH", conflicts_with = "acme")]
    certificate: Vec<String>,
    /// The file of the key, if it is not in that of the certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Vec<String>,
    /// Order certificates from Let's Encrypt, which may write to this address; needs --name, and --accept-terms.
    #[arg(long, value_name = "EMAIL", requires = "name")]
    acme: Option<String>,
    /// You agree to the terms of the authority that certificates are ordered from.
    #[arg(long, requires = "acme")]
    accept_terms: bool,
    /// A name: of the certificates that are ordered, or of what is passed through. Can be given several times.
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// A server that gets the connections, such as 10.0.1.10:389. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    backend: Vec<String>,
    /// Clients begin in the clear and ask for TLS, in this protocol: ldap or postgres.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["ldap", "postgres"])]
    starttls: Option<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE", default_value = "tlsgate.toml")]
    output: PathBuf,
    /// Write it even if it exists.
    #[arg(long)]
    force: bool,
}

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
    let checked = check::check(&what.output, false, false);
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
