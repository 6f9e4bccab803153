//! A listener's settings → its ways: certificates, requirements for client certificates, ticket keys. Must not know:
//! sockets, how a route is taken.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::pool::Pool;
use crate::config::located::Located;
use crate::config::validate::client_auth as asked;
use crate::config::validate::listener::{self, Listener as Settings};
use crate::config::validate::reference::Share;
use crate::config::validate::route as written;
use crate::files;
use crate::labels::Labels;
use crate::limit::portion::Portion;
use crate::route::index::{self, Mode};
use crate::route::split::Split;
use crate::route::ways::{Generation, Route, Termination, Way, Ways};
use crate::snapshot::Listener;
use crate::snapshot::admitting;
use crate::snapshot::indexes::Indexes;
use crate::snapshot::judges::Judges;
use crate::snapshot::reach::Reach;
use crate::snapshot::reading::Reading;
use crate::snapshot::served;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select;
use crate::tls::handshake::{self, Terminator, never_served};
use crate::tls::policy::Policy;
use crate::tls::record::Layer;
use crate::tls::tickets::sessions::Sessions;
use crate::tls::tickets::{Secret, Tickets};
use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::settings::Live;
use crate::tls::wire::fault;

/// Builds a listener's routes, and its own way, for the snapshot of that generation. `None` where something is wrong, which adds an error to `reading`.
pub(super) fn build(
    listener: &Settings,
    same: Option<&Listener>,
    pools: &[Arc<Pool>],
    (layer, generation): (Layer, &Generation),
    reading: &mut Reading<'_>,
) -> Option<Ways> {
    let (splits, before) = (Splits::of(same, pools), portions_of(same));
    let (reach, indexes) = (Reach::of(listener), Indexes::of(terminators_of(same)));
    let own = match listener.certificates.is_empty() {
        true => Arc::default(),
        false => {
            let fresh = served::certificates(&listener.here, &listener.policy, &listener.certificates, &reach, reading);
            indexes.taken_over(fresh)
        }
    };
    let mut making = Making {
        listener,
        layer,
        generation,
        reading,
        indexes,
        tickets: tickets_of(same),
        sessions: sessions_of(same),
        judges: Judges::of(terminators_of(same)),
        judged: HashMap::new(),
        secrets: None,
    };
    let mut routes = Vec::with_capacity(listener.routes.len());
    for route in &listener.routes {
        let (labels, max_age) = (route.labels.over(&listener.labels), route.max_age);
        let way = making.route(route, splits.split(&route.name, &route.backends, &labels), &own, &reach);
        let portion = portion(route, &before, making.reading);
        routes.extend(way.map(|way| Route { max_age, portion, ..Route::new(Arc::clone(&route.name), way, &labels) }));
    }
    let default = match (listener.mode, splits.split(index::DEFAULT, &listener.backends, &listener.labels)) {
        (Mode::Terminate, Some(split)) => {
            let terms = Terms {
                here: &listener.here,
                route: None,
                policy: &listener.policy,
                alpn: &listener.alpn,
                client_auth: listener.client_auth.as_ref(),
            };
            making.terminate(terms, own, split)
        }
        (mode, split) => Some(untouched(mode, split)),
    };
    let not_tls = listener.not_tls.as_ref().and_then(|backend| pools.get(backend.index));
    let not_tls = not_tls.map(|pool| Split::only(Arc::clone(pool), &listener.labels));
    // A route that cannot be built has added its error; the others were built to find theirs.
    let whole = routes.len() == listener.routes.len();
    let matches: Vec<_> = listener.routes.iter().map(|route| route.matching.clone()).collect();
    default.filter(|_| whole).map(|default| Ways::new(&matches, routes, default, not_tls, &listener.labels))
}

/// A way on which TLS is not terminated.
fn untouched(mode: Mode, split: Option<Split>) -> Way {
    match (mode, split) {
        (Mode::Passthrough, Some(split)) => Way::Passthrough(split),
        _ => Way::Reject,
    }
}

/// The backends that routes refer to.
struct Splits<'a> {
    pools: &'a [Arc<Pool>],
    /// Those of the same listener in the snapshot before, by route.
    before: HashMap<&'a str, &'a Split>,
}

impl<'a> Splits<'a> {
    fn of(same: Option<&'a Listener>, pools: &'a [Arc<Pool>]) -> Self {
        let routes = same.into_iter().flat_map(|same| same.ways.all());
        Self { pools, before: routes.filter_map(|route| Some((&*route.name, route.way.split()?))).collect() }
    }

