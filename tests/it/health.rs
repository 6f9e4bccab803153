//! Health checks: a server that fails at its work is detected, even if it still accepts, and clients use the others.
//! This file: servers with such checks, and their state as the proxy shows it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::procfs::eventually;
use crate::support::stage::Stage;

mod clients;
mod http;
mod ldap;
mod load;
mod settings;
mod tls;
mod verdict;

/// The shortest useful interval for a test.
const QUICK: &str = "interval = \"50ms\", jitter = \"5ms\"";

fn stage(servers: &[SocketAddr], health: &str, more: &str) -> Stage {
    Stage::of(&names(servers), &format!("health = {{ {health}, {QUICK} }}\n{more}"))
}

fn names(servers: &[SocketAddr]) -> String {
    servers.iter().map(|server| format!("\"{server}\"")).collect::<Vec<_>>().join(", ")
}

fn server(stage: &Stage, index: usize) -> Value {
    stage.door().get("/api/v1/backends").json()["backends"][0]["servers"][index].clone()
}

/// Waits until checks report that state of a server, and returns what is shown of it then.
fn becomes(stage: &Stage, index: usize, health: &str) -> Value {
    eventually(health, || Some(server(stage, index)).filter(|server| server["health"] == health))
}

fn reason(server: &Value) -> &str {
    server["last_check"]["reason"].as_str().unwrap()
}

/// Waits until a server is down for that reason.
fn down_for(stage: &Stage, index: usize, wanted: &str) {
    let server = becomes(stage, index, "down");
    assert!(reason(&server).contains(wanted), "wanted {wanted}: {server}");
}

fn metrics(stage: &Stage) -> String {
    stage.door().get("/metrics").body
}
