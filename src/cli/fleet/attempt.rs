//! One attempt to publish: proposed, waited for, and how it ended in one sentence. Must not know: where the files come from.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::interrupted::{interrupted, pass_on};
use super::place::Store;
use super::releases;
use super::shown::{self, names, now};
use crate::cli::answer::form::Output;
use crate::cli::answer::print::{complain, say};
use crate::fleet::drive::{Hands, drive};
use crate::fleet::key;
use crate::fleet::publisher::{Draft, End, Publisher, Reason};
use crate::fleet::record::{Proposal, Record, Registration};

/// How a release is published, whatever it contains.
#[derive(Debug, Clone, Args)]
pub(super) struct How {
    /// Do not wait for these nodes. They take the release when they can, or stay with the one that they have.
    #[arg(long, value_name = "NODE", num_args = 1..)]
    pub(super) without: Vec<String>,
    /// Why it is published, for `history`.
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
    /// How long nodes may take to get ready. Nothing changes if one of them has not answered then.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub(super) wait: Duration,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(super) format: Output,
}

/// Why a release was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// A sentence.
    pub(super) reason: String,
    /// The node that has refused.
    pub(super) node: Option<String>,
    /// Parts were removed meanwhile: to be put again.
    pub(super) is_swept: bool,
    /// Another release counts than the one on which it was based.
    pub(super) is_overtaken: bool,
}

/// A release that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) record: Record,
    /// The nodes that do not serve it yet, without those that were left out; `None` where they cannot be seen.
    pub(super) behind: Option<Vec<String>>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason, node: None, is_swept: false, is_overtaken: false }
    }
}

impl How {
    /// Tells people what is under way. Programs get the end only.
    pub(super) fn tell(&self, text: &str) {
        if self.format == Output::Text {
            say(&format!("{text}\n"));
        }
    }
}

/// Proposes a release, and returns when it is the current one, or when nothing has changed.
pub(super) async fn propose(store: &Store, draft: Draft, how: &How) -> Result<Record, Failure> {
    let deadline = now().saturating_add(u64::try_from(how.wait.as_millis()).unwrap_or(u64::MAX));
    let mut publisher = Publisher::new(Arc::clone(&store.seal), draft, shown::attempt()?, deadline);
    let mut watcher = Watcher { how, deadline, told: None, trouble: None };
    let is_interrupted = Cell::new(false);
    let stop = async {
        interrupted().await;
        is_interrupted.set(true);
    };
    drive(&mut publisher, &store.etcd, &mut watcher, stop).await;
    let result = ended(store, &publisher, watcher, is_interrupted.get()).await;
    if is_interrupted.get() && result.is_ok() {
        // The release counts already. If it is a canary's, whoever watches it next has to take it back.
        pass_on();
    }
    result
}

/// How it has ended.
async fn ended(
    store: &Store,
    publisher: &Publisher,
    watcher: Watcher<'_>,
    is_interrupted: bool,
) -> Result<Record, Failure> {
    match publisher.end() {
        Some(End::Committed(record)) => Ok(record.clone()),
        Some(End::Withdrawn(reason)) => Err(withdrawn(reason)),
        Some(End::Unknown(record)) => Err(format!(
            "the answer to the commit of release {} was lost, and etcd has no trace of it: nothing has changed, unless etcd \
             was restored from a backup meanwhile (tlsgate fleet status shows what nodes serve)",
            record.number
        )
        .into()),
        None => {
            let why = if is_interrupted { "interrupted".into() } else { watcher.trouble.unwrap_or_default() };
            ended_early(store, publisher, &why).await
        }
    }
}

fn withdrawn(reason: &Reason) -> Failure {
    let node = match reason {
        Reason::Refused { node, .. } | Reason::Vanished(node) => Some(node.clone()),
        _ => None,
    };
    let text = match reason {
        Reason::Late(nodes) if nodes.is_empty() => "the time was over before it could be proposed".to_owned(),
        other => other.to_string(),
    };
    let (is_swept, is_overtaken) = (*reason == Reason::Swept, matches!(reason, Reason::Overtaken { .. }));
    Failure { reason: format!("nothing has changed: {text}"), node, is_swept, is_overtaken }
}

