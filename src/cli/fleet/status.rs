//! `tlsgate fleet status`: etcd's members, the release, what is proposed, and each node. Must not know: how they are stored.

use std::process::ExitCode;

use clap::Args;

use super::place::{Place, Store, wait_for};
use super::releases;
use super::shown::now;
use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::say;
use crate::fleet::key;
use crate::fleet::record::{Proposal, Record, Root};

mod judged;
mod seen;
mod view;

use seen::Seen;

#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    place: Place,
    /// Nodes that must be connected: one that is not is reported, and the exit code is 1. etcd does not know of a node that
    /// is gone.
    #[arg(long, value_name = "NODE", num_args = 1..)]
    expect: Vec<String>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

pub(super) fn status(what: &Status) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let seen = wait_for(async {
        // First what etcd answers at last: its members elect a leader until then, perhaps.
        let seen = read(&store).await;
        let members = store.etcd.members().await;
        Ok(match seen {
            Ok(seen) => Ok(Seen { members, ..seen }),
            Err(error) => Err((members, error)),
        })
    })?;
    let seen = match seen {
        Ok(seen) => seen,
        Err((members, error)) => {
            // Why it cannot be read is seen from its members, perhaps.
            if what.format == Output::Text {
                say(&view::members(&members));
            }
            return Err(error);
        }
    };
    let faults = judged::faults(&seen, &what.expect);
    match what.format {
        Output::Text => say(&view::text(&seen, &faults)),
        Output::Json => say(&form::json(&view::json(&seen, &faults))),
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { FAILED.into() })
}

/// Everything but the members.
async fn read(store: &Store) -> Result<Seen, String> {
    let current = releases::current(store).await?;
    let proposal = store.one::<Proposal>(key::PROPOSAL).await?.value;
    let nodes = store.all(key::NODES).await?;
    let answers = match &proposal {
        Some(proposal) => store.all(&key::answers(&proposal.record.attempt)).await?,
        None => Vec::new(),
    };
    let drained = store.one(key::DRAINED).await?.value.unwrap_or_default();
    let (is_of_old_secret, damage) = match &current {
        Some(record) => whole(store, record).await,
        None => (false, None),
    };
    let of_old_secret = store.of_second_secret(&[key::DRAINED, key::TICKETS, key::ORDERS]).await;
    let leader = store.leader().await;
    let (members, now) = (Vec::new(), now());
    Ok(Seen {
        members,
        current,
        proposal,
        nodes,
        answers,
        drained,
        is_of_old_secret,
        of_old_secret,
        damage,
        leader,
        now,
    })
}

/// Whether a release is sealed with a secret that is to be removed, and why it cannot be fetched.
async fn whole(store: &Store, record: &Record) -> (bool, Option<String>) {
    let read = async {
        let is_of_old_secret = releases::is_of_old_secret(store, &record.root).await?;
        let mut roots: Vec<&Root> = record.roots().collect();
        roots.dedup();
        for root in roots {
            releases::files(store, root).await?;
        }
        Ok(is_of_old_secret)
    };
    match read.await {
        Ok(is_of_old_secret) => (is_of_old_secret, None),
        Err(damage) => (false, Some(damage)),
    }
}
