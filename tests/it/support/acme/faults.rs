//! What goes wrong between the program and the authority, as a test scripts it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::kinds::Kind;
use crate::support::PATIENCE;

/// What happens to a request, and to its answer.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection ends without an answer. The authority has seen nothing.
    Cut,
    /// The same, after the authority has done what was asked.
    CutAfter,
    /// It is answered by this instead of the authority.
    Answer(Answer),
    /// The authority's answer arrives with another body.
    Change(Arc<dyn Fn(&str) -> String + Send + Sync>),
    /// It waits, before or after the authority has seen it.
    Hold(Moment, Arc<Gate>),
}

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// An answer of the test's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Fault {
    /// A problem document (RFC 8555 section 6.7).
    pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let body = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status });
        let headers = vec![("content-type", "application/problem+json".to_owned())];
        Self::Answer(Answer { status, headers, body: body.to_string() })
    }

    /// An answer with that status and body.
    pub(crate) fn answer(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::Answer(Answer { status, headers, body: body.to_owned() })
    }

    /// The same with another header.
    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        let Self::Answer(mut answer) = self else { panic!("only an answer has headers") };
        answer.headers.push((name, value.to_owned()));
        Self::Answer(answer)
    }

    /// Changes the JSON of the authority's answer.
    pub(crate) fn json(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::text(move |body| {
            let mut value = serde_json::from_str(body).unwrap();
            change(&mut value);
            value.to_string()
        })
    }

    /// Changes the text of the authority's answer.
    pub(crate) fn text(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }
}

/// Where requests wait until the test lets them pass.
#[derive(Debug)]
pub(crate) struct Gate {
    arrived: Mutex<usize>,
    news: Condvar,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { arrived: Mutex::default(), news: Condvar::new(), open: watch::Sender::new(false) })
    }

    /// Waits until a request waits.
    pub(crate) fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut arrived = self.arrived.lock().unwrap();
        while *arrived == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request came that was to be held");
            arrived = self.news.wait_timeout(arrived, left).unwrap().0;
        }
    }

    /// Lets all pass, also those that come later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// A request's side.
    pub(crate) async fn pass(&self) {
        *self.arrived.lock().unwrap() += 1;
        self.news.notify_all();
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }
}

/// The faults that are scripted, the first that applies first.
#[derive(Default)]
pub(crate) struct Script(Vec<Rule>);

struct Rule {
    kind: Kind,
    /// For how many requests it applies; `None`: all.
    left: Option<usize>,
    fault: Fault,
}

impl Script {
    pub(crate) fn add(&mut self, kind: Kind, times: Option<usize>, fault: Fault) {
        self.0.push(Rule { kind, left: times, fault });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to the next request of that kind, and the number of the rule that says so.
    pub(crate) fn next(&mut self, kind: Kind) -> Option<(usize, Fault)> {
        let mut rules = self.0.iter_mut().enumerate();
        let (at, rule) = rules.find(|(_, rule)| rule.kind == kind && rule.left != Some(0))?;
        rule.left = rule.left.map(|left| left - 1);
        Some((at, rule.fault.clone()))
    }

    /// The rule was not applied, so it is for another request.
    pub(crate) fn put_back(&mut self, at: usize, kind: Kind) {
        if let Some(rule) = self.0.get_mut(at).filter(|rule| rule.kind == kind) {
            rule.left = rule.left.map(|left| left + 1);
        }
    }
}
