//! Moves what the machine wants moved: between it, the disk, those who order, and the places where challenges are answered. Must
//! not know: when certificates are ordered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::acme::share::{Others, Role};
use crate::fleet::drive::Hands;
use crate::fleet::mirror::Mirror;
use crate::fleet::mirror::item::{Content, LARGEST};
use crate::member::leading::{Fence, Leading};
use crate::member::orders::asked::Asked;
use crate::member::orders::disk::{self, Disk};
use crate::member::orders::job::{Done, Job, Jobs};
use crate::member::orders::up::Up;
use crate::member::status::Handle;

/// The hands of this process.
pub(super) struct Own<'o> {
    others: &'o mut Others,
    asked: Asked,
    jobs: Jobs,
    /// Paths that the store lacks.
    lacking: VecDeque<String>,
    leading: Leading,
    fence: Option<Fence>,
    board: Handle,
    up: Up,
    /// The disk has failed.
    paused_until: Option<Instant>,
    /// What was written could not be read, and is read again then.
    again_at: Option<Instant>,
    /// The last trouble that was logged, of the store and of the disk.
    known: (Option<String>, Option<String>),
    /// Why etcd cannot be used.
    etcd: Option<String>,
}

impl<'o> Own<'o> {
    pub(super) fn new(disk: Arc<Disk>, others: &'o mut Others, leading: Leading, board: Handle, up: Up) -> Self {
        let (asked, jobs) = (Asked::default(), Jobs::new(disk));
        let (lacking, fence, known) = (VecDeque::new(), None, (None, None));
        let (paused_until, again_at) = (None, None);
        Self { others, asked, jobs, lacking, leading, fence, board, up, paused_until, again_at, known, etcd: None }
    }

    /// Takes over what was done on the disk.
    fn finish(&mut self, machine: &mut Mirror) {
        let failure = match self.jobs.take() {
            None => return,
            Some(Done::Changed(read)) => self.changed(machine, read),
            Some(Done::Lacking(read)) => {
                let mut failure = None;
                for (path, content) in read {
                    match content {
                        Err(reason) => {
                            machine.missed(&path);
                            failure = Some(reason);
                        }
                        Ok(content) => match proper(content) {
                            Ok(content) => machine.found(path, content),
                            Err(reason) => failure = Some(reason),
                        },
                    }
                }
                failure
            }
            Some(Done::Wrote(written)) => {
                let mut failure = None;
                for (path, item, result) in written {
                    machine.wrote(path, item, result.is_ok());
                    failure = result.err().or(failure);
                }
                failure
            }
            Some(Done::Learned(result)) => result.err(),
        };
        self.paused_until = failure.as_ref().map(|_| Instant::now() + AGAIN);
        if let Some(reason) = failure.as_ref().filter(|reason| self.known.1.as_ref() != Some(*reason)) {
            tracing::warn!(%reason, "what the fleet shares of certificates of authorities is not all at this node");
        }
        self.known.1 = failure;
    }

    /// Passes on what was written. Where something cannot be read, that and all that was written after it wait: an authority must
    /// not hear of it before the others have it. Returns what is wrong.
    fn changed(&mut self, machine: &mut Mirror, read: Vec<(String, Result<Content, String>)>) -> Option<String> {
        let (mut failure, mut read) = (None, read.into_iter());
        while let Some((path, content)) = read.next() {
            match content {
                Err(reason) => {
                    let rest = read.map(|(path, _)| path);
                    self.asked.again(std::iter::once(path).chain(rest).map(|path| disk::below(&path)).collect());
                    self.again_at = Some(Instant::now() + AGAIN);
                    return Some(reason);
                }
                Ok(content) => match proper(content) {
                    Ok(content) => machine.offer(path, content),
                    Err(reason) => failure = Some(reason),
                },
            }
        }
        failure
    }

