//! An authority's answer to one request. Must not know: what was asked for.

use hyper::Method;
use hyper::body::Bytes;

/// An answer, as far as it matters.
#[derive(Debug, Clone)]
pub struct Answer {
    pub method: Method,
    pub url: String,
    pub status: u16,
    /// As a time, in seconds since 1970 (RFC 9110 section 10.2.3).
    pub retry_after: Option<i64>,
    pub location: Option<String>,
    pub content_type: Option<String>,
    pub nonce: Option<String>,
    pub body: Bytes,
}
