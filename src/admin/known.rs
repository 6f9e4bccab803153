//! What both doors of the admin server know: the state, as soon as there is one, and the counters. Must not know: what is
//! served where.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::sync::{Semaphore, SetOnce};

use crate::acme::keeper::Handle as Acme;
use crate::admin::change::audit::Audit;
use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::Permits;
use crate::admin::page::session::Sessions;
use crate::admin::request::answer::Answer;
use crate::admin::request::guard;
use crate::admin::view::renderings::Renderings;
use crate::config::values::HostName;
use crate::lists::keeper::Handle as Lists;
use crate::live::registry::Registry;
use crate::member::status::Handle as Fleet;
use crate::observe::metrics::Totals;
use crate::pressure::Pressure;
use crate::reload::control::Control;

/// Those who do something by themselves, each with what is known of that.
#[derive(Debug, Clone)]
pub struct Keepers {
    pub acme: Acme,
    pub lists: Lists,
    /// `None` where this is not a node of a fleet.
    pub fleet: Option<Fleet>,
}

/// What is counted, as it is when it is asked for.
pub struct Counted {
    /// The metrics of a state in the text format of Prometheus.
    pub exposition: Box<dyn Fn(&Control, &Keepers) -> String + Send + Sync>,
    /// The connections of each listener.
    pub totals: Box<dyn Fn() -> HashMap<String, Totals> + Send + Sync>,
}

/// What is shown and changed.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) control: Control,
    /// Who does what by itself.
    pub(super) keepers: Keepers,
    pub(super) pressure: Arc<Pressure>,
    /// The open connections.
    pub(super) live: Arc<Registry>,
}

/// What both doors know.
pub(super) struct Known {
    /// Empty until the first snapshot is built.
    pub(super) process: SetOnce<Process>,
    pub(super) counted: Counted,
    /// The accepted host names until there is a snapshot.
    pub(super) hosts: Vec<HostName>,
    pub(super) audit: Audit,
    /// For connections to the API.
    pub(super) permits: Arc<Permits>,
    /// For connections of probes.
    pub(super) probes: Arc<Permits>,
    /// Those who have signed in at the page.
    pub(super) sessions: Sessions,
    /// A permit for each change that runs or waits for its turn.
    pub(super) changes: Arc<Semaphore>,
    /// Of the API.
    pub(super) renderings: Arc<Renderings>,
    /// Those of probes are their own: clients of the API that do not read must not hold up Prometheus.
    pub(super) probe_renderings: Arc<Renderings>,
}

impl Known {
    /// The answer to a request that is meant for another host, which is counted.
    pub(super) fn host_refusal(&self, caller: &Caller, parts: &Parts) -> Option<Answer> {
        let (why, answer) = match self.process.get() {
            Some(Process { control, .. }) => {
                guard::host_refusal(caller, parts, &control.status.borrow().config.admin.hosts)
            }
            None => guard::host_refusal(caller, parts, &self.hosts),
        }?;
        self.audit.refused(caller, parts, why);
        Some(answer)
    }

    /// How much there is now of what has a bound, in the text format of Prometheus.
    fn held(&self) -> String {
        let families = [
            ("page_sessions", "Sessions of those who have signed in at the page.", self.sessions.count()),
            ("changes", "Changes that run or wait for their turn.", CHANGES - self.changes.available_permits()),
            ("answers_bytes", "Bytes of answers of the admin server that are not sent yet.", self.renderings.held()),
            ("probes_answers_bytes", "The same for probes.", self.probe_renderings.held()),
        ];
        let family = |(name, help, value): (&str, &str, usize)| {
            format!(
                "# HELP tlsgate_admin_{name} {help}\n# TYPE tlsgate_admin_{name} gauge\ntlsgate_admin_{name} {value}\n"
            )
        };
        families.into_iter().map(family).collect()
    }

    /// The metrics of that state. It takes a while with many servers.
    pub(super) fn exposition(&self, Process { control, keepers, .. }: &Process) -> Answer {
        let text = (self.counted.exposition)(control, keepers)
            + &self.audit.metrics(&self.permits, &self.probes)
            + &self.held();
        Answer::text("text/plain; version=0.0.4; charset=utf-8", text)
    }
}

/// Changes that run or wait at one time. Each may hold a body of 1 MiB.
pub(super) const CHANGES: usize = 32;

/// The answer while there is no state yet.
pub(super) fn starting() -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is starting")
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("process", &self.process.get()).finish_non_exhaustive()
    }
}
