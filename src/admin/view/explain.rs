//! A query's parameters → the explanation that they request. Must not know: HTTP methods, how an explanation is made.

use std::net::IpAddr;

use hyper::StatusCode;
use jiff::Timestamp;

use crate::admin::request::answer::Answer;
use crate::admin::request::query;
use crate::explain::ask::Ask;
use crate::explain::trace::{self, Between};
use crate::snapshot::Snapshot;

/// What the client that the query describes would get now.
pub(in crate::admin) fn explain(query: Option<&str>, snapshot: &Snapshot) -> Answer {
    let bad = |message: String| Answer::error(StatusCode::BAD_REQUEST, &message);
    let Asked { listener, from, address, ask } = match question(query) {
        Ok(question) => question,
        Err(message) => return bad(message),
    };
    let between = ip("from", from).and_then(|from| Ok(Between { from, to: ip("address", address)? }));
    let between = match between {
        Ok(between) => between,
        Err(message) => return Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &message),
    };
    let raw = match ask.client_hello() {
        Ok(raw) => raw,
        // 422, not 400: the parameter is well-formed, but its value is not known.
        Err(error) => return Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match trace::listener(snapshot, listener.as_deref()) {
        Ok(listener) => Answer::ok(&trace::explain(listener, raw, between, Timestamp::now().as_second())),
        Err(message) if listener.is_some() => Answer::error(StatusCode::NOT_FOUND, &format!("listener: {message}")),
        Err(message) => bad(format!("listener: {message}")),
    }
}

/// What is asked.
#[derive(Default)]
struct Asked {
    listener: Option<String>,
    /// The address from which the client connects, and the one to which it does.
    from: Option<String>,
    address: Option<String>,
    ask: Ask,
}

fn ip(parameter: &str, text: Option<String>) -> Result<Option<IpAddr>, String> {
    let read = text.as_ref().map(|text| text.parse()).transpose();
    read.map_err(|_| format!("{parameter}: found {:?}, expected an IP address", text.unwrap_or_default()))
}

fn question(query: Option<&str>) -> Result<Asked, String> {
    let Asked { mut listener, mut from, mut address, mut ask } = Asked::default();
    for (key, value) in query::parameters(query)? {
        let place = match key.as_str() {
            "listener" => &mut listener,
            "address" => &mut address,
            "from" => &mut from,
            "sni" => &mut ask.sni,
            "sigalgs" => &mut ask.sigalgs,
            "client" => &mut ask.client,
            "tls" => &mut ask.tls,
            "ciphers" => &mut ask.ciphers,
            "groups" => &mut ask.groups,
            "alpn" => &mut ask.alpn,
            "hello" => {
                ask.hello = Some(value.into_bytes());
                continue;
            }
            other => return Err(format!("unknown parameter {other:?} (expected one of {PARAMETERS})")),
        };
        *place = Some(value);
    }
    Ok(Asked { listener, from, address, ask })
}

const PARAMETERS: &str = "listener, address, from, sni, sigalgs, client, tls, ciphers, groups, alpn, hello";
