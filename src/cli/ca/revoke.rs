//! `tlsgate ca revoke` and `tlsgate ca crl`. Must not know: how lists are signed.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::{MOST_DAYS, Opened, reason};
use super::outside;
use crate::authority::error::AuthorityError;
use crate::authority::index::Reason;
use crate::authority::open::Authority;
use crate::authority::publish::LISTS;
use crate::cli::answer::print::{say, visible};
use crate::files;
use crate::tls::certificate::x509::rfc3339;

/// Of both verbs.
#[derive(Debug, Args)]
struct Copy {
    /// A file that gets a copy of the lists, for a server to read. It is replaced in one step.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    opened: Opened,
    /// The serial number, or a file with the certificate.
    #[arg(value_name = "SERIAL|FILE")]
    certificate: String,
    /// unspecified, key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation or privilege-withdrawn.
    #[arg(long, value_parser = reason, default_value = "unspecified")]
    reason: Reason,
    #[command(flatten)]
    copy: Copy,
}

pub(super) fn revoke(revoke: &Revoke, now: i64) -> Result<(), AuthorityError> {
    let mut authority = revoke.opened.open()?;
    let ask = |key: &Path| revoke.opened.passphrase.ask(key);
    let (record, until) = authority.revoke(&revoke.certificate, revoke.reason, &ask, now)?;
    let already = if record.at < now { format!(" already, at {}", rfc3339(record.at)) } else { String::new() };
    say(&format!("{} is revoked{already} ({})\n", record.serial, record.reason.word()));
    published(&authority, &revoke.copy, until)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Crl {
    #[command(flatten)]
    opened: Opened,
    /// For how many days these lists are valid, instead of what the authority was made with.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    days: Option<u32>,
    #[command(flatten)]
    copy: Copy,
}

pub(super) fn crl(crl: &Crl, now: i64) -> Result<(), AuthorityError> {
    let mut authority = crl.opened.open()?;
    let until = authority.publish(crl.days, &|key: &Path| crl.opened.passphrase.ask(key), now)?;
    published(&authority, &crl.copy, until)
}

fn published(authority: &Authority, copy: &Copy, until: i64) -> Result<(), AuthorityError> {
    let path = authority.path().join(LISTS);
    let written = match &copy.out {
        Some(out) => {
            let broken = |error: &std::io::Error| AuthorityError::Broken(path.clone(), files::reason(error));
            let lists = files::read(&path, files::LARGEST_LIST).map_err(|error| broken(&error))?;
            outside::write(out, &lists.bytes)?;
            out
        }
        None => &path,
    };
    let number = authority.index().crl_number;
    say(&format!("{}: lists number {number}, until {}\n", visible(&written.display().to_string()), rfc3339(until)));
    Ok(())
}
