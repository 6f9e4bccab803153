//! The API shows the labels of each listener, route and backend as they are written, and its description covers them.

use serde_json::{Value, json};

use super::{Scene, hostile};
use crate::support::tool;

#[test]
fn the_api_shows_the_labels_that_are_written() {
    let scene = Scene::new();
    let listeners = scene.door.get("/api/v1/listeners").json()["listeners"].clone();
    assert_eq!(listeners[0]["labels"], json!({ "team": "platform", "env": "prod" }));
    assert_eq!(listeners[1]["labels"], json!({}));
    let routes: Vec<&Value> = listeners[0]["routes"].as_array().unwrap().iter().map(|route| &route["labels"]).collect();
    assert_eq!(routes, [&json!({ "team": "apps", "tier": "1" }), &json!({ "team": "network" }), &json!({})]);
    let backends = scene.door.get("/api/v1/backends").json()["backends"].clone();
    let backends: Vec<&Value> = backends.as_array().unwrap().iter().map(|backend| &backend["labels"]).collect();
    assert_eq!(backends, [&json!({ "team": "directory" }), &json!({ "site": hostile() }), &json!({})]);
    let config = scene.door.get("/api/v1/config").json();
    assert_eq!(config["listener"][0]["route"][0]["labels"], json!({ "team": "apps", "tier": "1" }));
    assert_eq!(config["backend"]["quiet"]["labels"], json!({}));
}

#[test]
fn the_description_fits_the_answers() {
    let scene = Scene::new();
    let description = scene.door.get("/api/v1/openapi.json").json();
    let config = scene.door.get("/api/v1/config").json();
    let explained = scene.door.get("/api/v1/explain?listener=main&sni=apps.test").json();
    for (schema, answer) in [
        ("Listeners", &scene.door.get("/api/v1/listeners").json()),
        ("Backends", &scene.door.get("/api/v1/backends").json()),
        ("Explanation", &explained),
        ("Config/properties/listener", &config["listener"]),
        ("Config/properties/backend", &config["backend"]),
    ] {
        let question = json!([description, schema, answer]);
        let judged = tool::run("/usr/bin/python3", &["-c", JUDGE], question.to_string().as_bytes());
        assert!(judged.status.success(), "{schema}: {}", tool::shown(&judged));
    }
}

/// Debian's `python3-jsonschema`: the schemas of OpenAPI 3.1 are JSON Schema.
const JUDGE: &str = "
import json, sys, jsonschema
description, name, answer = json.load(sys.stdin)
schema = dict(description, **{'$ref': '#/components/schemas/' + name})
jsonschema.Draft202012Validator(schema).validate(answer)
";