    /// `None` where a route has no backends.
    fn split(&self, route: &str, shares: &[Share], labels: &Labels) -> Option<Split> {
        let backends =
            shares.iter().filter_map(|share| Some((Arc::clone(self.pools.get(share.backend.index)?), share.weight)));
        let split = Split::new(backends, labels, self.before.get(route).copied());
        (!split.shares().is_empty()).then_some(split)
    }
}

/// A listener that is being built.
struct Making<'a, 'b> {
    listener: &'a Settings,
    layer: Layer,
    /// Of the snapshot.
    generation: &'a Generation,
    reading: &'a mut Reading<'b>,
    indexes: Indexes<'a>,
    /// Those of the same listener in the snapshot before, by scope.
    tickets: HashMap<&'a str, &'a Tickets>,
    sessions: Arc<Sessions>,
    judges: Judges<'a>,
    /// By policy: the reason why it can serve none of the listener's certificates. Many routes have the same policy.
    judged: HashMap<*const Policy, Option<String>>,
    /// The secrets in the listener's files of ticket keys, once they are read: every route has the same files.
    secrets: Option<Vec<Secret>>,
}

/// What a listener terminates TLS with.
fn terminators_of(same: Option<&Listener>) -> impl Iterator<Item = &Terminator> {
    same.into_iter().flat_map(|same| same.ways.terminators())
}

/// A listener's tickets by their scopes, to be taken over.
fn tickets_of(same: Option<&Listener>) -> HashMap<&str, &Tickets> {
    let terminations = same.into_iter().flat_map(|same| same.ways.terminations());
    terminations.filter_map(|same| Some((&*same.ticket_scope, same.tickets.as_deref()?))).collect()
}

/// A listener's sessions by id, to be taken over; new ones if it has none. All of its scopes have the same, so that their
/// bound is the listener's, however many routes it has.
fn sessions_of(same: Option<&Listener>) -> Arc<Sessions> {
    let mut terminations = same.into_iter().flat_map(|same| same.ways.terminations());
    let tickets = terminations.find_map(|termination| termination.tickets.as_ref());
    tickets.map_or_else(Arc::default, |tickets| Arc::clone(tickets.sessions()))
}

/// What routes had about who may use them, by route, to be taken over.
fn portions_of(same: Option<&Listener>) -> HashMap<&str, &Arc<Portion>> {
    let routes = same.into_iter().flat_map(|same| same.ways.all());
    routes.filter_map(|route| Some((&*route.name, route.portion.as_ref()?))).collect()
}

/// What a route has about who may use it.
fn portion(
    route: &written::Route,
    before: &HashMap<&str, &Arc<Portion>>,
    reading: &mut Reading<'_>,
) -> Option<Arc<Portion>> {
    let (allowed, deny_ja4) = admitting::lists(&route.limits, reading);
    let before = before.get(&*route.name).map(|before| &***before);
    Portion::new(allowed, deny_ja4, route.limits.counts.clone(), before).map(Arc::new)
}

/// The settings with which TLS is terminated, of a route or, without one, of the listener.
struct Terms<'a> {
    here: &'a Located<()>,
    route: Option<&'a written::Route>,
    policy: &'a Arc<Policy>,
    alpn: &'a [Box<[u8]>],
    client_auth: Option<&'a asked::ClientAuth>,
}

