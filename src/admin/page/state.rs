//! What a page is made of: the state of the process at one moment, and who looks at it. Must not know: how any of it is
//! shown.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::acme::status::Status as Acme;
use crate::admin::page::session::{Note, Signed};
use crate::lists::status::Status as Lists;
use crate::member::status::Status as Fleet;
use crate::observe::metrics::Totals;
use crate::pressure::Pressure;
use crate::reload::control::Status;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::expiry;

/// The state at one moment.
pub(in crate::admin) struct State<'s> {
    pub(in crate::admin) status: &'s Status,
    pub(in crate::admin) snapshot: &'s Snapshot,
    pub(in crate::admin) acme: &'s Acme,
    pub(in crate::admin) lists: &'s Lists,
    /// `None` where this is not a node of a fleet.
    pub(in crate::admin) fleet: Option<&'s Fleet>,
    pub(in crate::admin) pressure: &'s Pressure,
    /// What was counted since the start, by listener.
    pub(in crate::admin) totals: &'s HashMap<String, Totals>,
    pub(in crate::admin) now: Timestamp,
}

/// Who looks at a page.
#[derive(Clone, Default)]
pub(in crate::admin) struct Viewer {
    /// Whether somebody may make changes here at all.
    pub(in crate::admin) may_sign_in: bool,
    pub(in crate::admin) signed: Option<Signed>,
    pub(in crate::admin) note: Option<Note>,
}

/// A certificate that is served, and by which listeners, or by the admin server.
pub(super) struct Served<'s> {
    pub(super) certificate: &'s Certificate,
    pub(super) by: Vec<&'s str>,
    pub(super) standing: Standing,
}

/// How long a certificate is still valid. The worst one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Expired,
    NotYet,
    Soon,
    Valid,
}

impl Standing {
    /// How it is shown, and found by a filter.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYet => "not valid yet",
            Self::Soon => "expires soon",
            Self::Valid => "valid",
        }
    }

    /// Of a certificate at that time, in seconds since 1970.
    fn of(certificate: &Certificate, now: i64) -> Self {
        match () {
            () if certificate.chain_not_after < now => Self::Expired,
            () if certificate.not_before > now => Self::NotYet,
            () if expiry::ends_soon(certificate, now) => Self::Soon,
            () => Self::Valid,
        }
    }
}

impl<'s> State<'s> {
    /// Every certificate once, in no order.
    pub(super) fn certificates(&self) -> Vec<Served<'s>> {
        let (status, snapshot, now) = (self.status, self.snapshot, self.now.as_second());
        let listeners = status.config.listeners.iter().filter_map(|settings| snapshot.listener(&settings.name));
        let of_listeners = listeners.flat_map(|listener| {
            listener.ways.certificates().into_iter().map(move |found| (&**found, &*listener.name))
        });
        let own = snapshot.admin().into_iter().flat_map(|admin| admin.certificates.all());
        let mut all: Vec<Served<'s>> = Vec::new();
        let mut places: HashMap<*const Certificate, usize> = HashMap::new();
        for (certificate, by) in of_listeners.chain(own.map(|found| (&**found, ADMIN))) {
            let place = *places.entry(std::ptr::from_ref(certificate)).or_insert(all.len());
            match all.get_mut(place) {
                Some(known) => known.by.push(by),
                None => all.push(Served { certificate, by: vec![by], standing: Standing::of(certificate, now) }),
            }
        }
        all
    }
}

/// What serves the certificates of `[admin.tls]`. No listener has a name like this one.
const ADMIN: &str = "(admin server)";
