//! What a server was found to accept. Pure. Must not know: how it was asked.

use serde::{Serialize, Serializer};

use super::suites;
use crate::tls::wire::codes;

/// What a server does under one version.
#[derive(Debug, Serialize)]
pub(super) struct Version {
    #[serde(serialize_with = "as_version")]
    pub(super) version: u16,
    pub(super) accepted: bool,
    /// In the order in which the server chooses them.
    pub(super) suites: Vec<Suite>,
    /// Whose order decides, where there is a choice.
    pub(super) cipher_order: Option<Order>,
    #[serde(serialize_with = "as_groups")]
    pub(super) groups: Vec<u16>,
    pub(super) group_order: Option<Order>,
    /// False where there may be other groups, hidden by the curve of an ECDSA certificate (RFC 8422 section 5.1).
    pub(super) groups_complete: bool,
    /// Why there may be more suites or groups; `None` where the server has refused the rest.
    pub(super) incomplete: Option<String>,
    /// How the server refuses what it does not accept; `None` where it does so as TLS says, with an alert.
    pub(super) refuses_without_alert: Option<String>,
    /// How the server refuses this version; `None` where it accepts it.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Suite {
    #[serde(serialize_with = "as_number")]
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) openssl_name: Option<&'static str>,
    /// What is wrong with it.
    pub(super) weakness: Option<&'static str>,
    /// Bits of the prime, where it is DHE.
    pub(super) dh_bits: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    Server,
    Client,
}

/// What the answers show in addition.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Leaf and rest, from Certificate messages in the clear, with the version.
    pub(super) chains: Vec<(u16, Vec<Vec<u8>>)>,
    pub(super) secure_renegotiation: Option<bool>,
    pub(super) extended_master_secret: Option<bool>,
    pub(super) asks_for_certificate: bool,
}

/// What is known of a suite by its number.
pub(super) fn suite(id: u16, dh_bits: Option<usize>) -> Suite {
    let (name, openssl_name, weakness) =
        (codes::suite_name(id).into_owned(), codes::openssl_name(id), suites::weakness(id));
    Suite { id, name, openssl_name, weakness, dh_bits }
}

pub(super) fn as_version<S: Serializer>(version: &u16, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&codes::version_name(*version))
}

fn as_number<S: Serializer>(number: &u16, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("0x{number:04x}"))
}

fn as_groups<S: Serializer>(list: &[u16], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|group| codes::group_name(*group)))
}
