//! Sets the weights of the backends that share a route's connections. Must not know: how a backend is chosen.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::request::answer::Answer;
use crate::admin::view::listing;
use crate::config::values::weighted::HEAVIEST;
use crate::route::split::Split;
use crate::snapshot::Snapshot;

/// Sets all weights of a route, or of the listener's own way, at once.
pub(in crate::admin) fn set(snapshot: &Snapshot, listener: &str, route: &str, body: &[u8]) -> Answer {
    let Some(found) = snapshot.listener(listener) else {
        return Answer::error(StatusCode::NOT_FOUND, "there is no listener of that name");
    };
    let Some(way) = found.ways.all().find(|known| *known.name == *route) else {
        return Answer::error(StatusCode::NOT_FOUND, "the listener has no route of that name");
    };
    let Some(split) = way.way.split() else {
        return Answer::error(StatusCode::NOT_FOUND, "the route has no backend, since it refuses its connections");
    };
    let weights = match requested(body, split) {
        Ok(weights) => weights,
        Err(reason) => return Answer::error(StatusCode::BAD_REQUEST, &reason),
    };
    let is = named(split, &weights);
    let was = named(split, &split.set_weights(weights));
    if was != is {
        let (shown, before) = (Value::from(is).to_string(), Value::from(was.clone()).to_string());
        tracing::info!(listener, route, weights = %shown, was = %before, "changed through the admin API");
    }
    Answer::ok(&json!({ "was": was, "backends": listing::shares(way) }))
}

/// The weights in the order of the shares; or what is wrong.
fn requested(body: &[u8], split: &Split) -> Result<Vec<u32>, String> {
    let names = || split.shares().iter().map(|share| &**share.pool.name());
    let expected = || {
        let example: Map<_, _> = names().map(|name| (name.to_owned(), json!(1))).collect();
        format!("expected {}, with weights from 0 to {HEAVIEST}", json!({ "weights": example }))
    };
    let body: Value = serde_json::from_slice(body).map_err(|_| format!("unexpected body ({})", expected()))?;
    let fields = body.as_object().filter(|fields| fields.len() == 1);
    let Some(given) = fields.and_then(|fields| fields.get("weights")?.as_object()) else {
        return Err(format!("unexpected body ({})", expected()));
    };
    if let Some(unknown) = given.keys().find(|key| !names().any(|name| name == *key)) {
        return Err(format!("the route has no backend {unknown:?} ({})", expected()));
    }
    let weight = |name: &str| {
        let Some(given) = given.get(name) else { return Err(format!("no weight for {name:?} ({})", expected())) };
        let weight = given.as_u64().and_then(|weight| u32::try_from(weight).ok());
        weight
            .filter(|weight| *weight <= HEAVIEST)
            .ok_or_else(|| format!("weight of {name:?}: found {given} ({})", expected()))
    };
    let weights = names().map(weight).collect::<Result<Vec<u32>, String>>()?;
    if weights.iter().all(|weight| *weight == 0) {
        return Err(format!("every weight is 0 ({}, at least one of them from 1)", expected()));
    }
    Ok(weights)
}

/// Weights by the names of their backends.
fn named(split: &Split, weights: &[u32]) -> Map<String, Value> {
    let pairs = split.shares().iter().zip(weights);
    pairs.map(|(share, weight)| (share.pool.name().to_string(), json!(weight))).collect()
}
