//! What one client would receive from a listener, and why: the ClientHello goes through the same code as in the proxy,
//! and each decision about it is noted. Must not know: where the hello comes from, who asks.

use std::net::IpAddr;

use rustls::sign::CertifiedKey;

use crate::explain::answer::{Decision, Explanation, Offered, Route, Served};
use crate::explain::reasons;
use crate::ja4::Ja4;
use crate::limit::counts::Refused;
use crate::limit::portion::KeptOut;
use crate::proxy::ending::Ending;
use crate::proxy::ending::beginning::Late;
use crate::route::ways::{self, Chosen, Way};
use crate::snapshot::{Listener, Snapshot};
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::handshake::{Terminator, challenge};
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::hello::{Hello, ja4};

/// The listener of that name; without a name, the only listener. An error contains the names of all listeners.
pub fn listener<'s>(snapshot: &'s Snapshot, name: Option<&str>) -> Result<&'s Listener, String> {
    let mut names: Vec<&str> = snapshot.listeners().map(|listener| &*listener.name).collect();
    names.sort_unstable();
    let found = match (name, names.as_slice()) {
        (Some(name), _) => snapshot.listener(name),
        (None, [only]) => snapshot.listener(only),
        (None, _) => None,
    };
    found.map(AsRef::as_ref).ok_or_else(|| {
        let what = name.map_or_else(|| "not given".to_owned(), |name| format!("unknown listener {name:?}"));
        format!("{what} (expected one of {})", names.join(", "))
    })
}

/// The addresses of a connection, as far as they are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Between {
    /// From which the client connects.
    pub from: Option<IpAddr>,
    /// To which it connects.
    pub to: Option<IpAddr>,
}

/// Explains what happens with the ClientHello in `raw` at `now` (seconds since 1970). Limits on numbers and rates are left
/// out, since they depend on others.
pub fn explain(listener: &Listener, raw: Vec<u8>, between: Between, now: i64) -> Explanation {
    let mut explanation = Explanation {
        listener: listener.name.to_string(),
        policy: None,
        client: None,
        ja4: ja4::ja4(&raw),
        route: None,
        labels: listener.labels.clone(),
        // The proxy would wait for the rest of an incomplete hello, and the client would not send it.
        result: Decision::ended_since(&Late::Hello.into(), "the ClientHello is incomplete".into()),
        candidates: Vec::new(),
    };
    if between.from.is_some_and(|from| !listener.admission.clients.allows(from)) {
        let reason = "its address is denied by the listener (allow, deny)";
        explanation.result = Decision::ended_since(&Refused::Denied.into(), reason.into());
        return explanation;
    }
    let mut reader = HelloReader::default();
    reader.raw = raw;
    let hello = match reader.advance() {
        Ok(Some(hello)) => hello,
        Ok(None) => return explanation,
        Err(error) => {
            explanation.result = Decision::ended(&error.into());
            return explanation;
        }
    };
    explanation.client = Some(Offered::of(&hello));
    if explanation.ja4.is_some_and(|ja4| listener.deny_ja4.has(&ja4)) {
        explanation.result = Decision::ended_since(&Ending::ja4_denied(), "its JA4 is in deny_ja4".into());
        return explanation;
    }
    if let Some(answer) = listener.challenge(&hello) {
        explanation.result = challenged(&hello, &answer);
        return explanation;
    }
    match listener.ways.choose(&hello) {
        Chosen::Challenge => {
            let reason = "no challenge is pending, and only a route that names acme-tls/1 in its client_alpn takes one";
            explanation.result = Decision::ended_since(&Ending::challenge(), reason.into());
        }
        Chosen::Route(route) => {
            explanation.route = Some(Route::of(route));
            explanation.labels = route.labels.clone();
            match kept_out(route, between.from, explanation.ja4) {
                Some(refused) => explanation.result = refused,
                None => explanation.routed(listener, route, &hello, between.to, now),
            }
        }
    }
    explanation
}

/// What happens with a client that the lists of its route do not admit.
fn kept_out(route: &ways::Route, from: Option<IpAddr>, ja4: Option<Ja4>) -> Option<Decision> {
    let portion = route.portion.as_ref()?;
    let (kept_out, reason) = match () {
        () if ja4.is_some_and(|ja4| portion.deny_ja4.has(&ja4)) => {
            (KeptOut::Fingerprint, "its JA4 is in deny_ja4 of the route")
        }
        () if from.is_some_and(|from| !portion.clients.allows(from)) => {
            (KeptOut::Limit(Refused::Denied), "its address is denied by the route (allow, deny)")
        }
        () => return None,
    };
    Some(Decision::ended_since(&kept_out.into(), reason.to_owned()))
}

impl Explanation {
    fn routed(&mut self, listener: &Listener, route: &ways::Route, hello: &Hello, address: Option<IpAddr>, now: i64) {
        self.result = match &route.way {
            Way::Reject => {
                let ending = Ending::rejected(route, &listener.ways);
                Decision::ended_since(&ending, "the route refuses the connections that it takes".into())
            }
            Way::Passthrough(_) => Decision::PassedThrough,
            Way::Terminate(termination) => {
                let terminator = &termination.terminator;
                self.policy = Some(terminator.policy.name.to_string());
                match &hello.unacceptable {
                    Some(error) => Decision::ended(&error.clone().into()),
                    None => return self.terminated(terminator, hello, address, now),
                }
            }
        };
    }

    fn terminated(&mut self, terminator: &Terminator, hello: &Hello, address: Option<IpAddr>, now: i64) {
        let mut seen = Vec::new();
        let terms = terminator.agree(hello);
        // `choose` agrees on the terms once more, as it does for a connection: so the answer cannot differ from the proxy's.
        let choice = terminator.choose(hello, address, now, &mut seen);
        self.candidates = reasons::candidates(&seen, hello, terms.as_ref().ok(), address, now);
        self.result = match (terms, choice) {
            (Ok(terms), Ok(choice)) => match terminator.rehearse(hello, &choice) {
                Ok(()) => Decision::Served(Served::of(&terms, &choice)),
                Err((error, alert)) => cannot_begin(error, &alert),
            },
            (Err(refusal), _) | (_, Err(refusal)) => {
                let reason = match reasons::refused(refusal, terminator, hello).as_str() {
                    "" => refusal.to_string(),
                    detail => format!("{refusal}: {detail}"),
                };
                Decision::ended_since(&refusal.into(), reason)
            }
        };
    }
}

/// What happens with a challenge that is pending.
fn challenged(hello: &Hello, answer: &CertifiedKey) -> Decision {
    match (&hello.unacceptable, challenge::agree(hello, answer)) {
        (Some(error), _) => Decision::ended(&error.clone().into()),
        (None, Err(refusal)) => Decision::ended_since(&refusal.into(), refusal.to_string()),
        (None, Ok(())) => Decision::Challenge,
    }
}

/// rustls has refused the hello. `record` is the alert that it has written, if any.
fn cannot_begin(error: rustls::Error, record: &[u8]) -> Decision {
    let ending = Ending::from(HandshakeError::Protocol(error.into()));
    let reason = ending.cause.reason.unwrap_or_default();
    // The alert's code is the last byte of its record.
    let alert = record.last().map(|code| (*code).into());
    Decision::refused(format!("the handshake cannot begin: {reason}"), alert)
}
