//! What is known of every certificate and every authority, for who shows it. Must not know: who shows it, how it came about.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::acme::settings::{Authority, Wanted};
use crate::words::words;

/// Everything at one moment. Times are seconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// In the order of the configuration.
    pub certificates: Vec<OfCertificate>,
    /// In the order of the configuration.
    pub authorities: Vec<OfAuthority>,
    /// The process that holds the state folder, where that is another one: this process orders nothing then. 0 where its
    /// number is not known.
    pub locked_by: Option<u32>,
    /// Whether another process orders for this one: the one that leads the fleet.
    pub is_led: bool,
    /// Its name, where it is known.
    pub leader: Option<String>,
    /// Why this process orders nothing although it leads.
    pub trouble: Option<String>,
}

/// One certificate that is kept.
#[derive(Debug, Clone)]
pub struct OfCertificate {
    pub wanted: Arc<Wanted>,
    pub state: State,
    /// The authority that issued it: the one that is asked first, or a fallback.
    pub issued_by: Option<Arc<str>>,
    /// Upper-case hex, as `openssl x509 -serial` prints it.
    pub serial: Option<String>,
    pub not_before: Option<i64>,
    pub not_after: Option<i64>,
    /// The next attempt.
    pub next: Option<Next>,
    /// Attempts that have failed since the last one that succeeded.
    pub failures: u32,
    pub last_failure: Option<Failure>,
    /// A page of the authority that explains when it asks for a renewal (RFC 9773 section 4.2).
    pub explanation: Option<String>,
}

/// What has become of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// There is none yet.
    Pending,
    /// There is one, and the last attempt to get one succeeded.
    Valid,
    /// There is one, and another is being ordered.
    Renewing,
    /// The last attempt failed, whether there is one or not; or it has expired.
    Failed,
}

words! { State { Pending => "pending", Valid => "valid", Renewing => "renewing", Failed => "failed" } }

/// When a certificate is ordered next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    pub at: i64,
    pub why: Why,
}

/// Why a certificate is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// There is none yet.
    First,
    /// Little of its lifetime is left.
    Lifetime,
    /// The authority proposes that time (RFC 9773).
    Ari,
    /// The authority proposes a time that is past: it is about to revoke the certificate, or it is revoked.
    Withdrawn,
    /// An attempt has failed.
    Retry,
    /// An operator asks for it.
    Asked,
}

words! {
    Why {
        First => "first", Lifetime => "lifetime", Ari => "ari", Withdrawn => "withdrawn", Retry => "retry", Asked => "asked",
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub at: i64,
    /// For people: what was found and what was expected, with the words of the authority.
    pub message: String,
    /// The authority's problem document (RFC 7807) as it was sent.
    pub problem: Option<serde_json::Value>,
    /// The authority that was asked.
    pub authority: String,
}

/// One authority.
#[derive(Debug, Clone)]
pub struct OfAuthority {
    pub authority: Arc<Authority>,
    /// The URL of the account.
    pub account: Option<String>,
    /// HTTP requests since the start of the process.
    pub requests: u64,
    /// Orders since the start of the process, by how they ended: `issued` or `failed`.
    pub renewals: BTreeMap<&'static str, u64>,
    /// Until when the authority has asked for no more requests (`Retry-After`).
    pub paused_until: Option<i64>,
    /// The URL of its terms of service.
    pub terms: Option<String>,
}
