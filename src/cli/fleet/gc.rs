//! `tlsgate fleet gc`: removes old releases, and the parts that none of the rest needs. Must not know: what a release contains.
//!
//! Safe beside everybody else: each step holds only if the current release and the proposal are still what they were when it
//! was decided what is needed, and whoever has found a part before it cannot propose a release that relies on it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::place::{Place, Store, wait_for};
use super::releases::{self, All};
use super::shown::counted;
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::say;
use crate::fleet::key;
use crate::fleet::part::PartName;
use crate::fleet::record::{Proposal, Record, Root};
use crate::fleet::store::Written;
use crate::fleet::sweep::{self, STEP, Seen};
use crate::fleet::tree::lists::Lists;
use crate::fleet::tree::{Leads, leads};

#[derive(Debug, Args)]
pub(in crate::cli) struct Gc {
    #[command(flatten)]
    place: Place,
    /// How many releases to keep besides the current one and what is being published.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    keep: usize,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

/// What was removed, and what is there still.
#[derive(Debug, Default)]
struct Removed {
    releases: usize,
    parts: usize,
    kept: BTreeSet<u64>,
    left: usize,
}

pub(super) fn gc(what: &Gc) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let Removed { releases, parts, kept, left } = wait_for(removed(&store, what.keep))?;
    match what.format {
        Output::Text => say(&format!(
            "removed {} and {}; {} with {} are kept\n",
            counted(releases, "release"),
            counted(parts, "part"),
            counted(kept.len(), "release"),
            counted(left, "part"),
        )),
        Output::Json => say(&form::json(&json!({
            "removed": { "releases": releases, "parts": parts },
            "kept": { "releases": kept, "parts": left },
        }))),
    }
    Ok(ExitCode::SUCCESS)
}

/// What can go, as it was seen at one time.
struct Plan {
    seen: Seen,
    kept: BTreeSet<u64>,
    /// The keys of old releases.
    releases: Vec<String>,
    /// Parts in the order in which they go.
    parts: Vec<PartName>,
    left: usize,
}

async fn removed(store: &Store, keep: usize) -> Result<Removed, String> {
    let mut removed = Removed::default();
    for _ in 0..ATTEMPTS {
        let Plan { seen, kept, releases, parts, left } = plan(store, keep).await?;
        (removed.kept, removed.left) = (kept, left);
        if releases.is_empty() && parts.is_empty() {
            return Ok(removed);
        }
        // Releases before their parts: whoever finds a release finds its parts.
        let count = releases.len();
        let keys: Vec<String> = releases.into_iter().chain(parts.iter().map(key::part)).collect();
        let done = steps(store, seen, &keys).await?;
        removed.releases += done.min(count);
        removed.parts += done.saturating_sub(count);
        if done == keys.len() {
            return Ok(removed);
        }
    }
    Err("releases are being published at the same time, again and again: nothing that they need was removed".into())
}

/// Removes these keys in steps, and returns how many it has removed before something had changed.
async fn steps(store: &Store, mut seen: Seen, keys: &[String]) -> Result<usize, String> {
    let mut done = 0;
    for step in keys.chunks(STEP) {
        let mark = store.seal.close(key::PARTS_GENERATION, &seen.parts).map_err(|error| error.to_string())?;
        let transaction = seen.removing(step.iter().cloned(), mark);
        match store.etcd.write(&transaction).await.map_err(|trouble| trouble.to_string())? {
            Written::Done(revision) => seen.parts = revision,
            // Perhaps it was done: what is there is looked at again.
            Written::Refused | Written::Unknown => return Ok(done),
        }
        done += step.len();
    }
    Ok(done)
}

