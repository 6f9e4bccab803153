//! What is answered: a status and a JSON object. Must not know: who asked.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    hint: Hint,
}

/// What the client should know to do better.
#[derive(Debug)]
enum Hint {
    None,
    /// It should show the token.
    Authenticate,
    /// These methods are allowed.
    Methods(String),
}

impl Answer {
    pub(super) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, content_type: JSON, body: body.into(), hint: Hint::None },
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("no answer can be written: {error}")),
        }
    }

    /// What is wrong, in plain words.
    pub(super) fn error(status: StatusCode, said: &str) -> Self {
        Self { status, content_type: JSON, body: json!({ "error": said }).to_string().into(), hint: Hint::None }
    }

    pub(super) fn unauthorized(said: &str) -> Self {
        Self { hint: Hint::Authenticate, ..Self::error(StatusCode::UNAUTHORIZED, said) }
    }

    /// The path is known, and `allowed` is what can be done with it.
    pub(super) fn not_allowed(allowed: String) -> Self {
        let said = format!("this method is not allowed here (expected {allowed})");
        Self { hint: Hint::Methods(allowed), ..Self::error(StatusCode::METHOD_NOT_ALLOWED, &said) }
    }

    /// A text that is ready, of its own type.
    pub(super) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: text.into(), hint: Hint::None }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
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

pub(super) const JSON: &str = "application/json";
