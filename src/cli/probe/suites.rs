//! Cipher suites by number: what their names mean, and which of them to offer. Must not know: connections, what a server
//! answered.

use crate::tls::wire::codes;
use crate::tls::wire::codes::suites::ALL;
use crate::tls::wire::codes::versions::TLS13;

/// The kind of key exchange of a suite, as far as it shows in the server's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// ServerKeyExchange names a curve, and is signed unless the suite is anonymous.
    Ecdhe,
    /// ServerKeyExchange carries a prime, and is signed unless the suite is anonymous.
    Dhe,
    /// Anything else: static keys, PSK, SRP, or TLS 1.3, where it does not depend on the suite.
    Other,
}

/// The kind of certificate that a suite needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    Rsa,
    /// ECDSA and EdDSA.
    Ecdsa,
    /// None, a shared key, DSS and others; or TLS 1.3, where it does not depend on the suite.
    Other,
}

/// All suites to offer under a version, best first where that is known.
pub(super) fn of(version: u16) -> Vec<u16> {
    let tls13 = version == TLS13;
    let offered = ALL.iter().filter(|(suite, name, _)| is_suite_of_tls(name) && is_tls13(*suite) == tls13);
    let mut suites: Vec<u16> = offered.map(|(suite, ..)| *suite).collect();
    // The order only matters to servers that follow the client's. Good suites come first, as from a modern client.
    suites.sort_by_key(|suite| std::cmp::Reverse((is_fit(*suite), *suite)));
    suites
}

pub(super) fn exchange(suite: u16) -> Exchange {
    let name = name(suite);
    // With a PSK, the message begins with a hint (RFC 4279, RFC 5489), so it cannot be read like the others.
    if name.contains("_PSK_") || name.starts_with("TLS_PSK") {
        Exchange::Other
    } else if name.starts_with("TLS_ECDHE_") || name.starts_with("TLS_ECDH_anon_") {
        Exchange::Ecdhe
    } else if name.starts_with("TLS_DHE_") || name.starts_with("TLS_DH_anon_") {
        Exchange::Dhe
    } else {
        Exchange::Other
    }
}

pub(super) fn is_anonymous(suite: u16) -> bool {
    name(suite).contains("_anon_")
}

pub(super) fn authentication(suite: u16) -> Authentication {
    let name = name(suite);
    let exchange = name.split_once("_WITH_").map_or("", |(exchange, _)| exchange);
    match exchange.trim_end_matches("_EXPORT").trim_end_matches("_EXPORT1024") {
        "TLS_RSA" | "TLS_DHE_RSA" | "TLS_ECDHE_RSA" => Authentication::Rsa,
        "TLS_ECDHE_ECDSA" | "TLS_ECCPWD" => Authentication::Ecdsa,
        _ => Authentication::Other,
    }
}

/// Whether a suite belongs to TLS 1.3, whose suites name no key exchange.
pub(super) fn is_tls13(suite: u16) -> bool {
    match (suite, name(suite)) {
        // The names of these suites of TLS 1.3 contain "_WITH_", like those before it (RFC 9367).
        (0xc103..=0xc106, _) => true,
        (_, "") => suite >> 8 == 0x13,
        (_, name) => !name.contains("_WITH_"),
    }
}

/// Why a suite should not be offered to any client; `None` where there is no such reason.
pub(super) fn weakness(suite: u16) -> Option<&'static str> {
    let name = name(suite);
    let has = |part: &str| name.contains(part);
    // The worst reason first. In TLS 1.3, only the two suites of RFC 9150 have no encryption.
    Some(match () {
        () if is_tls13(suite) && !has("_SHA256_SHA256") && !has("_SHA384_SHA384") => return None,
        () if has("_NULL_") || is_tls13(suite) => "no encryption",
        () if has("_anon_") => "no authentication",
        () if has("EXPORT") => "export key length",
        () if has("_RC4_") || has("_RC2_") => "broken cipher",
        () if has("_3DES_") || has("_DES_") || has("_DES40_") || has("_IDEA_") || has("28147") => "64-bit blocks",
        () if exchange(suite) == Exchange::Other => "no forward secrecy",
        () if has("_CBC_") => "CBC",
        () => return None,
    })
}

/// Whether it is a suite that today's clients offer first.
fn is_fit(suite: u16) -> bool {
    weakness(suite).is_none() && codes::openssl_name(suite).is_some()
}

/// Whether it is a real suite of TLS: not a signal, and not a suite that only SSL had.
fn is_suite_of_tls(name: &str) -> bool {
    name.starts_with("TLS_") && !name.ends_with("_SCSV")
}

/// The IANA name; empty where there is none.
fn name(suite: u16) -> &'static str {
    codes::iana_name(suite).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_name() {
        assert_eq!(exchange(0xc02f), Exchange::Ecdhe);
        assert_eq!(exchange(0x0033), Exchange::Dhe);
        assert_eq!(exchange(0x0034), Exchange::Dhe);
        assert!(is_anonymous(0x0034) && !is_anonymous(0x0033));
        assert_eq!(exchange(0x002f), Exchange::Other);
        assert_eq!(exchange(0xc035), Exchange::Other, "ECDHE_PSK has a hint in front");
        assert_eq!(authentication(0x0003), Authentication::Rsa);
        assert_eq!(authentication(0xc02b), Authentication::Ecdsa);
        assert_eq!(authentication(0x1301), Authentication::Other);
        assert_eq!(weakness(0x1301), None);
        assert_eq!(weakness(0xc02f), None);
        assert_eq!(weakness(0xc02b), None);
        assert_eq!(weakness(0xcca8), None);
        assert_eq!(weakness(0x009e), None);
        assert_eq!(weakness(0xc0b4), Some("no encryption"));
        assert_eq!(weakness(0x002f), Some("no forward secrecy"));
        assert_eq!(weakness(0xc013), Some("CBC"));
        assert_eq!(weakness(0x0005), Some("broken cipher"));
        assert_eq!(weakness(0x000a), Some("64-bit blocks"));
        assert_eq!(weakness(0x0018), Some("no authentication"));
        assert_eq!(weakness(0x0003), Some("export key length"));
        assert_eq!(weakness(0x0001), Some("no encryption"));
    }

    #[test]
    fn tls13_has_suites_of_its_own() {
        let tls13 = of(0x0304);
        assert_eq!(tls13.iter().filter(|suite| **suite >> 8 == 0x13).count(), 7);
        assert!(!tls13.contains(&0xc02f));
        assert!(of(0x0303).contains(&0xc02f) && !of(0x0303).contains(&0x1301));
        assert!(!of(0x0303).contains(&0x00ff) && !of(0x0303).contains(&0x5600) && !of(0x0303).contains(&0xfeff));
        // The two signals, and the four suites that are SSL's alone.
        assert_eq!(of(0x0303).len() + tls13.len(), ALL.len() - 6);
    }
}
