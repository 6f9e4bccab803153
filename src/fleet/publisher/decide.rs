//! What a publisher does next, from what it sees.
//!
//! Must not know: how a publisher learns what there is.

use super::{Doing, End, Publisher, Reason, View};
use crate::fleet::key;
use crate::fleet::machine::{Action, Seen};
use crate::fleet::record::{Answer, Proposal, Record, Registration};
use crate::fleet::seal::SealError;
use crate::fleet::store::{Change, Lease, Transaction};

impl Publisher {
    pub(super) fn decide(&mut self, now: u64) -> Option<(Action, Doing)> {
        let Some(session) = self.session.take() else { return Some((Action::Connect, Doing::Connecting)) };
        let decided = match &session.view {
            None => Some((Action::Read, Doing::Connecting)),
            Some(view) => self.with(session.lease, view, now),
        };
        self.session = Some(session);
        decided
    }

    fn with(&mut self, lease: Lease, view: &View, now: u64) -> Option<(Action, Doing)> {
        let committed = [&view.release, &view.current].into_iter().filter_map(Seen::good);
        if let Some(record) = committed.into_iter().find(|record| record.attempt == self.attempt) {
            self.end = Some(End::Committed(record.clone()));
            return None;
        }
        let is_mine = |proposal: &&Proposal| proposal.record.attempt == self.attempt;
        let proposal = view.proposal.good().filter(is_mine).cloned();
        match (proposal, &self.proposed) {
            (Some(proposal), _) => {
                // Its answer was lost, perhaps.
                self.proposed = Some(proposal.record.clone());
                self.proceed(view, &proposal, now)
            }
            (None, Some(_)) => self.withdrawn(Reason::Gone),
            (None, None) => self.propose(lease, view, now),
        }
    }

    /// Why nothing can be published over what there is.
    fn unfit(&self, view: &View) -> Option<Reason> {
        unreadable(view).or_else(|| {
            let base = self.draft.base.as_ref()?;
            let found = view.current.good();
            let is_other = found.is_none_or(|found| found.attempt != base.attempt);
            let found = found.map(|found| (found.number, found.by.clone()));
            is_other.then_some(Reason::Overtaken { expected: base.number, found })
        })
    }

    fn propose(&mut self, lease: Lease, view: &View, now: u64) -> Option<(Action, Doing)> {
        if let Some(reason) = self.unfit(view) {
            return self.withdrawn(reason);
        }
        if let Some(other) = view.proposal.good() {
            return self.withdrawn(Reason::Busy { by: other.record.by.clone() });
        }
        if view.parts != self.draft.parts {
            return self.withdrawn(Reason::Swept);
        }
        if now >= self.deadline {
            return self.withdrawn(Reason::Late(Vec::new()));
        }
        let current = view.current.good();
        let served = view.nodes.values().filter_map(Seen::good).filter_map(|node| node.serving.as_ref());
        let seen = served.map(|served| (served.number, served.stamp));
        let seen = seen.chain(current.map(|record| (record.number, record.stamp)));
        let (number, stamp) = seen.fold((0, 0), |most, one| (most.0.max(one.0), most.1.max(one.1)));
        let record = Record {
            number: number + 1,
            stamp: now.max(stamp + 1),
            attempt: self.attempt.clone(),
            root: self.draft.root.clone(),
            canary: self.draft.canary.clone(),
            by: self.draft.by.clone(),
            note: self.draft.note.clone(),
        };
        let proposal = Proposal { record: record.clone(), without: self.draft.without.clone() };
        let when = vec![
            (key::PROPOSAL.into(), 0),
            (key::CURRENT.into(), view.current.revision),
            (key::PARTS_GENERATION.into(), view.parts),
        ];
        // A refusal of the same proposal, which was lost and is made again, does not count.
        let then =
            vec![self.put(key::PROPOSAL, &proposal, Some(lease))?, Change::Delete { key: key::veto(&self.attempt) }];
        Some((Action::Write(Transaction { when, then }), Doing::Proposing(record)))
    }

    /// Waits for answers; then commits, or withdraws.
    fn proceed(&mut self, view: &View, proposal: &Proposal, now: u64) -> Option<(Action, Doing)> {
        if self.withdrawing.is_none() {
            let waiting = match self.answers(view, proposal) {
                Ok(waiting) => waiting,
                Err(reason) => return self.withdraw(view, reason),
            };
            if waiting.is_empty() && view.veto == 0 {
                return self.commit(view, &proposal.record);
            }
            if now < self.deadline {
                return None;
            }
            return self.withdraw(view, Reason::Late(waiting));
        }
        let reason = self.withdrawing.clone()?;
        self.withdraw(view, reason)
    }

    /// The nodes that have not answered yet.
    fn answers(&mut self, view: &View, proposal: &Proposal) -> Result<Vec<String>, Reason> {
        if let Some(reason) = self.unfit(view) {
            return Err(reason);
        }
        let mut waiting = Vec::new();
        for (name, node) in &view.nodes {
            // What does not go with its own lease was put there by somebody else, and stays when the node is gone.
            let is_alive = |there: &&Registration| there.session == node.lease && !proposal.without.contains(name);
            let Some(node) = node.good().filter(is_alive) else { continue };
            let answer = view.answers.get(name).and_then(Seen::good);
            let is_to_this =
                |answer: &&Answer| answer.session == node.session && answer.proposal == view.proposal.revision;
            let answer = answer.filter(is_to_this);
            if let Some(reason) = answer.and_then(|answer| answer.refusal.clone()) {
                return Err(Reason::Refused { node: name.clone(), reason });
            }
            self.asked.insert(name.clone(), answer.is_some());
            if answer.is_none() {
                waiting.push(name.clone());
            }
        }
        // Perhaps what was proposed has brought it down.
        let gone = self.asked.iter().find(|(name, ready)| !**ready && !view.nodes.contains_key(*name));
        match gone {
            Some((name, _)) => Err(Reason::Vanished(name.clone())),
            None => Ok(waiting),
        }
    }

    fn commit(&mut self, view: &View, record: &Record) -> Option<(Action, Doing)> {
        let when = vec![
            (key::PROPOSAL.into(), view.proposal.revision),
            (key::CURRENT.into(), view.current.revision),
            (key::GENERATION.into(), view.generation),
            (key::veto(&self.attempt), 0),
        ];
        let then = vec![
            self.put(key::CURRENT, record, None)?,
            self.put(&key::release(record.number), record, None)?,
            Change::Delete { key: key::PROPOSAL.into() },
        ];
        Some((Action::Write(Transaction { when, then }), Doing::Committing))
    }

    /// From here on it does not commit, whatever nodes answer.
    fn withdraw(&mut self, view: &View, reason: Reason) -> Option<(Action, Doing)> {
        self.withdrawing = Some(reason.clone());
        let when = vec![(key::PROPOSAL.into(), view.proposal.revision)];
        let then = vec![Change::Delete { key: key::PROPOSAL.into() }];
        Some((Action::Write(Transaction { when, then }), Doing::Withdrawing(reason)))
    }
}

/// Something that cannot be read must not be overwritten: perhaps it is the publisher that has the wrong secret.
fn unreadable(view: &View) -> Option<Reason> {
    let of =
        |key: String, error: Option<&SealError>| error.map(|error| Reason::Unreadable { key, error: error.clone() });
    let nodes = || view.nodes.iter().find_map(|(name, node)| of(key::node(name), node.error()));
    of(key::CURRENT.into(), view.current.error())
        .or_else(|| of(key::PROPOSAL.into(), view.proposal.error()))
        .or_else(nodes)
}
