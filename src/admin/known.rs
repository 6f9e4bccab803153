//! What both doors of the admin server know: the state, as soon as there is one, and the counters. Must not know: what is
//! served where.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::sync::SetOnce;

use crate::acme::keeper::Handle as Acme;
use crate::admin::change::audit::Audit;
use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::Permits;
use crate::admin::request::answer::Answer;
use crate::admin::request::guard;
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

    /// The metrics of that state. It takes a while with many servers.
    pub(super) fn exposition(&self, Process { control, keepers, .. }: &Process) -> Answer {
        let text = (self.counted.exposition)(control, keepers) + &self.audit.metrics(&self.permits, &self.probes);
        Answer::text("text/plain; version=0.0.4; charset=utf-8", text)
    }
}

/// The answer while there is no state yet.
pub(super) fn starting() -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is starting")
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("process", &self.process.get()).finish_non_exhaustive()
    }
}
