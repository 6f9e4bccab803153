//! What is shipped beside the program: rules for Prometheus, a dashboard for Grafana, manifests for Kubernetes, files for
//! Compose. Each is taken by the program that it is for, and names nothing that tlsgate does not have. This file: how the
//! files are read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::tool;

mod apply;
mod compose;
mod dashboard;
mod kubelet;
mod kubernetes;
mod names;
mod prometheus;
mod queries;
mod rules;
mod scene;

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn text(below: &str) -> String {
    fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

/// The documents of a YAML file, read by Debian's `python3-yaml`.
fn documents(yaml: &str) -> Vec<Value> {
    let output = tool::run("/usr/bin/python3", &["-c", TO_JSON], yaml.as_bytes());
    assert!(output.status.success(), "{}", tool::shown(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The only document of a YAML file.
fn yaml(below: &str) -> Value {
    let mut all = documents(&text(below));
    assert_eq!(all.len(), 1, "{below}");
    all.remove(0)
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

const TO_JSON: &str = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