impl<'a> Making<'a, '_> {
    /// A route's way. It uses its listener's certificates where it has none of its own.
    fn route(
        &mut self,
        route: &'a written::Route,
        split: Option<Split>,
        own: &Arc<select::Certificates>,
        reach: &Reach,
    ) -> Option<Way> {
        let split = match (route.mode, split) {
            (Mode::Terminate, Some(split)) => split,
            (mode, split) => return Some(untouched(mode, split)),
        };
        let index = match route.certificates.is_empty() {
            true => {
                self.unserved(route, own);
                Arc::clone(own)
            }
            false => {
                // A route for names gets no clients without one, unless it asks for them too; one without names gets all.
                let takes_nameless = route.matching.nameless || route.matching.names.is_empty();
                let reach = Reach { nameless: reach.nameless && takes_nameless, ..reach.clone() };
                let fresh = served::certificates(&route.here, &route.policy, &route.certificates, &reach, self.reading);
                self.indexes.taken_over(fresh)
            }
        };
        let terms = Terms {
            here: &route.here,
            route: Some(route),
            policy: &route.policy,
            alpn: &route.alpn,
            client_auth: route.client_auth.as_ref(),
        };
        self.terminate(terms, index, split)
    }

    fn terminate(&mut self, terms: Terms<'a>, index: Arc<select::Certificates>, backends: Split) -> Option<Way> {
        let client_auth = match terms.client_auth {
            Some(asked) => Some(self.judges.judge(asked, self.reading)?),
            None => None,
        };
        let judged_again =
            terms.client_auth.filter(|asked| asked.live == Some(Live::Close)).map(|_| self.generation.clone());
        let scope = ticket_scope(self.listener, terms.route, client_auth.as_deref());
        let tickets = self.tickets(&scope).map(Arc::new);
        let built = Terminator::new(handshake::Settings {
            policy: Arc::clone(terms.policy),
            certificates: index,
            unknown_name: self.listener.unknown_name,
            require_sni: self.listener.require_sni,
            alpn: terms.alpn.to_vec(),
            client_auth,
            tickets: tickets.clone(),
            layer: self.layer,
        });
        match built {
            Ok(terminator) => Some(Way::Terminate(Box::new(Termination {
                terminator,
                backends,
                tickets,
                ticket_scope: scope,
                judged_again,
            }))),
            Err(error) => {
                self.reading.errors.push(terms.here.error(format!("policy: {}", fault::reason(&error))));
                None
            }
        }
    }

    /// Adds an error where a route's own policy can serve none of the listener's certificates (`own`): the route would
    /// refuse every client.
    fn unserved(&mut self, route: &written::Route, own: &select::Certificates) {
        // Policies are shared, so one policy has one address.
        let judged = self.judged.entry(Arc::as_ptr(&route.policy));
        if let Some(reason) = judged.or_insert_with(|| none_served(own.all(), &route.policy)) {
            self.reading.errors.push(route.here.error(format!("certificates: {reason}")));
        }
    }

    /// A scope's ticket keys: from the listener's files, or generated, and then kept as long as the scope is the same.
    fn tickets(&mut self, scope: &str) -> Option<Tickets> {
        let listener::Tickets { on, settings, keys, of_fleet } = &self.listener.tickets;
        if !on {
            return None;
        }
        let secrets = self.secrets.get_or_insert_with(|| match of_fleet {
            Some(file) => secrets_of_fleet(file),
            None => secrets(keys, self.reading),
        });
        if keys.is_empty() && secrets.is_empty() {
            let same = self.tickets.get(scope).copied();
            return Some(Tickets::own(*settings, unix_time, Arc::clone(&self.sessions), same));
        }
        Tickets::shared(*settings, unix_time, Arc::clone(&self.sessions), secrets, scope.as_bytes())
    }
}

/// The secrets in files of ticket keys. What is wrong with a file adds an error.
fn secrets(files: &[Located<PathBuf>], reading: &mut Reading<'_>) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for file in files {
        let Some(text) = reading.secret(file) else { continue };
        match Secret::parse_all(&text) {
            Ok(more) => secrets.extend(more),
            Err(error) => reading.errors.push(file.error(format!("{}: {error}", file.value.display()))),
        }
    }
    secrets
}

/// The secrets that the nodes of a fleet share; none as long as they are not here. Nothing is refused for want of them: a client
/// that cannot resume does a full handshake.
fn secrets_of_fleet(file: &Path) -> Vec<Secret> {
    let text = files::read_secret(file).ok();
    text.and_then(|contents| Secret::parse_all(&contents.text).ok()).unwrap_or_default()
}

/// Why a policy can serve none of these certificates: the reason for the first one. `None` where it can serve one.
fn none_served(certificates: &[Arc<Certificate>], policy: &Policy) -> Option<String> {
    let reasons: Option<Vec<String>> =
        certificates.iter().map(|certificate| never_served(certificate, policy)).collect();
    reasons?.into_iter().next()
}

/// What a ticket is valid for: this route of this listener, with these requirements for client certificates. Where any of
/// it changes, tickets from before are refused, so that no client resumes a session that it could not open now.
fn ticket_scope(listener: &Settings, route: Option<&written::Route>, client_auth: Option<&ClientAuth>) -> String {
    let route = route.map(|route| format!("\0route {}", route.name)).unwrap_or_default();
    let hex = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let client_auth = client_auth.map_or_else(|| "off".to_owned(), |auth| hex(auth.fingerprint()));
    format!("listener {}{route}\0client_auth {client_auth}", listener.name)
}

fn unix_time() -> i64 {
    Timestamp::now().as_second()
}
