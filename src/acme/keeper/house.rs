//! What all authorities' lines share: the state folder, the clock, where answers are put up, whose turn it is. Must not know:
//! what a line does with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::board::Board;
use super::next::Candidate;
use crate::acme::challenge::Means;
use crate::acme::clock::Clock;
use crate::acme::http::Http;
use crate::acme::lookup::Lookup;
use crate::acme::memory;
use crate::acme::responder::Tokens;
use crate::acme::schedule::attempts::Attempts;
use crate::acme::settings::{Authority, Settings};
use crate::acme::share::Share;
use crate::acme::trouble::Trouble;
use crate::backend::discover::settings::Settings as Resolver;
use crate::monitor::Monitor;
use crate::state::{Folder, Lock};
use crate::tls::handshake::challenge::Challenges;

/// What is to be kept now.
pub(super) struct Plan {
    pub(super) settings: Arc<Settings>,
    pub(super) resolver: Arc<Resolver>,
}

impl Plan {
    pub(super) fn authority(&self, name: &str) -> Option<&Arc<Authority>> {
        self.settings.authorities.iter().find(|one| *one.name == *name)
    }
}

/// What is given to the keeper at its start.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) challenges: Arc<Challenges>,
    pub(super) tokens: Tokens,
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    pub(super) monitor: Option<Monitor>,
    /// Where other processes serve the same certificates.
    pub(super) share: Option<Share>,
}

/// The locked state folder, and what belongs to it.
pub(super) struct House {
    pub(super) folder: Folder,
    _lock: Lock,
    pub(super) tools: Tools,
    /// One order at a time at each authority, whichever line makes it.
    turns: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
    /// Whether an authority can be reached, by name.
    reach: Mutex<HashMap<Arc<str>, Reach>>,
}

struct Reach {
    attempts: Attempts,
    failing_since: Option<i64>,
}

impl House {
    pub(super) fn new(folder: Folder, lock: Lock, tools: Tools) -> Self {
        Self { folder, _lock: lock, tools, turns: Mutex::default(), reach: Mutex::default() }
    }

    pub(super) fn now(&self) -> i64 {
        self.tools.clock.now()
    }

    /// Waits until nobody else has an order at this authority.
    pub(super) async fn turn(&self, authority: &Arc<str>) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(Arc::clone(authority)).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        // It is never closed.
        semaphore.acquire_owned().await.ok()
    }

    pub(super) fn http(&self, authority: &Authority) -> Result<Http, Trouble> {
        let (clock, requests) = (self.tools.clock.clone(), self.tools.board.requests(&authority.name));
        Http::new(authority, clock, requests, self.tools.share.clone())
    }

    pub(super) fn means(&self, plan: &Plan) -> Means {
        Means {
            challenges: Arc::clone(&self.tools.challenges),
            tokens: self.tools.tokens.clone(),
            lookup: Arc::new(Lookup::new(&plan.resolver)),
            monitor: self.tools.monitor.clone(),
            share: self.tools.share.clone(),
        }
    }

    /// Takes note of what has become of the account, as it is remembered.
    pub(super) fn look_at_account(&self, authority: &Authority) {
        let now = self.now();
        let Ok(Some(account)) = memory::account(&self.folder, authority) else { return };
        // After a success there are no attempts, and nothing is paused.
        let paused = (account.attempts.count > 0).then(|| account.attempts.allowed_from(now));
        let reach = Reach { attempts: account.attempts, failing_since: account.failing_since };
        self.reach.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&authority.name), reach);
        self.tools.board.of_authority(&authority.name, |shown| {
            shown.account.clone_from(&account.url);
            shown.terms.clone_from(&account.terms);
            shown.paused_until = paused.filter(|until| *until > now);
        });
    }

    /// The pause after failures is over.
    pub(super) fn forgive(&self, authority: &Authority, now: i64) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = reach.get_mut(&authority.name) {
            known.attempts.allow(now);
        }
        drop(reach);
        self.tools.board.of_authority(&authority.name, |shown| shown.paused_until = None);
    }

    /// The authority as the next attempt sees it.
    pub(super) fn candidate(&self, authority: &Authority, now: i64) -> Candidate {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let known = reach.get_mut(&authority.name).filter(|known| known.attempts.count > 0);
        let (paused_until, failing_since) = known.map_or((i64::MIN, None), |known| {
            known.attempts.rebase(now);
            (known.attempts.next, known.failing_since.map(|since| since.min(now)))
        });
        Candidate { name: Arc::clone(&authority.name), paused_until, failing_since }
    }
}