    /// Begins what is to be done next on the disk: first what somebody waits for.
    fn begin(&mut self, machine: &mut Mirror) {
        self.lacking.extend(machine.lacking());
        if !self.jobs.are_free() {
            return;
        }
        if self.again_at.is_none_or(|at| at <= Instant::now()) {
            let changed: Vec<String> = self.asked.changed().iter().filter_map(|path| disk::path_of(path)).collect();
            if !changed.is_empty() {
                return self.jobs.begin(Job::Changed(changed));
            }
        }
        if self.paused_until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        let coming = machine.take_coming(MOST);
        if !coming.is_empty() {
            return self.jobs.begin(Job::Write(coming));
        }
        let some = self.lacking.len().min(MOST);
        if some > 0 {
            return self.jobs.begin(Job::Lacking(self.lacking.drain(..some).collect()));
        }
        let learned = machine.take_learned();
        if !learned.is_empty() {
            self.jobs.begin(Job::Learn(learned));
        }
    }

    /// The node's own part in the fleet reports that etcd is away; here it matters where etcd refuses just this.
    fn note(&mut self, trouble: Option<&str>) {
        if self.etcd.as_deref() != trouble {
            self.etcd = trouble.map(str::to_owned);
            if let Some(reason) = trouble {
                tracing::warn!(%reason, "certificates of authorities are not shared with the fleet");
            }
        }
    }

    /// Tells those who order whether it is their turn.
    fn tell(&self, machine: &Mirror) {
        let role = Role {
            orders: machine.may_order(),
            term: self.fence.as_ref().map_or(0, |(_, revision)| *revision),
            leader: self.board.status().leader.clone(),
            trouble: machine.trouble().or_else(|| self.etcd.clone()).filter(|_| self.fence.is_some()),
        };
        self.others.role.send_if_modified(|known| {
            let differs = *known != role;
            *known = role;
            differs
        });
    }
}

/// What is too large, or has too many files, is not shared.
fn proper(content: Content) -> Result<Content, String> {
    let size = content.size();
    Some(content)
        .filter(Content::is_proper)
        .ok_or_else(|| format!("found a file or folder of {size} bytes, expected at most {}", LARGEST))
}

impl Hands<Mirror> for Own<'_> {
    async fn woken(&mut self) {
        tokio::select! {
            Some(request) = self.others.requests.recv() => self.asked.take(request),
            () = self.jobs.end() => {}
            true = self.leading.changed() => {}
            else => std::future::pending().await,
        }
    }

    fn seen(&mut self, machine: &mut Mirror, trouble: Option<&str>) -> bool {
        self.note(trouble);
        let fence = self.leading.fence();
        if fence != self.fence {
            self.asked.refuse();
            self.lacking.clear();
            machine.lead(fence.clone());
            self.fence = fence;
        }
        while let Ok(request) = self.others.requests.try_recv() {
            self.asked.take(request);
        }
        self.finish(machine);
        // Between what was written and what was asked for after it, the disk is looked at.
        if self.jobs.are_free() {
            self.asked.pass_on(machine, self.fence.is_some());
        }
        if self.fence.is_none() {
            self.asked.refuse();
        }
        if self.up.follow(&machine.posts()) {
            machine.are_up();
        }
        self.begin(machine);
        for (number, reason) in machine.take_refused() {
            tracing::error!(%reason, "etcd has no room for this in the fleet");
            self.asked.refused(number, reason);
        }
        self.asked.answer(machine);
        self.tell(machine);
        let trouble = machine.trouble();
        if let Some(reason) = trouble.as_ref().filter(|reason| self.known.0.as_ref() != Some(*reason)) {
            tracing::error!(%reason, "something that the fleet shares of certificates of authorities is not used");
        }
        self.known.0 = trouble;
        true
    }
}

/// How long it waits for a disk that takes nothing.
const AGAIN: Duration = Duration::from_secs(5);

/// Paths that are written or read together.
const MOST: usize = 64;

#[cfg(test)]
mod tests;
