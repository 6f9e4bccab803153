//! Open connections: what is listed of them, which are meant by a filter, and how they end when they are closed or grow too
//! old. This file: a proxy with an admin API, and requests to it.

use std::io::{Read, Write};

use serde_json::Value;

use crate::support::by_hand::ByHand;
use crate::support::client::Client;
use crate::support::http::{Door, Response};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, Stage};

mod aged;
mod closed;
mod crowd;
mod early;
mod listed;
mod verbs;

const PATH: &str = "/api/v1/connections";

/// With an admin API on a Unix socket, and these lines at the top and of the listener.
fn stage(backend: &ByHand, top: &str, listener: &str) -> Stage {
    let top = format!("[admin]\nlisten=\"unix:admin.sock\"\n{top}");
    let stage = Stage::new(&[backend.address], Lines { top: &top, listener, backend: "" });
    eventually("it is ready", || (stage.door().get("/readyz").status == 200).then_some(()));
    stage
}

/// The connections on the first page of that query.
fn list(door: &Door, query: &str) -> Vec<Value> {
    let answer = door.get(&format!("{PATH}?{query}"));
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()["connections"].as_array().unwrap().clone()
}

/// Waits until so many connections fit the query, and returns them.
fn wait_for(door: &Door, query: &str, count: usize) -> Vec<Value> {
    eventually(query, || Some(list(door, query)).filter(|found| found.len() == count))
}

fn close(door: &Door, query: &str) -> Response {
    door.ask("DELETE", &format!("{PATH}?{query}"), &[], "")
}

/// Closes what fits the query, which is so many connections.
fn closes(door: &Door, query: &str, count: usize) {
    let answer = close(door, query);
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    assert_eq!(answer.json()["closed"], count, "{query}");
}

/// Sends a byte each way, so that the relay runs.
fn greet(client: &mut Client, server: &mut (impl Read + Write)) {
    client.send(b"?").unwrap();
    server.read_exact(&mut [0]).unwrap();
    server.write_all(b"!").unwrap();
    assert_eq!(client.read_exact(1), b"!");
}
