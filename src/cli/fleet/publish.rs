//! `tlsgate fleet publish`: checks a configuration, puts its files into the store, and publishes them. Must not know: how nodes
//! prepare a release.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::attempt::{self, Done, Failure, How};
use super::canary::{self, Verdict};
use super::collect::{Collected, collect};
use super::interrupted::interrupted;
use super::place::{Place, Store, wait_for};
use super::releases;
use super::shown::{counted, names, now, release, release_json, short, who};
use crate::cli::answer::exit::{BEHIND, FAILED};
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say};
use crate::cli::check;
use crate::cli::load::reading;
use crate::config;
use crate::config::located::ConfigError;
use crate::files;
use crate::fleet::key;
use crate::fleet::part::Files;
use crate::fleet::publisher::Draft;
use crate::fleet::record::{Canary, Record, Registration, Root};
use crate::fleet::transfer::{self, Cost};

#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    #[command(flatten)]
    place: Place,
    /// The configuration file; "-" is standard input.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Do not load what the configuration names, for one that names files by absolute paths that only nodes have. Each node
    /// checks it in any case.
    #[arg(long)]
    no_check: bool,
    /// Read all parts of the release in etcd, and put those again that were changed there or removed. Without it, what is
    /// there is relied on.
    #[arg(long)]
    repair: bool,
    /// At first only these nodes serve it; the others prepare it, and stay with what they have.
    #[arg(long, value_name = "NODE", num_args = 1..)]
    canary: Vec<String>,
    /// For how long those nodes are watched before all others follow, or before they go back.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", requires = "canary", value_parser = attempt::duration)]
    watch: Duration,
    #[command(flatten)]
    how: How,
}

pub(super) fn publish(what: &Publish) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let collected = prepared(&what.config, what.no_check)?;
    for warning in &collected.warnings {
        complain(&format!("warning: {warning}"));
    }
    let done = wait_for(async { Ok(published(&store, &collected.files, what).await) })?;
    answer(done, &what.how)
}

/// Reports how it has ended.
pub(super) fn answer(done: Result<Option<Done>, Failure>, how: &How) -> Result<ExitCode, String> {
    let done = match (done, how.format) {
        (Ok(done), Output::Json) => {
            let release = done.as_ref().map_or(Value::Null, |done| release_json(&done.record));
            let behind = done.as_ref().map_or_else(|| json!([]), |done| json!(done.behind));
            say(&form::json(&json!({ "published": done.is_some(), "release": release, "behind": behind })));
            done
        }
        (Ok(done), Output::Text) => done,
        (Err(failure), Output::Json) => {
            let shown = json!({ "published": false, "error": failure.reason, "node": failure.node });
            say(&form::json(&shown));
            return Ok(FAILED.into());
        }
        (Err(failure), Output::Text) => return Err(failure.reason),
    };
    let is_everywhere = done.is_none_or(|done| done.behind.is_some_and(|behind| behind.is_empty()));
    Ok(if is_everywhere { ExitCode::SUCCESS } else { BEHIND.into() })
}

/// Checks a configuration and collects what it names.
fn prepared(path: &Path, no_check: bool) -> Result<Collected, String> {
    let (named, path) = (path.display().to_string(), path.to_owned());
    let read = reading(move || {
        let is_read_once = files::pipe::is_read_once(&path);
        let read = if is_read_once { files::pipe::read_once } else { files::read_text };
        let text = read(&path, files::LARGEST_CONFIGURATION).map_err(|error| {
            let message = format!("cannot be read: {}", files::reason(&error));
            vec![ConfigError { path: String::new(), position: None, message }]
        })?;
        let folder = if is_read_once { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
        let config = config::parse_published(&text, folder)?;
        let mut warnings = Vec::new();
        if !no_check {
            let built = check::usable(&config)?;
            // Nodes refuse a release with a certificate that cannot be loaded.
            let failed = built.failed_for_good();
            let faults = [failed, built.unusable, built.unproved].concat();
            if !faults.is_empty() {
                return Err(faults);
            }
            warnings.extend(built.warnings.iter().map(ToString::to_string));
        }
        // With the paths as they are written.
        let written = config::parse_published(&text, Path::new(""))?;
        let mut collected = collect(&text, &written, folder)?;
        collected.warnings.splice(0..0, warnings);
        Ok(collected)
    });
    let line = |error: &ConfigError| format!("{named}: {error}");
    read.map_err(|errors: Vec<ConfigError>| errors.iter().map(line).collect::<Vec<_>>().join("\nerror: "))
}

/// `None`: the current release has these files already.
async fn published(store: &Store, files: &Files, what: &Publish) -> Result<Option<Done>, Failure> {
    let how = &what.how;
    // Whoever has another secret than the fleet finds out before anything is put there.
    let _ = releases::current(store).await?;
    let note = how.note.clone().unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let (root, generation) = put(store, files, what).await?;
        let has_them = |record: &&Record| record.root == root && record.canary.is_none();
        // Only now: others may have published while files were put, which can take minutes.
        let mut current = releases::current(store).await?;
        if current.as_ref().is_some_and(|record| has_them(&record)) && !what.repair {
            // Who publishes the same again may do so since something is wrong with it.
            mend(store, files, how).await?;
            current = releases::current(store).await?;
        }
        if let Some(record) = current.as_ref().filter(has_them) {
            how.tell(&format!("{} has these files already, and nothing is published", release(record)));
            reseal(store).await;
            return Ok(None);
        }
        let draft = Draft {
            root,
            canary: None,
            without: how.without.clone(),
            by: who(),
            note: note.clone(),
            base: None,
            parts: generation,
        };
        let done = match (what.canary.is_empty(), &current) {
            (true, _) => attempt::propose(store, draft, how).await,
            (false, Some(current)) => staged(store, draft, current, what).await,
            (false, None) => {
                return Err("found no release yet, expected one that the other nodes stay with".to_owned().into());
            }
        };
        match done {
            Err(failure) if failure.is_swept => {}
            Err(failure) => return Err(failure),
            Ok(record) => {
                how.tell(&format!("{} is the current one", release(&record)));
                let done = attempt::settled(store, record, how).await;
                reseal(store).await;
                return Ok(Some(done));
            }
        }
    }
    Err("nothing has changed: old releases are being removed at the same time, again and again".to_owned().into())
}

