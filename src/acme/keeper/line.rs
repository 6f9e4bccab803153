//! The certificates of one authority, one after the other: waits until one is due, or somebody asks. Must not know: how an
//! attempt is made, which other authorities there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::asked::Ask;
use super::attempt;
use super::house::{House, Plan};
use super::next::{self, Candidate};
use super::one::One;
use super::question::{self, Addresses};
use super::request;
use crate::acme::settings::Authority;
use crate::acme::status::Next;

/// The line of an authority.
pub(super) struct Line {
    name: Arc<str>,
    house: Arc<House>,
    plans: watch::Receiver<Arc<Plan>>,
    plan: Arc<Plan>,
    asks: mpsc::UnboundedReceiver<Ask>,
    all: Vec<One>,
    addresses: Addresses,
}

impl Line {
    pub(super) fn new(
        name: Arc<str>,
        house: Arc<House>,
        mut plans: watch::Receiver<Arc<Plan>>,
        asks: mpsc::UnboundedReceiver<Ask>,
    ) -> Self {
        let plan = Arc::clone(&plans.borrow_and_update());
        Self { name, house, plans, plan, asks, all: Vec::new(), addresses: Addresses::default() }
    }

    /// Runs until the sender of plans or of asks is dropped.
    pub(super) async fn run(mut self) {
        self.adopt();
        loop {
            let now = self.house.now();
            self.all.iter_mut().for_each(|one| one.kept.rebase(now));
            let pause = match self.due(now) {
                Some((at, authority, next)) if next.at <= now => {
                    self.attempt(at, &authority, next).await;
                    Duration::ZERO
                }
                // One after the other, so that what becomes due does not wait for an authority that is slow to answer.
                _ if self.question().await => Duration::ZERO,
                Some((_, _, next)) => seconds(next.at.saturating_sub(now)).min(LONGEST),
                None => LONGEST,
            };
            tokio::select! {
                biased;
                ask = self.asks.recv() => {
                    let Some(ask) = ask else { return };
                    request::serve(&self.house, &self.plan, &self.name, &mut self.all, ask).await;
                    self.show_all();
                }
                changed = self.plans.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let plan = Arc::clone(&self.plans.borrow_and_update());
                    let before = std::mem::replace(&mut self.plan, plan);
                    self.adopt();
                    self.forgive(&before);
                }
                () = sleep(pause) => {}
            }
        }
    }

    /// Takes over what is wanted now. What is known of the same certificates stays.
    fn adopt(&mut self) {
        let (now, mut before) = (self.house.now(), std::mem::take(&mut self.all));
        let ours = self.plan.settings.wanted.iter().filter(|wanted| wanted.authority == self.name);
        self.all = ours
            .map(|wanted| match before.iter().position(|one| one.wanted == *wanted) {
                Some(at) => before.swap_remove(at),
                None => One::read(&self.house.folder, wanted, now),
            })
            .collect();
        if let Some(authority) = self.plan.authority(&self.name) {
            self.house.look_at_account(authority);
        }
        self.show_all();
    }

    /// Somebody has changed the settings of the authority, so what has failed may succeed now: it is tried without a pause.
    fn forgive(&mut self, before: &Plan) {
        let (old, new) = (before.authority(&self.name), self.plan.authority(&self.name));
        let Some(new) = new.filter(|new| old.is_some_and(|old| old != *new)) else { return };
        let now = self.house.now();
        self.house.forgive(new, now);
        for one in self.all.iter_mut().filter(|one| one.kept.failures > 0) {
            one.kept.attempts(&self.name).allow(now);
        }
        self.show_all();
    }

    /// Asks for a proposal where it is time, for one certificate. Whether there was one to ask for.
    async fn question(&mut self) -> bool {
        for one in &mut self.all {
            let Some(changed) = question::ask(&self.house, &self.plan, one, &mut self.addresses).await else {
                continue;
            };
            if changed {
                show(&self.house, &self.plan, &self.name, std::slice::from_ref(one));
            }
            return true;
        }
        false
    }

    /// The certificate that is to be ordered first.
    fn due(&self, now: i64) -> Option<(usize, Arc<str>, Next)> {
        let candidates = candidates(&self.house, &self.plan, &self.name, now);
        let next = |one: &One| next::next(&one.kept, one.lifetime(), &candidates, now);
        let all = self.all.iter().enumerate().filter_map(|(at, one)| next(one).map(|(next, by)| (at, by, next)));
        all.min_by_key(|(_, _, next)| next.at)
    }

    async fn attempt(&mut self, at: usize, authority: &str, next: Next) {
        let Some(authority) = self.plan.authority(authority) else { return };
        let Some(one) = self.all.get_mut(at) else { return };
        // What comes of it is remembered and logged; the next attempt is planned from that.
        let _ = attempt::make(&self.house, &self.plan, one, authority, next.why).await;
        show(&self.house, &self.plan, &self.name, std::slice::from_ref(one));
    }

    fn show_all(&self) {
        show(&self.house, &self.plan, &self.name, &self.all);
    }
}

fn show(house: &House, plan: &Plan, name: &str, all: &[One]) {
    let now = house.now();
    let candidates = candidates(house, plan, name, now);
    let next = |one: &One| next::next(&one.kept, one.lifetime(), &candidates, now).map(|(next, _)| next);
    house.tools.board.show(all.iter().map(|one| (one, next(one))), now);
}

/// The authority, and its fallbacks.
fn candidates(house: &House, plan: &Plan, name: &str, now: i64) -> Vec<Candidate> {
    let Some(first) = plan.authority(name) else { return Vec::new() };
    let fallbacks = first.fallback.iter().filter_map(|name| plan.authority(name));
    let all = std::iter::once(first).chain(fallbacks);
    all.map(|authority: &Arc<Authority>| house.candidate(authority, now)).collect()
}

fn seconds(wait: i64) -> Duration {
    Duration::from_secs(u64::try_from(wait).unwrap_or(0))
}

/// The clock may jump: nobody sleeps longer than this without looking at it.
const LONGEST: Duration = Duration::from_secs(60);
