//! The keeper's own task: follows the settings and what peers have shown, fetches what is due, keeps what is good. Must not
//! know: how a list is fetched or proved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::house::{House, authorities_of};
use super::one::One;
use crate::acme::clock::Clock;
use crate::lists::attempt::{Attempt, Brought};
use crate::lists::settings::Settings;
use crate::lists::status::Status;
use crate::lists::targets;
use crate::lists::targets::Target;
use crate::lists::trouble::Trouble;
use crate::lists::url::Url;
use crate::tls::certificate::x509::rfc3339;
use crate::tls::trust::lists::seen::{self, Seen};

/// What is given to the keeper at its start.
pub(super) struct Tools {
    pub(super) seen: Arc<Seen>,
    pub(super) nudge: mpsc::Sender<()>,
    pub(super) clock: Clock,
    pub(super) board: Arc<ArcSwap<Status>>,
}

/// What the keeper is told to do.
#[derive(Debug)]
pub(super) enum Plan {
    Follow(Arc<Settings>),
    /// What has failed is fetched at once.
    Retry,
}

type Ended = (Arc<Url>, Result<Brought, Trouble>);

/// Runs until the sender of `stopped` is dropped.
pub(super) async fn run(tools: Tools, mut plans: mpsc::UnboundedReceiver<Plan>, mut stopped: oneshot::Receiver<()>) {
    let seen = Arc::clone(&tools.seen);
    let mut rounds = Rounds { tools, settings: None, house: None, trouble: None, all: BTreeMap::new(), points_kept: 0 };
    let mut running: JoinSet<Ended> = JoinSet::new();
    loop {
        rounds.begin(&mut running);
        let pause = rounds.pause(running.len());
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            plan = plans.recv() => match plan {
                Some(Plan::Follow(settings)) => rounds.follow(settings),
                Some(Plan::Retry) => rounds.retry(),
                None => return,
            },
            () = seen.news() => rounds.shown(),
            Some(ended) = running.join_next() => match ended {
                Ok((url, result)) => rounds.ended(&url, result),
                Err(error) => {
                    tracing::error!(%error, "an attempt to fetch a list of revoked certificates has panicked");
                    rounds.lost();
                }
            },
            () = sleep(pause) => rounds.settle(),
        }
    }
}

struct Rounds {
    tools: Tools,
    settings: Option<Arc<Settings>>,
    house: Option<House>,
    /// Why nothing is fetched. It is logged once.
    trouble: Option<String>,
    all: BTreeMap<Arc<Url>, One>,
    /// When the points were written.
    points_kept: i64,
}

impl Rounds {
    fn follow(&mut self, settings: Arc<Settings>) {
        let other_way = self.settings.as_ref().is_some_and(|before| {
            (&before.proxy, &before.ca, before.timeout) != (&settings.proxy, &settings.ca, settings.timeout)
        });
        self.settings = Some(settings);
        if other_way {
            self.retry();
        }
        self.settle();
    }

    /// What has failed may succeed now.
    fn retry(&mut self) {
        let now = self.tools.clock.now();
        self.all.values_mut().filter(|one| one.memory.failures > 0).for_each(|one| one.memory.next = now);
    }

    /// A peer has shown something new.
    fn shown(&mut self) {
        self.keep_points();
        self.settle();
    }

    /// Brings about what the settings say: the folder open, and what is known of each list.
    fn settle(&mut self) {
        let Some(settings) = self.settings.clone() else { return };
        let Some(state) = settings.state.as_deref().filter(|_| !settings.wanted.is_empty()) else {
            (self.house, self.trouble) = (None, None);
            self.all.clear();
            self.show();
            return;
        };
        let place = crate::lists::settings::folder(state);
        if self.house.as_ref().is_some_and(|house| house.path() != place) {
            self.house = None;
            self.all.clear();
        }
        if self.house.is_none() {
            match House::open(state) {
                Ok(house) => {
                    let now = self.tools.clock.now();
                    let points = house.points().into_iter().map(|(point, shown)| (point, shown.unwrap_or(now)));
                    self.tools.seen.remember(points.collect(), now);
                    (self.house, self.trouble) = (Some(house), None);
                    // Peers may have shown others while the folder was locked.
                    self.keep_points();
                }
                Err(reason) => self.report(reason),
            }
        }
        if self.tools.clock.now().saturating_sub(self.points_kept) >= HOUR {
            self.keep_points();
        }
        let (targets, troubles) = targets::of(&settings, &self.tools.seen.all());
        self.adopt(targets, troubles.is_empty());
        self.show();
    }

