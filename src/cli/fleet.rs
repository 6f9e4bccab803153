//! `tlsgate fleet`: publishes releases to a fleet, and shows what it has. Must not know: how etcd is reached, how a release is
//! prepared.

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::complain;

mod attempt;
mod canary;
mod collect;
mod diff;
mod drain;
mod gc;
mod history;
mod interrupted;
mod key;
mod place;
mod publish;
mod releases;
mod rollback;
mod shown;
mod status;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make the secret that seals all that a fleet has in etcd, and change it without a stop.
    Key {
        #[command(subcommand)]
        verb: key::Verb,
    },
    /// Publish a configuration, and the files that it names by relative paths: prepared by every node, or nothing changes.
    Publish(#[command(flatten)] publish::Publish),
    /// Show etcd's members, the release, and each node. Exits with 1 if something of it is not as it should be.
    Status(#[command(flatten)] status::Status),
    /// List the releases, the last one first.
    History(#[command(flatten)] history::History),
    /// Show what differs between two releases. Keys and passwords are never shown.
    Diff(#[command(flatten)] diff::Diff),
    /// Publish the files of an old release again.
    Rollback(#[command(flatten)] rollback::Rollback),
    /// Take a server of a backend out of rotation on every node. Its connections stay.
    Drain(#[command(flatten)] drain::Drain),
    /// Remove old releases from etcd.
    Gc(#[command(flatten)] gc::Gc),
}

pub(super) fn fleet(verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::Key { verb } => key::key(&verb),
        Verb::Publish(what) => publish::publish(&what),
        Verb::Status(what) => status::status(&what),
        Verb::History(what) => history::history(&what),
        Verb::Diff(what) => diff::diff(&what),
        Verb::Rollback(what) => rollback::rollback(&what),
        Verb::Drain(what) => drain::drain(&what),
        Verb::Gc(what) => gc::gc(&what),
    };
    done.unwrap_or_else(|reason| {
        complain(&format!("error: {reason}"));
        FAILED.into()
    })
}