/// The lease was revoked, so that what was on the way to etcd cannot be committed any more: what etcd has counts.
async fn ended_early(store: &Store, publisher: &Publisher, why: &str) -> Result<Record, Failure> {
    let Some(proposed) = publisher.proposed() else { return Err(format!("nothing has changed: {why}").into()) };
    let unknown = |error: String| {
        let number = proposed.number;
        format!("{why}; whether release {number} was published is not known ({error}): tlsgate fleet status shows it")
    };
    let current = releases::current(store).await.map_err(unknown)?;
    if let Some(record) = current.filter(|record| record.attempt == proposed.attempt) {
        return Ok(record);
    }
    let there = store.one::<Proposal>(key::PROPOSAL).await.map_err(unknown)?.value;
    let stays = there.is_some_and(|proposal| proposal.record.attempt == proposed.attempt);
    let when = if stays { "is withdrawn as soon as its lease ends" } else { "is withdrawn" };
    Err(format!("{why}: release {} {when}, and nothing has changed", proposed.number).into())
}

/// Watches the publisher. What it wants done outside of the store, only nodes do.
struct Watcher<'h> {
    how: &'h How,
    deadline: u64,
    /// Who was waited for when it was told last.
    told: Option<(Instant, BTreeSet<String>)>,
    trouble: Option<String>,
}

impl Hands<Publisher> for Watcher<'_> {
    fn seen(&mut self, publisher: &mut Publisher, trouble: Option<&str>) -> bool {
        if let Some(trouble) = trouble {
            if self.trouble.as_deref() != Some(trouble) {
                self.how.tell(&format!("etcd: {trouble}; trying again"));
            }
            self.trouble = Some(trouble.to_owned());
            // The machine waits for etcd however long that takes, and a person does not.
            return publisher.end().is_none() && now() < self.deadline;
        }
        self.trouble = None;
        let waited: BTreeSet<String> = publisher.waits_for().map(str::to_owned).collect();
        if let Some(record) = publisher.proposed().filter(|_| !waited.is_empty()) {
            let is_new = self.told.as_ref().is_none_or(|(at, before)| *before != waited && at.elapsed() >= PAUSE);
            if is_new {
                let waits = names(waited.iter().map(String::as_str));
                self.how.tell(&format!("release {} is proposed; waiting for {waits}", record.number));
                self.told = Some((Instant::now(), waited));
            }
        }
        publisher.end().is_none()
    }
}

/// Waits until every node serves a release that was committed, and tells who does not yet. Whatever it finds, the release counts.
pub(super) async fn settled(store: &Store, record: Record, how: &How) -> Done {
    let begun = Instant::now();
    loop {
        let nodes = match store.all::<Registration>(key::NODES).await {
            Ok(nodes) => nodes,
            Err(error) => {
                complain(&format!("warning: which nodes serve it yet cannot be seen: {error}"));
                return Done { record, behind: None };
            }
        };
        let is_there = |node: &Registration| node.serving.as_ref().is_some_and(|served| served.stamp >= record.stamp);
        let is_waited_for = |name: &String| !how.without.contains(name);
        let late = nodes.iter().filter(|(name, node)| is_waited_for(name) && !node.as_ref().is_ok_and(is_there));
        let late: Vec<&str> = late.map(|(name, _)| name.as_str()).collect();
        if late.is_empty() || begun.elapsed() >= SETTLING {
            let left_out = nodes.iter().filter(|(name, _)| !is_waited_for(name)).count();
            match (nodes.len() - left_out, late.is_empty()) {
                (0, _) if left_out > 0 => {}
                (0, _) => how.tell("no node is connected, so none has tried it"),
                (count, true) => {
                    how.tell(&format!("{} it", if count == 1 { "the node serves" } else { "all nodes serve" }));
                }
                (_, false) => how.tell(&format!("not yet served by {}", names(late.iter().copied()))),
            }
            let behind = late.into_iter().map(str::to_owned).collect();
            return Done { record, behind: Some(behind) };
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time >= Duration::from_secs(1) && time <= MAX_TIME => Ok(time),
        _ => Err("expected a time with its unit, from \"1s\" to \"1d\"".into()),
    }
}

const MAX_TIME: Duration = Duration::from_secs(86_400);

/// Between two lines about who is waited for.
const PAUSE: Duration = Duration::from_secs(1);

/// How long nodes are looked at after a commit, and how often.
const SETTLING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