    /// Writes the points, with the times at which they were shown.
    fn keep_points(&mut self) {
        if let Some(house) = &self.house {
            house.keep_points(self.tools.seen.shown());
            self.points_kept = self.tools.clock.now();
        }
    }

    fn report(&mut self, reason: String) {
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(%reason, "no lists of revoked certificates are fetched");
            self.trouble = Some(reason);
        }
    }

    /// Takes over what is to be fetched now. What is known of the same lists stays.
    fn adopt(&mut self, targets: Vec<Target>, complete: bool) {
        let Some(house) = &self.house else { return };
        let now = self.tools.clock.now();
        let mut before = std::mem::take(&mut self.all);
        for target in targets {
            let Some(url) = target.url().cloned() else { continue };
            let one = match (authorities_of(&target.ca), before.remove(&url)) {
                (Ok((_, by)), Some(same)) if same.by == by => One { target, ..same },
                (Ok((ca, by)), same) => read(house, target, (&ca, by), same),
                // What is kept goes on being what a new list is compared with. The attempt reports why.
                (Err(_), Some(same)) => One { target, ..same },
                (Err(_), None) => read(house, target, (&[], UNREAD), None),
            };
            self.all.insert(url, one);
        }
        // An attempt that is under way for one that is gone ends without an effect.
        if complete {
            let wanted: BTreeSet<String> = self.all.keys().map(|url| url.stem()).collect();
            house.clear(&wanted, now);
        } else {
            self.all.extend(before);
        }
    }

    /// Begins what is due.
    fn begin(&mut self, running: &mut JoinSet<Ended>) {
        let (Some(settings), Some(_)) = (&self.settings, &self.house) else { return };
        let (now, refresh) = (self.tools.clock.now(), seconds(settings.refresh));
        for (url, one) in &mut self.all {
            if running.len() >= MOST_AT_ONCE || one.due(now, refresh).is_none_or(|due| due > now) {
                continue;
            }
            one.under_way = true;
            // Without a list, the server has to send it whatever it was called.
            let mark = one.kept.as_ref().map(|_| one.memory.mark()).unwrap_or_default();
            let attempt = Attempt {
                settings: Arc::clone(settings),
                target: one.target.clone(),
                mark,
                kept: one.kept.clone(),
                now,
            };
            let url = Arc::clone(url);
            running.spawn(async move { (url, attempt.make().await) });
        }
    }

    /// Takes note of what came of an attempt.
    fn ended(&mut self, url: &Arc<Url>, result: Result<Brought, Trouble>) {
        let (Some(settings), Some(house)) = (&self.settings, &self.house) else { return };
        let (now, refresh) = (self.tools.clock.now(), seconds(settings.refresh));
        let Some(one) = self.all.get_mut(url) else { return };
        one.under_way = false;
        let result = result.and_then(|brought| match brought {
            Brought::List(list, mark) => {
                // What cannot be kept was not fetched.
                house.keep(url, &list, &one.target.ca, now).map_err(Trouble::new)?;
                Ok((Some(list), Some(mark)))
            }
            Brought::Same(mark) => Ok((None, mark)),
        });
        match result {
            Ok((list, mark)) => {
                if let Some(mark) = mark {
                    (one.memory.etag, one.memory.modified) = (mark.etag, mark.modified);
                }
                one.succeed(list.as_deref(), now, refresh);
                if let Some(list) = list {
                    let until = rfc3339(list.facts.next_update);
                    let (issuer, entries) = (&list.facts.issuer, list.facts.entries);
                    tracing::info!(%url, %issuer, entries, %until, "list of revoked certificates fetched");
                    // A full queue already holds a signal.
                    let _ = self.tools.nudge.try_send(());
                }
            }
            Err(trouble) => {
                let reason = trouble.message.clone();
                if one.fail(trouble, now, refresh) {
                    let (kept, next) = (one.kept.is_some(), rfc3339(one.memory.next));
                    tracing::warn!(%url, %reason, last_good_is_used = kept, %next, "list of revoked certificates not fetched");
                } else {
                    tracing::debug!(%url, %reason, "list of revoked certificates not fetched, again");
                }
            }
        }
        one.memory.url = url.to_string();
        house.remember(url, &one.memory);
        self.forget_dead(url, now);
        self.show();
    }

    /// An attempt has ended without a result, and it is not known which: all that are under way count as failed. Those that are
    /// not lost bring their result all the same.
    fn lost(&mut self) {
        let refresh = self.settings.as_ref().map_or(0, |settings| seconds(settings.refresh));
        let now = self.tools.clock.now();
        for one in self.all.values_mut().filter(|one| one.under_way) {
            one.under_way = false;
            one.fail(Trouble::new("the attempt has panicked, which is a fault of tlsgate"), now, refresh);
        }
    }

    /// A point that a peer has shown, and from which no list has come in a week, is looked for no longer. It is taken note of
    /// again when it is shown again. Where a list is kept it stays, however old: with `crl_expired = "ignore"` clients are judged by
    /// it, and who is in it would otherwise only have to wait.
    fn forget_dead(&mut self, url: &Arc<Url>, now: i64) {
        let for_a_week = |since: i64| now.saturating_sub(since) > WEEK;
        let Some(one) = self.all.get(url) else { return };
        let Some(point) = one.target.shown.clone() else { return };
        if one.kept.is_some() || !one.memory.failing_since.is_some_and(for_a_week) {
            return;
        }
        tracing::info!(%url, "no list of revoked certificates has come from a distribution point for a week: it is forgotten");
        self.tools.seen.forget(&point);
        self.all.remove(url);
        self.keep_points();
    }

    /// How long nothing is to be done.
    fn pause(&self, running: usize) -> Duration {
        let Some(settings) = self.settings.as_ref().filter(|_| self.house.is_some()) else { return AGAIN };
        if running >= MOST_AT_ONCE {
            return LONGEST;
        }
        let (now, refresh) = (self.tools.clock.now(), seconds(settings.refresh));
        let next = self.all.values().filter_map(|one| one.due(now, refresh)).min();
        let wait = next.map_or(i64::MAX, |next| next.saturating_sub(now)).clamp(0, seconds(LONGEST));
        Duration::from_secs(wait.unsigned_abs())
    }

    fn show(&self) {
        let refresh = self.settings.as_ref().map_or(0, |settings| seconds(settings.refresh));
        let now = self.tools.clock.now();
        let lists = self.all.values().filter_map(|one| one.shown(now, refresh)).collect();
        self.tools.board.store(Arc::new(Status { lists, trouble: self.trouble.clone() }));
    }
}

