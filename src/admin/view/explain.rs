//! A query's parameters → the explanation that they request. Must not know: HTTP methods, how an explanation is made.

use std::net::IpAddr;

use hyper::StatusCode;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::admin::request::answer::Answer;
use crate::explain::ask::Ask;
use crate::explain::trace;
use crate::snapshot::Snapshot;

/// What the client that the query describes would get now.
pub(in crate::admin) fn explain(query: Option<&str>, snapshot: &Snapshot) -> Answer {
    let bad = |message: String| Answer::error(StatusCode::BAD_REQUEST, &message);
    let (listener, address, ask) = match question(query.unwrap_or_default()) {
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
fn question(query: &str) -> Result<(Option<String>, Option<String>, Ask), String> {
    let (mut listener, mut address, mut ask) = (None, None, Ask::default());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A "+" is not decoded to a space: names of signature schemes contain it, and no value contains a space.
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            return Err("the query is not UTF-8 when decoded".into());
        };
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
            "hello" => match ask.hello.replace(value.into_bytes()) {
                None => continue,
                Some(_) => return Err(twice("hello")),
            },
            other => return Err(format!("unknown parameter {other:?} (expected one of {PARAMETERS})")),
        };
        if place.replace(value).is_some() {
            return Err(twice(&key));
        }
    }
    Ok((listener, address, ask))
}

fn twice(key: &str) -> String {
    format!("the parameter {key:?} occurs twice in the query")
}

const PARAMETERS: &str = "listener, address, sni, sigalgs, client, tls, ciphers, groups, alpn, hello";
