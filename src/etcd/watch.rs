//! Changes of keys as they come.
//!
//! etcd reports the changes of each watched range in their order, but not those of several ranges among each other. So what
//! it reports only rings a bell: then everything that was put since the last time is read, at one revision. What was deleted
//! is taken from the reports. A watch whose connection ends, for whatever reason, is not resumed: the store may have been
//! restored from a backup in between, and has to be read again.
//!
//! A member may not learn what the others decide without knowing that: it reports nothing then, and still renews leases. So it
//! is asked to read once in a while, which it can do only together with the others.
//!
//! Must not know: what keys and values mean.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::answer;
use super::call::Call;
use super::client::Etcd;
use super::exchange::SMALL;
use super::lines::Lines;
use super::message::{Event, NO_REASON, Streamed, WatchCreate, WatchRequest, WatchResponse};
use super::refusal::{self, Verdict};
use super::trouble::Trouble;
use super::value::Int;
use crate::fleet::store::{Entry, Revision};

/// Changes, as they come.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<Result<Vec<Entry>, Trouble>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// The next changes; waits for them. If the future is dropped, nothing is lost. After an error there is nothing more.
    pub async fn next(&mut self) -> Result<Vec<Entry>, Trouble> {
        let ended = || Err(Trouble::Restart("the watch has ended".into()));
        self.changes.recv().await.unwrap_or_else(ended)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Etcd {
    /// Watches keys (or prefixes) from after this revision.
    pub async fn watch(&self, what: &[String], after: Revision) -> Result<Watch, Trouble> {
        let mut failures = Vec::new();
        for member in self.0.turns.order() {
            match self.watching(member, what, after).await {
                Ok(watching) => {
                    self.0.turns.succeeded(member);
                    let (sender, changes) = mpsc::channel(QUEUE);
                    let task = tokio::spawn(watching.run(sender));
                    return Ok(Watch { changes, task });
                }
                Err(Trouble::Unreachable(why)) => {
                    self.0.turns.failed(member);
                    failures.push(why);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Unreachable(failures.join("; ")))
    }

    async fn watching(&self, member: usize, what: &[String], after: Revision) -> Result<Watching, Trouble> {
        match self.watching_once(member, what, after).await {
            // etcd says the same of a token that has ended.
            Err(Trouble::Refused(_)) if self.0.settings.user.is_some() => {
                self.0.renew_token(member, self.to_watch()).await;
                self.watching_once(member, what, after).await
            }
            result => result,
        }
    }

    async fn watching_once(&self, member: usize, what: &[String], after: Revision) -> Result<Watching, Trouble> {
        let call = self.to_watch();
        let absurd = || Trouble::Refused(format!("found the revision {after}, expected one that can have a next one"));
        let next = after.checked_add(1).ok_or_else(absurd)?;
        let mut body = Vec::new();
        for key in what {
            let range = self.range(key);
            let create_request = WatchCreate {
                key: range.key,
                range_end: range.range_end,
                start_revision: Int(next),
                progress_notify: true,
                fragment: true,
            };
            body.extend_from_slice(&self.0.written(&WatchRequest { create_request })?);
        }
        let what = what.to_vec();
        let opening = async {
            let lines = Lines::new(self.0.open(member, call, &body.into()).await?);
            let mut watching = Watching {
                etcd: self.clone(),
                member,
                what,
                lines,
                reached: after,
                seen: BTreeMap::new(),
                deleted: Vec::new(),
                remembered: (0, 0),
                rings: false,
                created: 0,
                proved: Instant::now(),
            };
            while watching.created < watching.what.len() {
                let message = watching.lines.next().await;
                watching.take(message)?;
            }
            Ok(watching)
        };
        timeout(call.limit, opening).await.unwrap_or_else(|_| {
            Err(Trouble::Unreachable(self.0.words(member, call.what, "it has not begun to watch in time")))
        })
    }

    fn to_watch(&self) -> Call<'static> {
        let limit = self.0.settings.timeout;
        Call { path: "/v3/watch", what: "watch", may_repeat: true, is_streamed: false, limit, most: SMALL }
    }
}

struct Watching {
    etcd: Etcd,
    member: usize,
    what: Vec<String>,
    lines: Lines,
    /// All that was put up to here was passed on.
    reached: Revision,
    /// When keys were put that were passed on.
    seen: BTreeMap<String, Revision>,
    deleted: Vec<Entry>,
    /// In bytes, of the keys in both.
    remembered: (usize, usize),
    /// Whether something was put or deleted since.
    rings: bool,
    /// The ranges that are watched so far.
    created: usize,
    /// When the member has last read something, so that it knew all that had been decided.
    proved: Instant,
}

impl Watching {
    async fn run(mut self, sender: mpsc::Sender<Result<Vec<Entry>, Trouble>>) {
        loop {
            let result = self.changes().await;
            let is_over = result.is_err();
            if sender.send(result).await.is_err() || is_over {
                return;
            }
        }
    }

    async fn changes(&mut self) -> Result<Vec<Entry>, Trouble> {
        let mut preferred = self.etcd.0.turns.preferred();
        loop {
            if self.rings || !self.deleted.is_empty() {
                let changes = self.collected().await?;
                if !changes.is_empty() {
                    return Ok(changes);
                }
            }
            if *preferred.borrow_and_update() != self.member {
                // Renewals of the lease go to another member, since this one did not answer: so it would not be noticed if it
                // reported nothing more.
                let words = self.etcd.0.words(self.member, "be watched", "it has failed to answer lately");
                return Err(Trouble::Unreachable(words));
            }
            tokio::select! {
                message = self.lines.next() => self.take(message)?,
                _ = preferred.changed() => {}
                () = sleep_until(self.proved + PROOF) => self.rings = true,
            }
            while let Some(message) = self.lines.buffered() {
                self.take(message)?;
            }
        }
    }

    /// What was put is read, and what was deleted comes with it.
    async fn collected(&mut self) -> Result<Vec<Entry>, Trouble> {
        let mut changes = Vec::new();
        if std::mem::take(&mut self.rings) {
            let (revision, put) = self.etcd.changes(&self.what, self.reached).await?;
            self.reached = self.reached.max(revision);
            self.proved = Instant::now();
            for entry in &put {
                if self.seen.insert(entry.key.clone(), entry.revision).is_none() {
                    self.remembered.0 += entry.key.len();
                }
            }
            changes = put;
        }
        self.remembered.1 = 0;
        let seen = &self.seen;
        let is_news = |entry: &Entry| seen.get(&entry.key).is_none_or(|put| *put < entry.revision);
        changes.extend(std::mem::take(&mut self.deleted).into_iter().filter(is_news));
        changes.sort_by_key(|entry| entry.revision);
        Ok(changes)
    }

    fn take(&mut self, message: Result<Streamed<WatchResponse>, String>) -> Result<(), Trouble> {
        let words = |why: &str| self.etcd.0.words(self.member, "be watched", why);
        let response = match message {
            Ok(Streamed::Result(response)) => response,
            Ok(Streamed::Error(error)) => {
                return Err(match refusal::of(error.grpc_code, error.reason()) {
                    Verdict::Refused(why) | Verdict::Token(why) => Trouble::Refused(words(&why)),
                    Verdict::Compacted(why) => Trouble::Restart(words(&why)),
                    _ => Trouble::Unreachable(words(error.reason())),
                });
            }
            Err(why) => return Err(Trouble::Unreachable(words(&why))),
        };
        answer::plausible(&response.header).map_err(|why| Trouble::Unreachable(words(&why)))?;
        self.etcd.0.history.cluster(&response.header).map_err(|why| Trouble::Restart(words(&why)))?;
        if response.compact_revision.0 > 0 {
            let why = format!(
                "found it compacted up to the revision {}, expected at most {}",
                response.compact_revision.0, self.reached
            );
            return Err(Trouble::Restart(words(&why)));
        }
        if response.canceled {
            let reason = response.cancel_reason.0;
            let why = if reason.is_empty() { NO_REASON } else { reason.as_str() };
            let verdict = refusal::of(if why.contains("permission denied") { 7 } else { 0 }, why);
            return Err(match verdict {
                Verdict::Refused(why) | Verdict::Token(why) => Trouble::Refused(words(&why)),
                _ => Trouble::Unreachable(words(why)),
            });
        }
        self.created += usize::from(response.created);
        response.events.0.into_iter().for_each(|event| self.event(event));
        self.bounded()
    }

    /// What is remembered has a bound, and begins anew when all is read again.
    fn bounded(&self) -> Result<(), Trouble> {
        let (keys, bytes) = (self.seen.len() + self.deleted.len(), self.remembered.0 + self.remembered.1);
        let bound = self.etcd.1;
        if keys <= bound.keys && bytes <= bound.bytes {
            return Ok(());
        }
        let expected = format!("expected at most {} keys of {} bytes", bound.keys, bound.bytes);
        let why = format!("found {keys} keys of {bytes} bytes that have changed, {expected}: all are read again");
        Err(Trouble::Restart(self.etcd.0.words(self.member, "be watched", &why)))
    }

    fn event(&mut self, event: Event) {
        let Some(key) = self.etcd.short(&event.kv.key.0) else { return };
        let revision = event.kv.mod_revision.0;
        self.rings |= revision > self.reached;
        if event.kind.0 == "DELETE" {
            self.remembered.1 += key.len();
            self.deleted.push(Entry { key, value: None, revision, lease: 0 });
        }
    }
}

/// How long a member may report nothing before it is asked to read: as long as a lease lives.
const PROOF: Duration = Duration::from_secs(10);

/// Reports that nobody has taken yet.
const QUEUE: usize = 4;
