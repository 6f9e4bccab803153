//! `kubectl apply --dry-run=client` takes the manifests. It asks a cluster which kinds there are, and whether the objects
//! exist; this file has a server that answers that much.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{documents, kubernetes, path, words};
use crate::support::backend::Backend;
use crate::support::tool;

/// Group and version, kind, and the name in paths.
const KINDS: [(&str, &str, &str); 6] = [
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Service", "services"),
    ("apps/v1", "Deployment", "deployments"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
];

#[test]
fn kubectl_applies_every_object() {
    let cluster = Backend::start(|mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.extend_from_slice(&byte);
        }
        let request = String::from_utf8_lossy(&request);
        let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let (status, body) = match answer(path) {
            Some(body) => ("200 OK", body),
            None => (
                "404 Not Found",
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404 }),
            ),
        };
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    });
    let (folder, program) = (tempfile::tempdir().unwrap(), tool::from_pypi("kubectl"));
    let (server, cache) = (format!("http://{}", cluster.address), folder.path().join("cache"));
    let manifests = path("config/kubernetes");
    let arguments = [
        "--kubeconfig=/dev/null",
        "--server",
        &server,
        "--cache-dir",
        cache.to_str().unwrap(),
        "apply",
        "--dry-run=client",
        // The schema is checked apart from this; the server has none.
        "--validate=false",
        "--output=json",
        "--kustomize",
        manifests.to_str().unwrap(),
    ];
    let output = tool::run(program.to_str().unwrap(), &arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    let applied: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |all: &[Value]| {
        let mut names: Vec<String> =
            all.iter().map(|one| format!("{} {}", words(&one["kind"]), words(&one["metadata"]["name"]))).collect();
        names.sort();
        names
    };
    let built = documents(&kubernetes::built());
    assert_eq!(names(applied["items"].as_array().unwrap()), names(&built));
    assert_eq!(built.len(), 7);
}

/// What a cluster answers that has these kinds, and none of the objects.
fn answer(path: &str) -> Option<Value> {
    let version = |of: &str| json!({ "groupVersion": of, "version": "v1" });
    let resources = |of: &str| {
        let kinds = KINDS.iter().filter(|(version, ..)| *version == of);
        let list: Vec<Value> = kinds
            .map(|(_, kind, name)| json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["create", "get", "patch"] }))
            .collect();
        (!list.is_empty())
            .then(|| json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": list }))
    };
    match path {
        "/api" => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => {
            let groups = KINDS.iter().filter_map(|(of, ..)| Some((of, of.strip_suffix("/v1")?)));
            let groups: Vec<Value> = groups
                .map(|(of, name)| json!({ "name": name, "versions": [version(of)], "preferredVersion": version(of) }))
                .collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        "/api/v1" => resources("v1"),
        _ => resources(path.strip_prefix("/apis/")?),
    }
}
