//! What was found out about one server, as it is shown and as JSON. Must not know: how it was found out, how it is shown.

use serde::Serialize;

use super::certificate::Facts;
use super::scan::Version;

/// What a server offers.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub(super) target: String,
    pub(super) server_name: Option<String>,
    /// Newest first, accepted or not.
    pub(super) versions: Vec<Version>,
    pub(super) certificates: Vec<Facts>,
    /// What happens to a client that names no server.
    pub(super) without_server_name: Option<String>,
    pub(super) resumption: Vec<Resumption>,
    /// The protocols that it agrees to of those that were offered, in its order.
    pub(super) alpn: Vec<String>,
    pub(super) stops_fallback: Option<bool>,
    pub(super) secure_renegotiation: Option<bool>,
    pub(super) extended_master_secret: Option<bool>,
    pub(super) asks_for_client_certificate: bool,
    /// What went otherwise than it should.
    pub(super) notes: Vec<String>,
    pub(super) expectation: Option<Expectation>,
}

#[derive(Debug, Serialize)]
pub(super) struct Resumption {
    pub(super) version: String,
    /// Whether it gave something to resume with.
    pub(super) offered: bool,
    pub(super) resumed: bool,
}

/// Whether a policy holds.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    pub(super) policy: String,
    pub(super) holds: bool,
    pub(super) differences: Vec<String>,
}
