//! What can be requested: the one table of paths. Must not know: how anything is answered.

use hyper::Method;
use percent_encoding::percent_decode_str;

use Operation::{Ask, List, Make, Show};

/// Everything that can be requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Operation {
    Ask(Question),
    /// The open connections that fit a query.
    List,
    Show(View),
    Make(Change),
}

/// What is answered immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Question {
    Live,
    Ready,
    OpenApi,
    Explain,
}

/// What may take a while to render. It is rendered once for all requests at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::admin) enum View {
    Metrics,
    Status,
    Config,
    Listeners,
    Certificates,
    Policies,
    Backends,
    Limits,
    Acme,
    Lists,
    Fleet,
}

/// What may change the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Change {
    Reload,
    Drain,
    AddCertificate,
    RemoveCertificate,
    ServerState,
    Weights,
    CloseConnections,
    Renew,
    Revoke,
    RollOver,
}

/// What a browser asks for: the page at `/`, and what belongs to it. It is no part of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) enum Page {
    Overview,
    /// The open connections that fit a query.
    Connections,
    /// A file of the page, by its name.
    Asset(String),
    /// The form to sign in.
    SignIn,
    /// That form, filled in.
    Enter,
    Leave,
    /// The form for a change, by its name.
    Step(String),
    /// That form, filled in.
    Commit(String),
}

/// A path with `{…}` for what varies, a method, and their operation.
pub(in crate::admin) const ROUTES: &[(&str, Method, Operation)] = &[
    ("/livez", Method::GET, Ask(Question::Live)),
    // The name of a liveness check in older versions of Kubernetes.
    ("/healthz", Method::GET, Ask(Question::Live)),
    ("/readyz", Method::GET, Ask(Question::Ready)),
    ("/metrics", Method::GET, Show(View::Metrics)),
    ("/api/v1/openapi.json", Method::GET, Ask(Question::OpenApi)),
    ("/api/v1/status", Method::GET, Show(View::Status)),
    ("/api/v1/config", Method::GET, Show(View::Config)),
    ("/api/v1/listeners", Method::GET, Show(View::Listeners)),
    ("/api/v1/certificates", Method::GET, Show(View::Certificates)),
    ("/api/v1/policies", Method::GET, Show(View::Policies)),
    ("/api/v1/backends", Method::GET, Show(View::Backends)),
    ("/api/v1/limits", Method::GET, Show(View::Limits)),
    ("/api/v1/connections", Method::GET, List),
    ("/api/v1/connections", Method::DELETE, Make(Change::CloseConnections)),
    ("/api/v1/acme", Method::GET, Show(View::Acme)),
    ("/api/v1/crl", Method::GET, Show(View::Lists)),
    ("/api/v1/fleet", Method::GET, Show(View::Fleet)),
    ("/api/v1/explain", Method::GET, Ask(Question::Explain)),
    ("/api/v1/reload", Method::POST, Make(Change::Reload)),
    ("/api/v1/drain", Method::POST, Make(Change::Drain)),
    ("/api/v1/listeners/{listener}/certificates", Method::POST, Make(Change::AddCertificate)),
    ("/api/v1/listeners/{listener}/certificates/{name}", Method::DELETE, Make(Change::RemoveCertificate)),
    ("/api/v1/listeners/{listener}/routes/{name}/weights", Method::PUT, Make(Change::Weights)),
    ("/api/v1/backends/{name}/{server}/state", Method::PUT, Make(Change::ServerState)),
    ("/api/v1/acme/renew", Method::POST, Make(Change::Renew)),
    ("/api/v1/acme/revoke", Method::POST, Make(Change::Revoke)),
    ("/api/v1/acme/rollover", Method::POST, Make(Change::RollOver)),
];

/// What a request of a browser leads to; `None` where its path belongs to the API.
pub(in crate::admin) fn page(method: &Method, path: &str) -> Option<Result<Page, &'static str>> {
    let below = |folder: &str| path.strip_prefix(folder).filter(|name| !name.is_empty()).map(str::to_owned);
    let (get, post) = match path {
        "/" => (Some(Page::Overview), None),
        "/connections" => (Some(Page::Connections), None),
        "/sign-in" => (Some(Page::SignIn), Some(Page::Enter)),
        "/sign-out" => (None, Some(Page::Leave)),
        _ => match (below("/assets/"), below(BELOW_STEPS)) {
            (Some(name), _) => (Some(Page::Asset(name)), None),
            (None, Some(name)) => (Some(Page::Step(name.clone())), Some(Page::Commit(name))),
            (None, None) => return None,
        },
    };
    let allowed = match (&get, &post) {
        (Some(_), Some(_)) => "GET, HEAD, POST",
        (Some(_), None) => "GET, HEAD",
        (None, _) => "POST",
    };
    let asked = match *method {
        Method::GET | Method::HEAD => get,
        Method::POST => post,
        _ => None,
    };
    Some(asked.ok_or(allowed))
}

/// Where the forms for changes are.
pub(in crate::admin) const BELOW_STEPS: &str = "/change/";

/// The paths of the door for probes.
pub(in crate::admin) const PROBES: &[&str] = &["/livez", "/readyz", "/metrics"];

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::admin) enum Routed {
    /// The operation, and the value of each `{…}`.
    To(Operation, Vec<String>),
    /// The path is known, but only with these methods.
    OtherMethod(String),
    Nowhere,
}

/// Finds the operation of a request. HEAD is treated as GET; hyper leaves out the body.
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

/// The value of each `{…}`, if the path matches the pattern.
fn values(pattern: &str, path: &str) -> Option<Vec<String>> {
    // Split before decoding, so that `%2F` in a name is not a separator.
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
    fn the_page_and_what_belongs_to_it_is_not_the_api() {
        let step = || "reload".to_owned();
        for (method, path, leads) in [
            (Method::GET, "/", Ok(Page::Overview)),
            (Method::HEAD, "/", Ok(Page::Overview)),
            (Method::POST, "/", Err("GET, HEAD")),
            (Method::GET, "/connections", Ok(Page::Connections)),
            (Method::GET, "/assets/page.css", Ok(Page::Asset("page.css".into()))),
            (Method::GET, "/sign-in", Ok(Page::SignIn)),
            (Method::POST, "/sign-in", Ok(Page::Enter)),
            (Method::DELETE, "/sign-in", Err("GET, HEAD, POST")),
            (Method::GET, "/sign-out", Err("POST")),
            (Method::GET, "/change/reload", Ok(Page::Step(step()))),
            (Method::POST, "/change/reload", Ok(Page::Commit(step()))),
        ] {
            assert_eq!(page(&method, path), Some(leads), "{method} {path}");
            assert_eq!(route(&method, path), Routed::Nowhere, "{method} {path}");
        }
        for path in
            ["", "/index.html", "//", "/assets/", "/assets", "/change/", "/sign-in/", "/livez", "/api/v1/status"]
        {
            assert_eq!(page(&Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn other_methods_and_other_paths_lead_nowhere() {
        assert_eq!(route(&Method::GET, "/api/v1/reload"), Routed::OtherMethod("POST".into()));
        assert_eq!(route(&Method::POST, "/api/v1/status"), Routed::OtherMethod("GET, HEAD".into()));
        assert_eq!(route(&Method::HEAD, "/livez"), Routed::To(Ask(Question::Live), Vec::new()));
        for path in ["", "/", "*", "/livez/", "//livez", "/api/v1/../v1/status", "/api/v1", "/api/v1/listeners/a/b/c"] {
            assert_eq!(route(&Method::GET, path), Routed::Nowhere, "{path}");
        }
    }
}