/// While the secret is changed: what publishers may write is not sealed with the old one then. The node that leads seals again what
/// there is of certificates of authorities. The release counts in any case.
async fn reseal(store: &Store) {
    for key in [key::DRAINED, key::TICKETS] {
        if let Err(error) = store.reseal(key).await {
            complain(&format!("warning: {error}"));
        }
    }
}

/// Puts the files into the store. Returns the root, and the generation of parts from before.
async fn put(store: &Store, files: &Files, what: &Publish) -> Result<(Root, i64), Failure> {
    let how = &what.how;
    let generation = store.revision(key::PARTS_GENERATION).await?;
    if what.repair {
        return Ok((mend(store, files, how).await?, generation));
    }
    let put = tokio::select! {
        put = transfer::put(&store.etcd, &store.parts, files) => put,
        () = interrupted() => return Err("nothing has changed: interrupted".to_owned().into()),
    };
    let (root, Cost { parts, bytes }) = put.map_err(|error| format!("nothing has changed: {error}"))?;
    let (count, all) = (files.len(), files.values().map(|content| content.len()).sum::<usize>());
    how.tell(&format!(
        "{} with {all} bytes, root {}…: {} with {bytes} bytes put into etcd",
        counted(count, "file"),
        short(&root),
        counted(parts, "part")
    ));
    Ok((root, generation))
}

/// Reads all parts of these files that are in the store, and puts those that do not prove themselves again.
async fn mend(store: &Store, files: &Files, how: &How) -> Result<Root, Failure> {
    let mended = tokio::select! {
        mended = transfer::mend(&store.etcd, &store.parts, files) => mended,
        () = interrupted() => return Err("nothing has changed: interrupted".to_owned().into()),
    };
    let (root, Cost { parts, .. }) = mended.map_err(|error| format!("nothing has changed: {error}"))?;
    how.tell(&match parts {
        0 => format!("root {}…: all of its parts were read in etcd, and are as they should be", short(&root)),
        _ => format!(
            "root {}…: {} had been changed in etcd, or removed: put there again",
            short(&root),
            counted(parts, "part")
        ),
    });
    Ok(root)
}

/// Publishes for some nodes, watches them, and then for all, or nobody.
async fn staged(store: &Store, draft: Draft, current: &Record, what: &Publish) -> Result<Record, Failure> {
    let how = &what.how;
    let nodes = store.all::<Registration>(key::NODES).await?;
    if let Some(unknown) = what.canary.iter().find(|name| !nodes.iter().any(|(node, _)| node == *name)) {
        let there = names(nodes.iter().map(|(name, _)| name.as_str()));
        return Err(format!(
            "nothing has changed: found {unknown:?} as a canary, expected nodes that are connected ({there})"
        )
        .into());
    }
    // Two releases are prepared, and the nodes are watched in between.
    let longest = how.wait.saturating_mul(2).saturating_add(what.watch);
    let until = now().saturating_add(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
    let canary = Canary { root: draft.root.clone(), nodes: what.canary.clone(), until: Some(until) };
    let base = Some(current.clone());
    let first = Draft { root: current.root.clone(), canary: Some(canary), base, ..draft.clone() };
    let record = attempt::propose(store, first, how).await?;
    how.tell(&format!(
        "{} is served by {}, which are watched",
        release(&record),
        names(what.canary.iter().map(String::as_str))
    ));
    let why = match canary::watch(store, &record, what.watch).await {
        Verdict::Good => return follow(store, draft, &record, how).await.map_err(|failure| stuck(failure, &record)),
        Verdict::Overtaken(other) => {
            return Err(format!("canary: {} was published meanwhile, and it counts", release(&other)).into());
        }
        Verdict::Bad(why) => why,
    };
    how.tell(&format!("canary: {why}; going back"));
    let note = format!("back from the canary of release {}: {why}", record.number);
    let back = Draft { root: current.root.clone(), note, ..draft };
    match follow(store, back, &record, how).await {
        Ok(back) => Err(format!(
            "canary: {why}; release {} has the files of release {} again, on every node",
            back.number, current.number
        )
        .into()),
        Err(failure) => {
            Err(stuck(Failure { reason: format!("{why}; going back: {}", failure.reason), ..failure }, &record))
        }
    }
}

/// Publishes what follows a canary's release, unless somebody else has published meanwhile, who has decided for all nodes. What the
/// current release needs is never removed, whatever was meanwhile: so a draft of that counts from now on.
async fn follow(store: &Store, draft: Draft, canary: &Record, how: &How) -> Result<Record, Failure> {
    let parts = store.revision(key::PARTS_GENERATION).await?;
    attempt::propose(store, Draft { base: Some(canary.clone()), parts, ..draft }, how).await
}

/// The canary stays as it is, unless another release has taken its place.
fn stuck(failure: Failure, record: &Record) -> Failure {
    if failure.is_overtaken {
        return Failure { reason: format!("canary: {}, and it counts", failure.reason), ..failure };
    }
    let reason = format!(
        "{}; the canary nodes stay with release {} until another one is published",
        failure.reason, record.number
    );
    Failure { reason, is_swept: false, ..failure }
}

/// How often parts are put again that others have removed.
const ATTEMPTS: usize = 5;