async fn plan(store: &Store, keep: usize) -> Result<Plan, String> {
    // First what must not have changed in the end, then what follows from it.
    let parts = store.revision(key::PARTS_GENERATION).await?;
    let current = store.one::<Record>(key::CURRENT).await?;
    let proposal = store.one::<Proposal>(key::PROPOSAL).await?;
    let seen = Seen { current: current.revision, proposal: proposal.revision, parts };
    let All { records, unreadable } = releases::all(store).await?;
    // The current release can be opened, so these are sealed with a secret that was removed: nobody can use them.
    let unreadable: Vec<String> =
        if current.value.is_some() { unreadable.into_iter().map(|(key, _)| key).collect() } else { Vec::new() };
    let mut kept = sweep::kept(&records, current.value.as_ref(), keep);
    let (mut lists, name) = (Lists::default(), |root: &Root| PartName(root.0.clone()));
    let stay = records.iter().filter(|record| kept.contains(&record.number));
    let roots = sweep::needed(stay, current.value.as_ref(), proposal.value.as_ref());
    roots.iter().for_each(|root| lists.add(name(root)));
    releases::read(store, &mut lists).await?;
    for root in sweep::needed(std::iter::empty(), current.value.as_ref(), proposal.value.as_ref()) {
        let what = "of the current release or of the one that is proposed; nothing is removed (publish it again)";
        lists.files(&name(&root)).map_err(|error| format!("{error} {what}"))?;
    }
    // Old ones of which parts are lost cannot be published again.
    let is_whole = |record: &Record| record.roots().all(|root| lists.files(&name(root)).is_ok());
    let is_current = |record: &Record| current.value.as_ref().is_some_and(|current| current.number == record.number);
    let lost =
        records.iter().filter(|record| kept.contains(&record.number) && !is_whole(record) && !is_current(record));
    lost.map(|record| record.number).collect::<Vec<_>>().iter().for_each(|number| {
        kept.remove(number);
    });
    let old: Vec<&Record> = records.iter().filter(|record| !kept.contains(&record.number)).collect();
    let needed = lists.parts();
    let keys = store.etcd.keys(key::PARTS).await.map_err(|trouble| trouble.to_string())?;
    let all = keys.iter().filter_map(|key| key.strip_prefix(key::PARTS)).map(|name| PartName(name.to_owned()));
    let (left, gone): (Vec<PartName>, Vec<PartName>) = all.partition(|part| needed.contains(part));
    let order = sweep::order(&below(store, &old, gone).await?);
    let releases = old.iter().map(|record| key::release(record.number)).chain(unreadable).collect();
    Ok(Plan { seen, kept, releases, parts: order, left: left.len() })
}

/// What each of these parts leads to.
async fn below(
    store: &Store,
    old: &[&Record],
    parts: Vec<PartName>,
) -> Result<BTreeMap<PartName, Vec<PartName>>, String> {
    let mut below: BTreeMap<PartName, Vec<PartName>> = parts.into_iter().map(|part| (part, Vec::new())).collect();
    // Those of releases are known to be lists or pieces.
    let mut lists = Lists::default();
    old.iter().flat_map(|record| record.roots()).for_each(|root| lists.add(PartName(root.0.clone())));
    let mut unknown: BTreeSet<PartName> = below.keys().cloned().collect();
    if releases::read(store, &mut lists).await.is_ok() {
        for part in lists.parts() {
            unknown.remove(&part);
            if let Some(to) = below.get_mut(&part) {
                *to = lists.below(&part).cloned().collect();
            }
        }
    }
    // Others are left over from what was never published. One that no secret opens leads nowhere for all that is known.
    let unknown: Vec<PartName> = unknown.into_iter().collect();
    for batch in unknown.chunks(BATCH) {
        let keys: Vec<String> = batch.iter().map(key::part).collect();
        for entry in store.etcd.get(&keys).await.map_err(|trouble| trouble.to_string())? {
            let (Some(name), Some(sealed)) = (entry.key.strip_prefix(key::PARTS), entry.value) else { continue };
            let name = PartName(name.to_owned());
            if let Ok(content) = store.parts.open(&name, &sealed) {
                let to = match leads(&Zeroizing::new(content)) {
                    Some(Leads::ToLists(to) | Leads::ToPieces(to)) => to,
                    None => Vec::new(),
                };
                below.insert(name, to);
            }
        }
    }
    Ok(below)
}

/// How often it begins again while releases are published.
const ATTEMPTS: usize = 20;

/// Parts that are looked at a time; each has 256 KiB at most.
const BATCH: usize = 16;
