//! `tlsgate fleet rollback`: publishes the files of an old release again. Must not know: how a release is proposed.

use std::process::ExitCode;

use clap::Args;

use super::attempt::{self, Done, Failure, How};
use super::place::{Place, Store, wait_for};
use super::publish;
use super::releases;
use super::shown::{release, who};
use crate::fleet::key;
use crate::fleet::publisher::Draft;

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    #[command(flatten)]
    place: Place,
    /// The number of the release.
    #[arg(value_name = "NUMBER")]
    number: u64,
    #[command(flatten)]
    how: How,
}

pub(super) fn rollback(what: &Rollback) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let done = wait_for(async { Ok(back(&store, what).await) })?;
    publish::answer(done.map(Some), &what.how)
}

async fn back(store: &Store, what: &Rollback) -> Result<Done, Failure> {
    let how = &what.how;
    for _ in 0..ATTEMPTS {
        let parts = store.revision(key::PARTS_GENERATION).await?;
        let old = releases::numbered(store, what.number).await?;
        let told = |error| format!("nothing has changed: release {}: {error}", old.number);
        releases::complete(store, &old.root).await.map_err(told)?;
        let note = how.note.clone().unwrap_or_else(|| format!("back to release {}", old.number));
        let without = how.without.clone();
        let draft = Draft { root: old.root, canary: None, without, by: who(), note, base: None, parts };
        match attempt::propose(store, draft, how).await {
            Err(failure) if failure.is_swept => {}
            Err(failure) => return Err(failure),
            Ok(record) => {
                how.tell(&format!("{} is the current one, with the files of release {}", release(&record), old.number));
                return Ok(attempt::settled(store, record, how).await);
            }
        }
    }
    Err("nothing has changed: old releases are being removed at the same time, again and again".to_owned().into())
}

/// How often it is tried again while old releases are removed.
const ATTEMPTS: usize = 5;
