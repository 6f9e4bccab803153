//! The status for everybody, and the parts that change it. Must not know: who shows it, why it changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::one::One;
use crate::acme::settings::{Authority, Settings, Wanted};
use crate::acme::share::Role;
use crate::acme::status::{Failure, Next, OfAuthority, OfCertificate, State, Status};

/// The status. Reading it takes no lock.
#[derive(Default)]
pub(super) struct Board {
    shown: ArcSwap<Status>,
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    status: Status,
    /// HTTP requests, by authority.
    requests: HashMap<Arc<str>, Arc<AtomicU64>>,
}

impl Board {
    pub(super) fn status(&self) -> Arc<Status> {
        self.shown.load_full()
    }

    /// From now on, it is about these settings. What is known of the same certificates and authorities stays.
    pub(super) fn follow(&self, settings: &Settings) {
        self.change(|parts| {
            let before = std::mem::take(&mut parts.status);
            let known: HashMap<_, _> = before.certificates.iter().map(|one| (&one.wanted, one)).collect();
            let certificates = settings.wanted.iter().map(|wanted| match known.get(wanted) {
                Some(same) => OfCertificate::clone(same),
                None => unknown(wanted),
            });
            let authorities = settings.authorities.iter().map(|authority| {
                let same = before.authorities.iter().find(|one| one.authority.name == authority.name).cloned();
                match same {
                    Some(same) => OfAuthority { authority: Arc::clone(authority), ..same },
                    None => new(authority),
                }
            });
            parts.status = Status {
                certificates: certificates.collect(),
                authorities: authorities.collect(),
                locked_by: before.locked_by,
                is_led: before.is_led,
                leader: before.leader,
                trouble: before.trouble,
            };
        });
    }

    /// Another process holds the state folder; or none, any more.
    pub(super) fn locked_by(&self, process: Option<u32>) {
        self.change(|parts| parts.status.locked_by = process);
    }

    /// Another process orders; or this one does.
    pub(super) fn led_by(&self, role: Option<Role>) {
        let (is_led, role) = (role.is_some(), role.unwrap_or_default());
        self.change(|parts| {
            (parts.status.is_led, parts.status.leader) = (is_led, role.leader);
            parts.status.trouble = role.trouble;
        });
    }

    /// What is there of a certificate that is being ordered.
    pub(super) fn ordering(&self, one: &One, now: i64) {
        self.show_each([certificate(one, None, true, now)]);
    }

    /// What is there of certificates, and when they are ordered next.
    pub(super) fn show<'a>(&self, all: impl IntoIterator<Item = (&'a One, Option<Next>)>, now: i64) {
        self.show_each(all.into_iter().map(|(one, next)| certificate(one, next, false, now)));
    }

    fn show_each(&self, all: impl IntoIterator<Item = OfCertificate>) {
        self.change(|parts| {
            let certificates = &mut parts.status.certificates;
            let places = certificates.iter().enumerate().map(|(at, one)| (Arc::clone(&one.wanted), at));
            let places: HashMap<Arc<Wanted>, usize> = places.collect();
            for shown in all {
                if let Some(at) = places.get(&shown.wanted) {
                    certificates[*at] = shown;
                }
            }
        });
    }

    /// Nothing can be ordered at all, such as without the state folder.
    pub(super) fn fail(&self, failure: &Failure) {
        self.change(|parts| {
            for one in &mut parts.status.certificates {
                (one.state, one.last_failure) = (State::Failed, Some(failure.clone()));
            }
        });
    }

    /// What is known of an authority.
    pub(super) fn of_authority(&self, name: &str, change: impl FnOnce(&mut OfAuthority)) {
        self.change(|parts| {
            if let Some(one) = parts.status.authorities.iter_mut().find(|one| *one.authority.name == *name) {
                change(one);
            }
        });
    }

    /// Counts the requests to an authority.
    pub(super) fn requests(&self, name: &Arc<str>) -> Arc<AtomicU64> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(parts.requests.entry(Arc::clone(name)).or_default())
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let Parts { status, requests } = &mut *parts;
        for one in &mut status.authorities {
            one.requests = requests.get(&one.authority.name).map_or(0, |count| count.load(Ordering::Relaxed));
        }
        self.shown.store(Arc::new(parts.status.clone()));
    }
}

fn certificate(one: &One, next: Option<Next>, under_way: bool, now: i64) -> OfCertificate {
    let expired = one.lifetime().is_some_and(|lifetime| lifetime.not_after < now);
    let state = match &one.facts {
        Some(_) if under_way => State::Renewing,
        _ if one.kept.failures > 0 || expired => State::Failed,
        Some(_) => State::Valid,
        None => State::Pending,
    };
    OfCertificate {
        wanted: Arc::clone(&one.wanted),
        state,
        issued_by: one.kept.issued_by.as_deref().map(Into::into),
        serial: one.facts.as_ref().map(|facts| facts.serial.clone()),
        not_before: one.lifetime().map(|lifetime| lifetime.not_before),
        not_after: one.lifetime().map(|lifetime| lifetime.not_after),
        next,
        failures: one.kept.failures,
        last_failure: one.kept.last_failure.clone(),
        explanation: one.kept.proposal.as_ref().and_then(|proposal| proposal.explanation.clone()),
    }
}

fn unknown(wanted: &Arc<Wanted>) -> OfCertificate {
    OfCertificate {
        wanted: Arc::clone(wanted),
        state: State::Pending,
        issued_by: None,
        serial: None,
        not_before: None,
        not_after: None,
        next: None,
        failures: 0,
        last_failure: None,
        explanation: None,
    }
}

fn new(authority: &Arc<Authority>) -> OfAuthority {
    OfAuthority {
        authority: Arc::clone(authority),
        account: None,
        requests: 0,
        renewals: [("issued", 0), ("failed", 0)].into(),
        paused_until: None,
        terms: None,
    }
}
