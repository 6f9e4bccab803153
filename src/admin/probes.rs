//! The door for health checks and metrics, at which nothing can be changed. Must not know: the API, TLS.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use crate::admin::connection::caller::Caller;
use crate::admin::connection::door::Door;
use crate::admin::connection::permits::{Doing, Permit};
use crate::admin::connection::secure::Failure;
use crate::admin::connection::serve::Handler;
use crate::admin::known::{Known, starting};
use crate::admin::request::answer::Answer;
use crate::admin::request::body;
use crate::admin::request::body::Wanted;
use crate::admin::request::paths::{Operation, PROBES, Question, Routed, View, route};
use crate::admin::view::state;
use crate::tls::handshake::Terminator;

/// What the requests of this door share.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) known: Arc<Known>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Probe {
    Live,
    Ready,
    Metrics,
}

impl Handler for Probes {
    async fn tls(&self, _: &Door) -> Option<Arc<Terminator>> {
        None
    }

    // Without TLS there is none.
    fn handshake_failed(&self, _: &Caller, _: &Failure) {}

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        caller: Arc<Caller>,
        permit: Arc<Permit>,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let answer = match self.admitted(&caller, &parts) {
            Ok(probe) => match body::read(body, &parts.headers, Wanted::No).await {
                Ok(_) => {
                    permit.becomes(Doing::Working);
                    self.show(probe).await
                }
                Err(refusal) => refusal,
            },
            Err(refusal) => {
                body::discard(body, &parts.headers).await;
                refusal
            }
        };
        answer.into_response(permit)
    }

    async fn idle(&self) {}
}

impl Probes {
    /// What is asked for, or the answer that refuses it.
    fn admitted(&self, caller: &Caller, parts: &Parts) -> Result<Probe, Answer> {
        if !PROBES.contains(&parts.uri.path()) {
            return Err(Answer::error(StatusCode::NOT_FOUND, NOTHING_ELSE));
        }
        let probe = match route(&parts.method, parts.uri.path()) {
            Routed::To(Operation::Ask(Question::Live), _) => Probe::Live,
            Routed::To(Operation::Ask(Question::Ready), _) => Probe::Ready,
            Routed::To(Operation::Show(View::Metrics), _) => Probe::Metrics,
            Routed::OtherMethod(allowed) => return Err(Answer::not_allowed(allowed)),
            Routed::To(..) | Routed::Nowhere => return Err(Answer::error(StatusCode::NOT_FOUND, NOTHING_ELSE)),
        };
        // A web page that got here by DNS rebinding could read the metrics, and with them names and addresses of servers.
        // The others show it nothing but that there is something, and load balancers send all kinds of names.
        match probe {
            Probe::Metrics => self.known.host_refusal(caller, parts).map_or(Ok(probe), Err),
            Probe::Live | Probe::Ready => Ok(probe),
        }
    }

    async fn show(&self, probe: Probe) -> Answer {
        let process = self.known.process.get();
        match (probe, process) {
            (Probe::Live, _) => state::live(),
            (Probe::Ready | Probe::Metrics, None) => starting(),
            (Probe::Ready, Some(process)) => state::ready(&process.control.status.borrow()),
            (Probe::Metrics, Some(process)) => {
                let (known, process) = (Arc::clone(&self.known), process.clone());
                let render = move || known.exposition(&process);
                self.known.probe_renderings.share(View::Metrics, &self.known.probes, render).await
            }
        }
    }
}

const NOTHING_ELSE: &str =
    "there is nothing under this path here (expected /livez, /readyz or /metrics; all else is at listen of [admin])";
