//! An answer: a status and a body, mostly JSON. Must not know: the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::admin::connection::permits::{Doing, Permit};

/// An answer before it is sent. Clones share its body.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Answer {
    pub(in crate::admin) status: StatusCode,
    content_type: &'static str,
    pub(in crate::admin) body: Bytes,
    /// Those that not every answer has. They take the place of those that every answer has.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(in crate::admin) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    pub(in crate::admin) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(mut body) => {
                // It grew by doubling, and a client that does not read holds all of it.
                body.shrink_to_fit();
                Self::new(status, JSON, body)
            }
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("cannot write the answer: {error}")),
        }
    }

    /// An error with a message for people.
    pub(in crate::admin) fn error(status: StatusCode, message: &str) -> Self {
        Self::new(status, JSON, json!({ "error": message }).to_string())
    }

    pub(in crate::admin) fn unauthorized(message: &str) -> Self {
        Self::error(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, "Bearer")
    }

    /// The path is known, and `allowed` are its methods.
    pub(in crate::admin) fn not_allowed(allowed: String) -> Self {
        let message = format!("this method is not allowed here (expected {allowed})");
        Self::error(StatusCode::METHOD_NOT_ALLOWED, &message).with(ALLOW, &allowed)
    }

    /// A text of the given type.
    pub(in crate::admin) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, content_type, text)
    }

    /// A page for a browser, which loads nothing from elsewhere, runs no script but ours, and is shown in no other page.
    pub(in crate::admin) fn page(status: StatusCode, document: String) -> Self {
        // The referrer must not be "no-referrer": a browser would then send "Origin: null" with our own forms.
        Self::new(status, "text/html; charset=utf-8", document)
            .with(CONTENT_SECURITY_POLICY, POLICY)
            .with(REFERRER_POLICY, "same-origin")
    }

    /// Leads a browser to another page, which it asks for with GET.
    pub(in crate::admin) fn see_other(address: &str) -> Self {
        Self::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "").with(LOCATION, address)
    }

    /// What the client has is still right.
    pub(in crate::admin) fn not_modified(content_type: &'static str) -> Self {
        Self::new(StatusCode::NOT_MODIFIED, content_type, "")
    }

    /// The same answer with another header. One whose value no header can have is left out.
    pub(in crate::admin) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        self
    }

    /// The same answer with another status.
    pub(in crate::admin) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    #[cfg(test)]
    pub(in crate::admin) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The same answer, with its bytes counted in `held` as long as a clone of it exists.
    pub(in crate::admin) fn counted(self, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(self.body.len(), Ordering::AcqRel);
        let body = Bytes::from_owner(Counted { body: self.body, held: Arc::clone(held) });
        Self { body, ..self }
    }

    /// The response to be sent on a connection. Its permit counts as sending until the body has been written.
    pub(in crate::admin) fn into_response(self, permit: Arc<Permit>) -> Response<Full<Bytes>> {
        permit.becomes(Doing::Sending);
        // hyper has no event for the end of a body, but it drops the body then.
        let body = Bytes::from_owner(Sent { body: self.body, permit });
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        // An answer shows the present state, so it must not be cached, and a browser must not run it as a script or a page.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // No other site may show or read it in a page of its own, not even a picture.
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

/// A body whose bytes are counted.
struct Counted {
    body: Bytes,
    held: Arc<AtomicUsize>,
}

/// A body that a connection sends. hyper drops it when its last byte has been written.
struct Sent {
    body: Bytes,
    permit: Arc<Permit>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.body.len(), Ordering::AcqRel);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.permit.becomes(Doing::Receiving);
    }
}

pub(in crate::admin) const JSON: &str = "application/json";
/// What a page may do: nothing but what is named.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Fetch, section 3.7.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
