//! The ways that a listener has for its clients. Must not know: sockets, how a route is taken.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::labels::Labels;
use crate::limit::portion::Portion;
use crate::route::index::{self, Found, Match, Mode, Routes};
use crate::route::split::Split;
use crate::tls::certificate::certified::Certificate;
use crate::tls::handshake::Terminator;
use crate::tls::tickets::Tickets;
use crate::tls::trust::clients::ClientAuth;
use crate::tls::wire::hello::Hello;

/// A listener's ways: routes by server name and application protocol, and the way for everything else.
#[derive(Debug)]
pub struct Ways {
    terminates_all: bool,
    need_ja4: bool,
    index: Routes,
    routes: Vec<Route>,
    default: Route,
    /// What is not TLS.
    not_tls: Option<Route>,
}

/// One way.
#[derive(Debug)]
pub struct Route {
    pub name: Arc<str>,
    pub way: Way,
    /// What its connections have: the listener's, over them the route's own, over them those of its backend, where there is
    /// only one.
    pub labels: Labels,
    /// The longest life of a connection, where the route has one of its own; otherwise the listener's applies.
    pub max_age: Option<Duration>,
    /// What the route itself has about who may use it; `None` where it has nothing.
    pub portion: Option<Arc<Portion>>,
}

/// What is done with a connection.
#[derive(Debug)]
pub enum Way {
    /// TLS ends here.
    Terminate(Box<Termination>),
    /// The bytes are handed on as they are.
    Passthrough(Split),
    /// It is refused.
    Reject,
}

/// TLS with a client, and where the plaintext goes.
#[derive(Debug)]
pub struct Termination {
    pub terminator: Terminator,
    pub backends: Split,
    pub tickets: Option<Arc<Tickets>>,
    /// What a ticket or a session by id is valid for: listener, route and requirements for client certificates.
    pub ticket_scope: String,
    /// Where the clients of open connections are judged again: the generation of the snapshot.
    pub judged_again: Option<Generation>,
}

/// Which snapshot it is, counted from 1 in the order in which snapshots come into force, which need not be that in which they are
/// built. A snapshot shares it with its ways.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// 0 until the snapshot is in force. A larger number is that of a newer one.
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// The snapshot is about to come into force.
    pub fn begin(&self, number: u64) {
        self.0.store(number, Ordering::Release);
    }
}

/// The way for one client.
#[derive(Debug)]
pub enum Chosen<'l> {
    Route(&'l Route),
    /// A certificate authority's challenge, which no route takes (RFC 8737).
    Challenge,
}

impl Default for Ways {
    /// None that lead anywhere: every client is refused.
    fn default() -> Self {
        Self::new(&[], Vec::new(), Way::Reject, None, &Labels::default())
    }
}

impl Ways {
    /// `matches` and `routes` are in the same order; `labels` are the listener's.
    pub fn new(matches: &[Match], routes: Vec<Route>, default: Way, not_tls: Option<Split>, labels: &Labels) -> Self {
        let terminates = |way: &Way| !matches!(way, Way::Passthrough(_));
        let terminates_all =
            routes.iter().map(|route| &route.way).chain([&default]).all(terminates) && not_tls.is_none();
        let asks = |route: &Route| route.portion.as_ref().is_some_and(|portion| !portion.deny_ja4.is_empty());
        Self {
            terminates_all,
            need_ja4: routes.iter().any(asks),
            // A valid configuration has no conflicts; an empty index would send every client to the default.
            index: Routes::new(matches).unwrap_or_default(),
            routes,
            default: Route::new(index::DEFAULT.into(), default, labels),
            not_tls: not_tls.map(|split| Route::new(index::NOT_TLS.into(), Way::Passthrough(split), labels)),
        }
    }

    /// The way for a client that sends this hello.
    pub fn choose(&self, hello: &Hello) -> Chosen<'_> {
        match self.index.find(hello.server_name.as_deref(), &hello.protocols) {
            Found::Route(index) => Chosen::Route(self.routes.get(index).unwrap_or(&self.default)),
            Found::None => Chosen::Route(&self.default),
            Found::Challenge => Chosen::Challenge,
        }
    }

    /// Whether no way passes anything through.
    pub fn terminates_all(&self) -> bool {
        self.terminates_all
    }

    /// Whether a route refuses clients by their JA4.
    pub fn need_ja4(&self) -> bool {
        self.need_ja4
    }

    /// The way for what is not TLS.
    pub fn not_tls(&self) -> Option<&Route> {
        self.not_tls.as_ref()
    }

    /// All routes in file order, and then the listener's own way.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().chain([&self.default])
    }

    /// The listener's own way.
    pub fn default(&self) -> &Route {
        &self.default
    }

    /// What TLS is terminated with, and its backends, on each way that terminates it.
    pub fn terminations(&self) -> impl Iterator<Item = &Termination> {
        self.all().filter_map(|route| match &route.way {
            Way::Terminate(termination) => Some(&**termination),
            Way::Passthrough(_) | Way::Reject => None,
        })
    }

    /// What TLS is terminated with on each of them.
    pub fn terminators(&self) -> impl Iterator<Item = &Terminator> {
        self.terminations().map(|termination| &termination.terminator)
    }

    /// The judges of client certificates, each with the name of its route; routes that do not ask for one are left out.
    pub fn client_auths(&self) -> impl Iterator<Item = (&str, &Arc<ClientAuth>)> {
        self.all().filter_map(|route| match &route.way {
            Way::Terminate(termination) => Some((&*route.name, termination.terminator.client_auth()?)),
            Way::Passthrough(_) | Way::Reject => None,
        })
    }

    /// Every certificate that may be served, each once: the listener's own first.
    pub fn certificates(&self) -> Vec<&Arc<Certificate>> {
        let mut indexes: Vec<_> = self.terminations().map(|termination| &termination.terminator.certificates).collect();
        // The listener's own way is the last of all, and its certificates come first.
        indexes.rotate_right(usize::from(matches!(self.default.way, Way::Terminate(_))));
        // Most routes share the listener's index: comparing pointers skips thousands of repetitions.
        let mut seen = HashSet::new();
        indexes.retain(|index| seen.insert(Arc::as_ptr(index)));
        let mut seen = HashSet::new();
        let all = indexes.into_iter().flat_map(|index| index.all());
        all.filter(|certificate| seen.insert(Arc::as_ptr(certificate))).collect()
    }
}

impl Route {
    /// A route without an age limit or other limits of its own; `labels` are its own over the listener's, without those of its backends.
    pub fn new(name: Arc<str>, way: Way, labels: &Labels) -> Self {
        // Here, and not for each connection: which backend such a route leads to is known.
        let sole = way.split().and_then(Split::sole);
        let labels = sole.map_or_else(|| labels.clone(), |share| share.labels.clone());
        Self { name, way, labels, max_age: None, portion: None }
    }
}

impl Way {
    /// The backends that it leads to; `None` where connections are refused.
    pub fn split(&self) -> Option<&Split> {
        match self {
            Self::Terminate(termination) => Some(&termination.backends),
            Self::Passthrough(split) => Some(split),
            Self::Reject => None,
        }
    }

    /// The mode with which the way was configured.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Terminate(_) => Mode::Terminate,
            Self::Passthrough(_) => Mode::Passthrough,
            Self::Reject => Mode::Reject,
        }
    }
}
