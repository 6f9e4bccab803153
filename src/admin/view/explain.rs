//! A query's parameters → the explanation that they request. Must not know: HTTP methods, how an explanation is made.

use std::net::IpAddr;

use hyper::StatusCode;
use jiff::Timestamp;

use crate::admin::request::answer::Answer;
use crate::admin::request::query;
use crate::explain::ask::Ask;
use crate::explain::trace;
use crate::snapshot::Snapshot;

/// What the client that the query describes would get now.
pub(in crate::admin) fn explain(query: Option<&str>, snapshot: &Snapshot) -> Answer {
    let bad = |message: String| Answer::error(StatusCode::BAD_REQUEST, &message);
    let (listener, address, ask) = match question(query) {
        Ok(question) => question,
        Err(message) => return bad(message),
    };
    let address: Option<IpAddr> = match address.as_ref().map(|text| text.parse()).transpose() {
        Ok(address) => address,
        Err(_) => {
            let found = format!("address: found {:?}, expected an IP address", address.unwrap_or_default());
            return Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &found);
        }
    };
    let raw = match ask.client_hello() {
        Ok(raw) => raw,
        // 422, not 400: the parameter is well-formed, but its value is not known.
        Err(error) => return Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    };
    match trace::listener(snapshot, listener.as_deref()) {
        Ok(listener) => Answer::ok(&trace::explain(listener, raw, address, Timestamp::now().as_second())),
        Err(message) if listener.is_some() => Answer::error(StatusCode::NOT_FOUND, &format!("listener: {message}")),
        Err(message) => bad(format!("listener: {message}")),
    }
}

/// The listener and the address that the client connected to, if given; and the client.
fn question(query: Option<&str>) -> Result<(Option<String>, Option<String>, Ask), String> {
    let (mut listener, mut address, mut ask) = (None, None, Ask::default());
    for (key, value) in query::parameters(query)? {
        let place = match key.as_str() {
            "listener" => &mut listener,
            "address" => &mut address,
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
    Ok((listener, address, ask))
}

const PARAMETERS: &str = "listener, address, sni, sigalgs, client, tls, ciphers, groups, alpn, hello";
