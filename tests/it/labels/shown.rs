//! The API shows the labels of each listener, route and backend as they are written.

use serde_json::{Value, json};

use super::{Scene, hostile};

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
