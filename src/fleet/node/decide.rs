//! What a node does next, from what it sees.
//!
//! Must not know: how a node learns what there is.

use std::collections::BTreeSet;

use super::{Doing, Failure, Node, Session, View};
use crate::fleet::drained::Drained;
use crate::fleet::key;
use crate::fleet::machine::Action;
use crate::fleet::record::{Answer, Record, Root};
use crate::fleet::store::Transaction;

impl Node {
    /// The next step, and how its result is understood.
    pub(super) fn decide(&self) -> Option<(Action, Doing)> {
        let Some(session) = &self.session else { return Some((Action::Connect, Doing::Connecting)) };
        let Some(view) = &session.view else { return Some((Action::Read, Doing::Connecting)) };
        if self.taken(view).is_some() {
            return None;
        }
        self.register(session, view)
            .or_else(|| self.follow(view))
            .or_else(|| self.restore(view))
            .or_else(|| self.restore_drained(view))
            .or_else(|| self.prepare(session, view))
    }

    fn register(&self, session: &Session, view: &View) -> Option<(Action, Doing)> {
        let (wanted, name) = (self.registration(session.lease), key::node(&self.identity.name));
        let revision = match &session.registered {
            // Somebody else has written it.
            Some((revision, _)) if view.mine.revision > *revision => view.mine.revision,
            Some((_, there)) if *there == wanted => return None,
            Some((revision, _)) => *revision,
            None => view.mine.revision,
        };
        let mut then = vec![self.put(&name, &wanted, Some(session.lease))?];
        if session.registered.is_none() {
            then.push(self.put(key::GENERATION, &session.lease, None)?);
        }
        let transaction = Transaction { when: vec![(name, revision)], then };
        Some((Action::Write(transaction), Doing::Registering(wanted)))
    }

    /// Serves what is committed.
    fn follow(&self, view: &View) -> Option<(Action, Doing)> {
        let record = view.current.good().filter(|record| !self.is_served(record))?;
        let root = record.root_for(&self.identity.name);
        if self.ready.contains(root) {
            return Some((Action::Serve(record.clone()), Doing::Serving(root.clone())));
        }
        let must_wait = |failure: &Failure| {
            // A clock that was set back must not make it wait for longer.
            let wait = failure.again.saturating_sub(self.now);
            failure.attempt == record.attempt && wait > 0 && wait <= failure.pause
        };
        if self.failed.get(root).is_some_and(must_wait) {
            return None;
        }
        Some((Action::Build(root.clone()), Doing::Building { attempt: record.attempt.clone() }))
    }

    /// Builds what is proposed, unless it was tried for that.
    fn build(&self, root: &Root, attempt: &str) -> Option<(Action, Doing)> {
        if self.failed.get(root).is_some_and(|failure| failure.attempt == attempt) {
            return None;
        }
        Some((Action::Build(root.clone()), Doing::Building { attempt: attempt.to_owned() }))
    }

    /// Puts back what the store has forgotten. What cannot be read is left as it is: perhaps it is this node that has the
    /// wrong secret.
    fn restore(&self, view: &View) -> Option<(Action, Doing)> {
        let serving = self.serving.as_ref()?;
        let is_behind = match &view.current.value {
            None => true,
            Some(Ok(current)) => current.stamp < serving.stamp,
            Some(Err(_)) => false,
        };
        if !is_behind {
            return None;
        }
        let release = key::release(serving.number);
        let then = vec![self.put(key::CURRENT, serving, None)?, self.put(&release, serving, None)?];
        // What is found to be there must still be there when the release counts.
        let when = vec![(key::CURRENT.into(), view.current.revision), (key::PARTS_GENERATION.into(), view.parts)];
        let transaction = Transaction { when, then };
        Some((Action::Restore(serving.clone(), transaction), Doing::Restoring))
    }

    fn restore_drained(&self, view: &View) -> Option<(Action, Doing)> {
        let there = match &view.drained.value {
            None => Drained::default(),
            Some(Ok(there)) => there.clone(),
            Some(Err(_)) => return None,
        };
        // What is there was merged into what the node knows when it was seen.
        if there == self.drained {
            return None;
        }
        let then = vec![self.put(key::DRAINED, &self.drained, None)?];
        let when = vec![(key::DRAINED.into(), view.drained.revision)];
        Some((Action::Write(Transaction { when, then }), Doing::Restoring))
    }

    /// Builds what is proposed, and answers.
    fn prepare(&self, session: &Session, view: &View) -> Option<(Action, Doing)> {
        let proposal = view.proposal.good()?;
        let (record, name) = (&proposal.record, &self.identity.name);
        if proposal.without.contains(name) {
            return None;
        }
        let mut refusal = None;
        if self.is_served(record) {
            refusal = Some("it is not later than the release that this node serves".to_owned());
        } else {
            for root in record.roots().filter(|root| !self.ready.contains(*root)) {
                if let Some(build) = self.build(root, &record.attempt) {
                    return Some(build);
                }
                refusal = self.failed.get(root).map(|failure| failure.reason.clone());
            }
        }
        let answer = Answer { session: session.lease, proposal: view.proposal.revision, refusal };
        if session.answered.as_ref().is_some_and(|(to, last)| *to == record.attempt && *last == answer) {
            return None;
        }
        let (registered, _) = session.registered.as_ref()?;
        let mut then = vec![self.put(&key::answer(&record.attempt, name), &answer, Some(session.lease))?];
        if answer.refusal.is_some() {
            then.push(self.put(&key::veto(&record.attempt), name, Some(session.lease))?);
        }
        let when = vec![(key::PROPOSAL.into(), view.proposal.revision), (key::node(name), *registered)];
        Some((Action::Write(Transaction { when, then }), Doing::Answering(record.attempt.clone(), answer)))
    }

    /// Something that was built and is not needed.
    pub(super) fn superfluous(&self) -> Option<Root> {
        let view = self.view()?;
        let proposed = view.proposal.good().into_iter().flat_map(|proposal| proposal.record.roots());
        let needed: BTreeSet<&Root> = view.current.good().into_iter().flat_map(Record::roots).chain(proposed).collect();
        self.ready.iter().find(|root| !self.serves(root) && !needed.contains(root)).cloned()
    }
}