/// What is kept of a list; `same` is what was known of it, by other CAs.
fn read(
    house: &House,
    target: Target,
    (ca, by): (&[rustls::pki_types::CertificateDer<'_>], [u8; 32]),
    same: Option<One>,
) -> One {
    let url = target.url().cloned();
    let kept = url.as_ref().and_then(|url| house.kept(url, ca)).map(|kept| kept.facts);
    let memory = url.as_ref().map(|url| house.memory(url)).unwrap_or_default();
    match same {
        // By other CAs, what has failed may succeed.
        Some(same) => {
            let memory = crate::lists::memory::Memory { failures: 0, failing_since: None, ..same.memory };
            One { target, by, kept, memory, ..same }
        }
        None => One { target, by, kept, memory, under_way: false, failure: None, counts: Default::default() },
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Instead of the hash of the CAs, while their files cannot be read.
const UNREAD: [u8; 32] = [0; 32];

/// Fetches at the same time: each holds up to a whole list in memory.
pub(super) const MOST_AT_ONCE: usize = 4;

/// While the folder is locked or cannot be used.
const AGAIN: Duration = Duration::from_secs(2);

/// The clock may jump: nobody sleeps longer than this without looking at it.
const LONGEST: Duration = Duration::from_secs(60);

const HOUR: i64 = 3600;
const WEEK: i64 = 7 * 24 * HOUR;

/// As many as a start can wait for.
const _: () = assert!(seen::MOST <= crate::lists::settings::MOST);

#[cfg(test)]
mod tests;
