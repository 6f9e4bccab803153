//! What each client was given, for text and JSON. Must not know: how it was found, how it is shown.

use serde::Serialize;

use crate::cli::probe::certificate::Facts;
use crate::cli::probe::stamp::Stamp;

/// What a server gives to each client.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Report {
    #[serde(flatten)]
    pub(in crate::cli::probe) stamp: Stamp,
    pub(in crate::cli::probe) target: String,
    pub(in crate::cli::probe) server_name: Option<String>,
    pub(in crate::cli::probe) clients: Vec<Given>,
    pub(in crate::cli::probe) certificates: Vec<Facts>,
}

/// What one client is given; `None` where it is given nothing of the kind, or where that is not known.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Given {
    pub(in crate::cli::probe) client: String,
    /// Which program it is, and where its ClientHello comes from.
    pub(in crate::cli::probe) source: String,
    pub(in crate::cli::probe) result: Treatment,
    pub(in crate::cli::probe) version: Option<String>,
    pub(in crate::cli::probe) suite: Option<String>,
    pub(in crate::cli::probe) openssl_suite: Option<String>,
    pub(in crate::cli::probe) group: Option<String>,
    pub(in crate::cli::probe) dh_bits: Option<usize>,
    /// The group of a HelloRetryRequest, which costs the client a round trip.
    pub(in crate::cli::probe) asked_again_for: Option<String>,
    pub(in crate::cli::probe) signature_scheme: Option<String>,
    /// The number of its certificate among `certificates`, from 1.
    pub(in crate::cli::probe) certificate: Option<usize>,
    pub(in crate::cli::probe) alpn: Option<String>,
    pub(in crate::cli::probe) asks_for_client_certificate: bool,
    pub(in crate::cli::probe) alert: Option<String>,
    pub(in crate::cli::probe) alert_code: Option<u8>,
    /// Why it is not served; or, where it is, why not everything is known.
    pub(in crate::cli::probe) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli::probe) enum Treatment {
    Served,
    /// The server ends the connection without an agreement.
    Refused,
    /// The answer is not one that the client can use.
    Failed,
}

impl Report {
    /// Whether the server has served any client.
    pub(in crate::cli::probe) fn serves_any(&self) -> bool {
        self.clients.iter().any(|client| client.result == Treatment::Served)
    }
}
