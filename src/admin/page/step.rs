//! The changes that begin at the page, and their addresses. Must not know: how a change is made, what its page looks like.

use crate::admin::page::filters;
use crate::admin::page::form::{Form, encoded};
use crate::admin::request::paths::BELOW_STEPS as BELOW;

/// A change, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) enum Step {
    Reload,
    /// The state of a server.
    Server {
        backend: String,
        server: String,
    },
    /// Open connections are closed: those that fit these filters.
    Connections {
        filters: Vec<(&'static str, String)>,
    },
    /// A certificate is added to a listener, or replaced there.
    Certificate {
        listener: String,
    },
}

impl Step {
    /// Of a path's last part and a query. `None` if there is no such change; an error is what is wrong in the query.
    pub(in crate::admin) fn read(name: &str, query: Option<&str>) -> Option<Result<Self, Vec<String>>> {
        let form = Form::read(query.unwrap_or_default().as_bytes());
        let value = |key: &str| form.value(key).to_owned();
        Some(Ok(match name {
            RELOAD => Self::Reload,
            SERVER => Self::Server { backend: value("backend"), server: value("server") },
            CONNECTIONS => {
                return Some(filters::read(query, false).map(|read| Self::Connections { filters: read.given }));
            }
            CERTIFICATE => Self::Certificate { listener: value("listener") },
            _ => return None,
        }))
    }

    /// Where its page is, and where its form is sent.
    pub(in crate::admin) fn address(&self) -> String {
        match self {
            Self::Reload => format!("{BELOW}{RELOAD}"),
            Self::Server { backend, server } => {
                format!("{BELOW}{SERVER}?backend={}&server={}", encoded(backend), encoded(server))
            }
            Self::Connections { filters } => format!("{BELOW}{CONNECTIONS}?{}", queried(filters)),
            Self::Certificate { listener } => format!("{BELOW}{CERTIFICATE}?listener={}", encoded(listener)),
        }
    }
}

/// Filters as a query.
pub(in crate::admin) fn queried(filters: &[(&'static str, String)]) -> String {
    filters.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

const RELOAD: &str = "reload";
const SERVER: &str = "server";
const CONNECTIONS: &str = "connections";
const CERTIFICATE: &str = "certificate";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_step() {
        let server = Step::Server { backend: "a b&c".into(), server: "[::1]:389".into() };
        let filters = vec![("listener", "a b".to_owned()), ("client_certificate", "CN=+&%".to_owned())];
        let connections = Step::Connections { filters };
        for step in [Step::Reload, server, connections, Step::Certificate { listener: "ä=/%".into() }] {
            let address = step.address();
            let (path, query) = address.split_once('?').map_or((&*address, None), |(path, query)| (path, Some(query)));
            assert_eq!(Step::read(path.strip_prefix(BELOW).unwrap(), query), Some(Ok(step)));
        }
        assert_eq!(Step::read("drain", None), None);
    }
}
