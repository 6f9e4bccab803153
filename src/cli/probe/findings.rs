//! The findings about one server, for text and JSON. Must not know: how they were found, how they are shown.

use serde::Serialize;

use super::certificate::Facts;
use super::found::{self, Version};
use super::proof::Proof;

/// What a server offers.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub(super) target: String,
    pub(super) server_name: Option<String>,
    /// Newest first, accepted or not.
    pub(super) versions: Vec<Version>,
    pub(super) certificates: Vec<Facts>,
    /// How a client that sends no server name is refused; `None` where it is served.
    pub(super) without_server_name: Option<String>,
    pub(super) resumption: Vec<Resumption>,
    /// The offered protocols that it accepts, in its order of preference.
    pub(super) alpn: Vec<String>,
    pub(super) stops_fallback: Option<bool>,
    pub(super) secure_renegotiation: Option<bool>,
    pub(super) extended_master_secret: Option<bool>,
    pub(super) asks_for_client_certificate: bool,
    /// For each version that is accepted.
    pub(super) signatures: Vec<Signatures>,
    /// What a correct server would not have done.
    pub(super) notes: Vec<String>,
    pub(super) expectation: Option<Expectation>,
}

#[derive(Debug, Serialize)]
pub(super) struct Resumption {
    pub(super) version: String,
    /// Whether the server gave a ticket or a session ID to resume with.
    pub(super) offered: bool,
    pub(super) resumed: bool,
}

/// Whether the server's signatures under one version show that it has the key of its certificate.
#[derive(Debug, Serialize)]
pub(super) struct Signatures {
    #[serde(serialize_with = "found::as_version")]
    pub(super) version: u16,
    pub(super) result: Proof,
}

/// Whether a policy holds.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    pub(super) policy: String,
    pub(super) holds: bool,
    pub(super) differences: Vec<String>,
}
