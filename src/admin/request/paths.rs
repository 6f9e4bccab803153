//! What can be asked for, and where: the one table of paths. Must not know: how anything is answered.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// Everything that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::admin) enum Operation {
    Live,
    Ready,
    Metrics,
    OpenApi,
    Status,
    Config,
    Listeners,
    Certificates,
    Policies,
    Backends,
    Explain,
    Reload,
    Drain,
    AddCertificate,
    RemoveCertificate,
    ServerState,
}

/// A path with `{…}` for what varies, the method, and what is meant by both.
pub(in crate::admin) const ROUTES: &[(&str, Method, Operation)] = &[
    ("/livez", Method::GET, Operation::Live),
    ("/healthz", Method::GET, Operation::Live),
    ("/readyz", Method::GET, Operation::Ready),
    ("/metrics", Method::GET, Operation::Metrics),
    ("/api/v1/openapi.json", Method::GET, Operation::OpenApi),
    ("/api/v1/status", Method::GET, Operation::Status),
    ("/api/v1/config", Method::GET, Operation::Config),
    ("/api/v1/listeners", Method::GET, Operation::Listeners),
    ("/api/v1/certificates", Method::GET, Operation::Certificates),
    ("/api/v1/policies", Method::GET, Operation::Policies),
    ("/api/v1/backends", Method::GET, Operation::Backends),
    ("/api/v1/explain", Method::GET, Operation::Explain),
    ("/api/v1/reload", Method::POST, Operation::Reload),
    ("/api/v1/drain", Method::POST, Operation::Drain),
    ("/api/v1/listeners/{listener}/certificates", Method::POST, Operation::AddCertificate),
    ("/api/v1/listeners/{listener}/certificates/{name}", Method::DELETE, Operation::RemoveCertificate),
    ("/api/v1/backends/{name}/{server}/state", Method::PUT, Operation::ServerState),
];

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::admin) enum Routed {
    /// The operation, and what stands for each `{…}`.
    To(Operation, Vec<String>),
    /// The path is known; these methods are.
    OtherMethod(String),
    Nowhere,
}

impl Operation {
    /// Whether the state may be another one afterwards.
    pub(in crate::admin) fn is_change(self) -> bool {
        let certificates = matches!(self, Self::AddCertificate | Self::RemoveCertificate);
        certificates || matches!(self, Self::Reload | Self::Drain | Self::ServerState)
    }
}

/// Finds the way of a request. HEAD is GET without the body.
pub(in crate::admin) fn route(method: &Method, path: &str) -> Routed {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let mut allowed = Vec::new();
    for (pattern, method, operation) in ROUTES {
        match values(pattern, path) {
            Some(values) if method == asked => return Routed::To(*operation, values),
            Some(_) => allowed.push(if *method == Method::GET { "GET, HEAD" } else { method.as_str() }),
            None => {}
        }
    }
    if allowed.is_empty() { Routed::Nowhere } else { Routed::OtherMethod(allowed.join(", ")) }
}

/// What stands for each `{…}`, if the path is of that pattern. Decoding comes after splitting, so that `%2F` splits nothing.
fn values(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut values = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(values),
            (Some(expected), Some(found)) if expected.starts_with('{') => {
                values.push(percent_decode_str(found).decode_utf8().ok()?.into_owned());
            }
            (Some(expected), Some(found)) if expected == found => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_leads_to_its_operation() {
        assert!(ROUTES.len() > 10);
        for (pattern, method, operation) in ROUTES {
            let path = pattern.replace("{listener}", "a%20b%2Fc").replace("{name}", "www");
            let path = path.replace("{server}", "[::1]:389");
            let expected = [("{listener}", "a b/c"), ("{name}", "www"), ("{server}", "[::1]:389")];
            let values = expected.iter().filter(|(key, _)| pattern.contains(key)).map(|(_, value)| (*value).to_owned());
            assert_eq!(route(method, &path), Routed::To(*operation, values.collect()));
        }
    }

    #[test]
    fn other_methods_and_other_paths_lead_nowhere() {
        assert_eq!(route(&Method::GET, "/api/v1/reload"), Routed::OtherMethod("POST".into()));
        assert_eq!(route(&Method::POST, "/api/v1/status"), Routed::OtherMethod("GET, HEAD".into()));
        assert_eq!(route(&Method::HEAD, "/livez"), Routed::To(Operation::Live, Vec::new()));
        for path in ["", "/", "*", "/livez/", "//livez", "/api/v1/../v1/status", "/api/v1", "/api/v1/listeners/a/b/c"] {
            assert_eq!(route(&Method::GET, path), Routed::Nowhere, "{path}");
        }
    }
}
