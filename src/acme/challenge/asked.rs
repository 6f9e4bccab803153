//! What an authority asks for in a challenge. Must not know: how it is answered.

use serde_json::Value;

use crate::acme::settings::{ChallengeKind, Identifier};

/// What has to be answered.
pub struct Asked<'a> {
    pub kind: ChallengeKind,
    pub identifier: &'a Identifier,
    pub token: String,
    /// The key authorization (RFC 8555 section 8.1), its SHA-256, and that in base64url.
    pub authorization: String,
    pub digest: [u8; 32],
    pub record: String,
    /// The URL of the account, and the thumbprint of its key (RFC 7638) in base64url.
    pub account: &'a str,
    pub thumbprint: &'a str,
    /// What hashed URIs of accounts begin with, where the authority has them (draft-ietf-acme-dns-persist section 4.1).
    pub hash_prefix: Option<&'a str>,
    /// Seconds since 1970.
    pub now: i64,
    /// The challenge as the authority sent it.
    pub offered: Value,
}
