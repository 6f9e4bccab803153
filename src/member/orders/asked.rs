//! What those who order have asked for and wait for. Must not know: the disk, etcd.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::acme::share::Request;
use crate::fleet::mirror::Mirror;
use crate::tls::crypto::random;

type Reply = oneshot::Sender<Result<(), String>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// In their order: what was written before something else must be shared before it.
    queue: VecDeque<Request>,
    /// Until so much is shared.
    settling: VecDeque<(u64, Reply)>,
    /// What is not shared, by its number, and why.
    refused: BTreeMap<u64, String>,
    putting: Vec<(u64, Instant, Reply)>,
    /// Nodes for which it was waited in vain. They are not waited for again until they have caught up.
    late: BTreeSet<String>,
}

impl Asked {
    pub(super) fn take(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// Passes on what needs no look at the disk.
    pub(super) fn pass_on(&mut self, machine: &mut Mirror, leads: bool) {
        while let Some(request) = next_if(&mut self.queue, |next| !matches!(next, Request::Changed(_))) {
            match request {
                Request::Changed(_) => {}
                Request::Settle(reply) => self.settling.push_back((machine.progress().0, reply)),
                Request::PutUp(..) if !leads => {}
                Request::PutUp(number, post, reply) => {
                    if let (Some(id), Ok(post)) = (id(), serde_json::to_value(post)) {
                        machine.put_up(number, id, post);
                        self.putting.push((number, Instant::now(), reply));
                    }
                }
                Request::TakeDown(number) => machine.take_down(number),
            }
        }
    }

    /// What was written next, before anything else that was asked for.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        while changed.len() < MOST
            && let Some(Request::Changed(path)) = next_if(&mut self.queue, |next| matches!(next, Request::Changed(_)))
        {
            changed.push(path);
        }
        changed
    }

    /// This was offered, and is not shared: whoever waits for it next is told why.
    pub(super) fn refused(&mut self, number: u64, reason: String) {
        self.refused.insert(number, reason);
    }

    /// These could not be read: they are looked at again before anything else, in the same order.
    pub(super) fn again(&mut self, paths: Vec<PathBuf>) {
        paths.into_iter().rev().for_each(|path| self.queue.push_front(Request::Changed(path)));
    }

    /// This node has lost the lead: nobody may go on. A reply that is dropped says so.
    pub(super) fn refuse(&mut self) {
        self.settling.clear();
        self.refused.clear();
        self.putting.clear();
        self.late.clear();
    }

    /// Answers what is done.
    pub(super) fn answer(&mut self, machine: &Mirror) {
        let (_, done) = machine.progress();
        while let Some((until, reply)) = next_if(&mut self.settling, |(until, _)| *until <= done) {
            let later = self.refused.split_off(&until.saturating_add(1));
            let before = std::mem::replace(&mut self.refused, later);
            let _ = reply.send(before.into_values().next().map_or(Ok(()), Err));
        }
        let late = &mut self.late;
        let up = self.putting.extract_if(.., |(number, since, _)| {
            let Some(waits) = machine.waits_for(*number) else { return false };
            late.retain(|node| waits.contains(node));
            let missing: Vec<&str> = waits.iter().map(String::as_str).filter(|node| !late.contains(*node)).collect();
            if missing.is_empty() {
                return true;
            }
            if since.elapsed() < PATIENCE {
                return false;
            }
            tracing::warn!(nodes = %missing.join(", "), "not every node has put up an answer to a challenge in time; the authority is asked");
            late.extend(waits);
            true
        });
        for (_, _, reply) in up {
            let _ = reply.send(Ok(()));
        }
    }
}

fn next_if<T>(queue: &mut VecDeque<T>, is_it: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(is_it) { queue.pop_front() } else { None }
}

/// A name that nothing else has.
fn id() -> Option<String> {
    let mut bytes = [0; 16];
    random(&mut bytes).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// How long the other nodes may take to put up an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Paths that are looked at together.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fleet::seal::Seal;

    #[test]
    fn whoever_waits_for_what_is_not_shared_is_told_why_and_the_next_one_is_not() {
        let seal = Arc::new(Seal::new(&[b"secret"]).unwrap());
        let mut machine = Mirror::new(seal, "a".into(), BTreeMap::new());
        let mut asked = Asked::default();
        let [first, second] = [(); 2].map(|()| {
            let (reply, answer) = oneshot::channel();
            asked.take(Request::Settle(reply));
            asked.pass_on(&mut machine, true);
            answer
        });
        asked.refused(0, "no room".into());
        asked.refused(1, "of another one".into());
        asked.answer(&machine);
        let results = [first, second].map(|mut answer| answer.try_recv().unwrap());
        assert_eq!(results, [Err("no room".to_owned()), Ok(())]);
        assert_eq!(asked.refused.len(), 1, "what is offered later is not waited for yet");
    }
}
