//! Cipher suites by number: their names, and what follows from them. Must not know: connections, what a server said.

mod table;

/// How the key exchange of a suite goes, as far as it shows in the server's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// ServerKeyExchange names a curve, and is signed unless the suite is anonymous.
    Ecdhe,
    /// ServerKeyExchange carries a prime, and is signed unless the suite is anonymous.
    Dhe,
    /// Anything else: static keys, PSK, SRP, or TLS 1.3, where the suite says nothing about it.
    Other,
}

/// Whose certificate a suite needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    Rsa,
    /// ECDSA and EdDSA.
    Ecdsa,
    /// None, a shared key, DSS and others; or TLS 1.3, where the suite says nothing about it.
    Other,
}

/// The IANA name; a number in hex where there is none.
pub(super) fn name(suite: u16) -> String {
    found(suite).map_or_else(|| format!("0x{suite:04x}"), |(_, name, _)| (*name).to_owned())
}

/// OpenSSL's name, where it has one.
pub(super) fn openssl_name(suite: u16) -> Option<&'static str> {
    found(suite).map(|(_, _, name)| *name).filter(|name| !name.is_empty())
}

/// All suites to offer under a version, best first where that is known.
pub(super) fn of(version: u16) -> Vec<u16> {
    let tls13 = version == super::hello::TLS13;
    let mut suites: Vec<u16> =
        table::ALL.iter().filter(|(suite, ..)| is_tls13(*suite) == tls13).map(|(suite, ..)| *suite).collect();
    // Only who follows the client's order is led by this: it is better that they show what they do with a good client.
    suites.sort_by_key(|suite| std::cmp::Reverse((is_fit(*suite), *suite)));
    suites
}

pub(super) fn exchange(suite: u16) -> Exchange {
    let name = found(suite).map_or("", |(_, name, _)| *name);
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
    found(suite).is_some_and(|(_, name, _)| name.contains("_anon_"))
}

pub(super) fn authentication(suite: u16) -> Authentication {
    let name = found(suite).map_or("", |(_, name, _)| *name);
    let exchange = name.split_once("_WITH_").map_or("", |(exchange, _)| exchange);
    match exchange.trim_end_matches("_EXPORT").trim_end_matches("_EXPORT1024") {
        "TLS_RSA" | "TLS_DHE_RSA" | "TLS_ECDHE_RSA" => Authentication::Rsa,
        "TLS_ECDHE_ECDSA" | "TLS_ECCPWD" => Authentication::Ecdsa,
        _ => Authentication::Other,
    }
}

/// The suites of TLS 1.3 name no key exchange.
pub(super) fn is_tls13(suite: u16) -> bool {
    match found(suite) {
        // RFC 9367 gave these two names with the old pattern's word in the middle.
        Some((0xc103..=0xc106, ..)) => true,
        Some((_, name, _)) => !name.contains("_WITH_"),
        None => suite >> 8 == 0x13,
    }
}

/// What a reader should see at once: why nobody should be offered this suite, if there is such a reason.
pub(super) fn weakness(suite: u16) -> Option<&'static str> {
    let name = found(suite).map_or("", |(_, name, _)| *name);
    let has = |part: &str| name.contains(part);
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

/// Whether it is one that today's clients offer first.
fn is_fit(suite: u16) -> bool {
    weakness(suite).is_none() && openssl_name(suite).is_some()
}

fn found(suite: u16) -> Option<&'static (u16, &'static str, &'static str)> {
    table::ALL.binary_search_by_key(&suite, |(suite, ..)| *suite).ok().and_then(|at| table::ALL.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_each_suite_once() {
        assert!(table::ALL.len() > 350);
        assert!(table::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut names: Vec<_> = table::ALL.iter().map(|(_, name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table::ALL.len());
    }

    #[test]
    fn the_names_are_those_that_rustls_has() {
        let mut compared = 0;
        for (suite, name, _) in table::ALL {
            let Some(theirs) = rustls::CipherSuite::from(*suite).as_str() else { continue };
            // rustls has both of this number's meanings in one name.
            if *suite != 0x001e {
                assert_eq!(*name, theirs.replacen("TLS13_", "TLS_", 1));
                compared += 1;
            }
        }
        assert!(compared > 200, "only {compared} compared");
    }

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
        assert_eq!(of(0x0303).len() + tls13.len(), table::ALL.len());
    }
}
