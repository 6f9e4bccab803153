//! An answer: a status and a body, mostly JSON. Must not know: the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
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
    hint: Hint,
}

/// A header that shows the client what is expected.
#[derive(Debug, Clone)]
enum Hint {
    None,
    /// The client has to send the token.
    Authenticate,
    /// These methods are allowed.
    Methods(String),
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
                Self { status, content_type: JSON, body: body.into(), hint: Hint::None }
            }
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("cannot write the answer: {error}")),
        }
    }

    /// An error with a message for people.
    pub(in crate::admin) fn error(status: StatusCode, message: &str) -> Self {
        Self { status, content_type: JSON, body: json!({ "error": message }).to_string().into(), hint: Hint::None }
    }

    pub(in crate::admin) fn unauthorized(message: &str) -> Self {
        Self { hint: Hint::Authenticate, ..Self::error(StatusCode::UNAUTHORIZED, message) }
    }

    /// The path is known, and `allowed` are its methods.
    pub(in crate::admin) fn not_allowed(allowed: String) -> Self {
        let message = format!("this method is not allowed here (expected {allowed})");
        Self { hint: Hint::Methods(allowed), ..Self::error(StatusCode::METHOD_NOT_ALLOWED, &message) }
    }

    /// A text of the given type.
    pub(in crate::admin) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: text.into(), hint: Hint::None }
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
        match self.hint {
            Hint::None => {}
            Hint::Authenticate => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Hint::Methods(allowed) => {
                headers.extend(HeaderValue::try_from(allowed).ok().map(|allowed| (ALLOW, allowed)))
            }
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
