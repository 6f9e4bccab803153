//! A request → the key authorization of a pending challenge, or the redirect to https. Pure. Must not know: connections.

use std::net::{Ipv4Addr, Ipv6Addr};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::tokens::Tokens;
use crate::tls::certificate::name::Name;

/// The answer to a request, whose body is not looked at.
pub(super) fn answer<B>(request: &Request<B>, tokens: &Tokens) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && let Some(authorization) = path.strip_prefix(PREFIX).and_then(|token| tokens.get(token)) {
        tracing::debug!(path, "answered a challenge over HTTP");
        // RFC 8555 section 8.3: the media type is for the server to choose, and this one is recommended.
        let octets = HeaderValue::from_static("application/octet-stream");
        return with(StatusCode::OK, (CONTENT_TYPE, octets), authorization);
    }
    // A token that is not pending is redirected like everything else: authorities follow, and a server behind may have it.
    match location(request).and_then(|location| HeaderValue::try_from(location).ok()) {
        // 308, so that the method stays the same (RFC 9110 section 15.4.9).
        Some(location) => with(StatusCode::PERMANENT_REDIRECT, (LOCATION, location), String::new()),
        None => with(StatusCode::BAD_REQUEST, (CONTENT_TYPE, HeaderValue::from_static("text/plain")), BAD.to_owned()),
    }
}

fn with(
    status: StatusCode,
    (name, value): (hyper::header::HeaderName, HeaderValue),
    body: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response
}

/// The same URL with https, at the port that https has. `None` where the request does not say which host it is for.
fn location<B>(request: &Request<B>) -> Option<String> {
    let uri = request.uri();
    let named = match uri.authority() {
        // RFC 9112 section 3.2.2: the host of an absolute target replaces the field.
        Some(authority) => authority.as_str(),
        None => {
            let mut fields = request.headers().get_all(HOST).iter();
            match (fields.next(), fields.next()) {
                (Some(only), None) => only.to_str().ok()?,
                _ => return None,
            }
        }
    };
    let (host, target) = (host(named)?, target(uri)?);
    Some(format!("https://{host}{target}"))
}

/// The host of `HOST[:PORT]`, written anew from what was parsed: nothing else of the client's bytes gets into the answer.
fn host(named: &str) -> Option<String> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = named.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let fits = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return address.parse().ok().filter(|_| fits).map(|address: Ipv6Addr| format!("[{address}]"));
    }
    let (name, port) = named.split_once(':').unwrap_or((named, ""));
    if !is_port(port) {
        return None;
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    match Name::parse(name) {
        Ok(Name::Exact(name)) => Some(name.into()),
        Ok(Name::Wildcard(_)) | Err(_) => None,
    }
}

/// Path and query, with every byte escaped that RFC 3986 sections 3.3 and 3.4 do not allow there.
fn target(uri: &Uri) -> Option<String> {
    let whole = uri.path_and_query()?.as_str();
    if !whole.starts_with('/') {
        return None;
    }
    let mut escaped = String::with_capacity(whole.len());
    for byte in whole.bytes() {
        match byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte) {
            true => escaped.push(byte.into()),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(escaped)
}

/// RFC 8555 section 8.3.
const PREFIX: &str = "/.well-known/acme-challenge/";
/// Besides letters and digits. `%` was escaped by the client already.
const ALLOWED: &[u8] = b"-._~!$&'()*+,;=:@/?%";
const BAD: &str = "expected one Host field with a name or an address\n";

#[cfg(test)]
mod tests;
