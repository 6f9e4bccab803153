//! What a handshake agreed on and which certificate was chosen → what the log and the metrics report of it.
//! Must not know: how a record is written.

use std::borrow::Cow;

use crate::observe::access::record::{Served, Tls};
use crate::route::index;
use crate::tls::certificate::select::{Choice, Tier};
use crate::tls::record::handshaking::Negotiated;
use crate::tls::wire::codes;

pub(super) fn served(choice: &Choice) -> Served {
    let certificate = &choice.certificate;
    Served {
        signature_scheme: codes::scheme_name(choice.scheme),
        sha256: hex(&certificate.fingerprint),
        chosen_cert: certificate.label.to_string(),
        chosen_cert_serial: certificate.serial.to_string(),
    }
}

pub(super) fn agreed(negotiated: &Negotiated) -> Tls {
    Tls {
        version: always(codes::version_name(negotiated.version)),
        cipher: always(codes::suite_name(negotiated.suite)),
        openssl_cipher: always(codes::openssl_suite_name(negotiated.suite)),
        group: negotiated.group.map(codes::group_name),
        resumed: negotiated.resumed,
        next_protocol: negotiated.alpn.as_deref().map(|protocol| index::shown(protocol).into()),
    }
}

/// A name from a table; every version and suite that can be agreed on has one.
// `&'static str`, so that a record, which each connection has, needs no allocation for it.
fn always(name: Cow<'static, str>) -> &'static str {
    match name {
        Cow::Borrowed(name) => name,
        Cow::Owned(_) => "-",
    }
}

fn hex(bytes: &[u8]) -> String {
    // Upper case, as OpenTelemetry defines tls.server.hash.sha256.
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

/// How the certificate matched the name. An expired certificate that had to be served has labels of its own, so that
/// each such use can be noticed.
pub(super) fn match_label(choice: &Choice) -> &'static str {
    match (choice.tier, choice.valid) {
        (Tier::Exact, true) => "exact",
        (Tier::Wildcard, true) => "wildcard",
        (Tier::Address, true) => "address",
        (Tier::Default, true) => "default",
        (Tier::Exact, false) => "exact_invalid",
        (Tier::Wildcard, false) => "wildcard_invalid",
        (Tier::Address, false) => "address_invalid",
        (Tier::Default, false) => "default_invalid",
    }
}
