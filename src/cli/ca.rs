//! `tlsgate ca`: a private authority in a folder. Must not know: how certificates are built, what the folder's files are for.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::Output;
use crate::cli::answer::print::complain;

mod arguments;
mod issue;
mod list;
mod new;
mod outside;
mod passphrase;
mod revoke;
mod terminal;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make an authority in a new folder: a root and an issuing certificate. Its ca.pem is for those who are to trust it.
    New(#[command(flatten)] new::New),
    /// Issue certificates with new keys, as folders that a listener's certificates can be read from.
    Issue(#[command(flatten)] issue::Issue),
    /// Issue a certificate for somebody else's request (CSR), for the names that you allow.
    Sign(#[command(flatten)] issue::Sign),
    /// Revoke a certificate, and write new lists.
    Revoke(#[command(flatten)] revoke::Revoke),
    /// Write new lists of revoked certificates, before the old ones end.
    Crl(#[command(flatten)] revoke::Crl),
    /// Make a new issuing certificate, before the old one ends or after it was revoked. This needs the root's key.
    Renew(#[command(flatten)] new::Renew),
    /// List what was issued, and what has become of it.
    List {
        /// The authority's folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
}

pub(super) fn ca(verb: Verb) -> ExitCode {
    let now = Timestamp::now().as_second();
    let done = match verb {
        Verb::New(new) => new::new(&new, now),
        Verb::Issue(issue) => issue::issue(&issue, now),
        Verb::Sign(sign) => issue::sign(&sign, now),
        Verb::Revoke(revoke) => revoke::revoke(&revoke, now),
        Verb::Crl(crl) => revoke::crl(&crl, now),
        Verb::Renew(renew) => new::renew(&renew, now),
        Verb::List { folder, format } => return list::list(&folder, format, now),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error}"));
            FAILED.into()
        }
    }
}
