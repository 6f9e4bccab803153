//! OpenSSL's cipher strings (openssl-ciphers(1)) → the suites of TLS 1.2 that tlsgate has, in the order that the string
//! gives them. Must not know: who wrote the string, TLS 1.3, whose suites are a list of their own.

use crate::tls::policy::names::{PolicyError, parse_suite};
use crate::tls::wire::codes;

/// What a string selects, and what of it tlsgate does not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    /// OpenSSL's names, the preferred one first.
    pub(super) suites: Vec<&'static str>,
    /// Suites that the string names one by one, with the reason why tlsgate does not have them.
    pub(super) refused: Vec<(String, String)>,
    /// Words that select suites which tlsgate does not have, besides others.
    pub(super) wide: Vec<String>,
    /// What OpenSSL would not understand either, or what only some builds of it do.
    pub(super) unknown: Vec<String>,
}

/// Follows the string from left to right.
pub(super) fn selected(text: &str) -> Selected {
    let mut selected = Selected::default();
    let mut killed: Vec<&'static str> = Vec::new();
    for (index, part) in text.split([':', ',', ' ', ';']).filter(|part| !part.is_empty()).enumerate() {
        if let Some(command) = part.strip_prefix('@') {
            match command {
                "STRENGTH" => selected.suites.sort_by_key(|name| !is_strong(name)),
                other if other.starts_with("SECLEVEL=") => {}
                _ => selected.unknown.push(part.to_owned()),
            }
            continue;
        }
        let (sign, words) = match part.as_bytes().first() {
            Some(b'!' | b'-' | b'+') => part.split_at(1),
            _ => ("", part),
        };
        // It stands for another string, which ends with what is removed for good.
        let words = match words {
            "DEFAULT" | "PROFILE=SYSTEM" if sign.is_empty() && index == 0 => "ALL",
            other => other,
        };
        let matching = match matching(words) {
            Some(matching) => matching,
            None if sign.is_empty() => {
                selected.strange(words);
                continue;
            }
            // A suite that tlsgate does not have is removed anyway.
            None => continue,
        };
        match sign {
            "" => {
                let new = matching.iter().filter(|name| !killed.contains(name) && !selected.suites.contains(name));
                let new: Vec<_> = new.copied().collect();
                selected.suites.extend(new);
                if is_wide(words) {
                    selected.wide.push(words.to_owned());
                }
            }
            "+" => {
                let (moved, kept) = { &selected.suites }.iter().partition(|name| matching.contains(*name));
                let (moved, mut kept): (Vec<_>, Vec<_>) = (moved, kept);
                kept.extend(moved);
                selected.suites = kept;
            }
            other => {
                selected.suites.retain(|name| !matching.contains(name));
                if other == "!" {
                    killed.extend(&matching);
                }
            }
        }
    }
    selected
}

impl Selected {
    fn strange(&mut self, words: &str) {
        match parse_suite(words) {
            Err(PolicyError::RefusedSuite(name, why)) => self.refused.push((name, why)),
            _ => self.unknown.push(words.to_owned()),
        }
    }
}

/// The suites that have all of these words. `None` if a word is neither a suite of tlsgate nor a word of OpenSSL.
fn matching(words: &str) -> Option<Vec<&'static str>> {
    let mut matching: Vec<&'static str> = ALL.iter().map(|(name, _)| *name).collect();
    for word in words.split('+') {
        if let Some(name) = named(word) {
            matching.retain(|known| *known == name);
        } else if EVERY.contains(&word) {
            continue;
        } else if ALL.iter().any(|(_, tags)| tags.contains(&word)) {
            matching.retain(|known| ALL.iter().any(|(name, tags)| name == known && tags.contains(&word)));
        } else if NONE.contains(&word) {
            matching.clear();
        } else {
            return None;
        }
    }
    Some(matching)
}

/// OpenSSL's name of a suite that tlsgate has, under either of its names.
fn named(word: &str) -> Option<&'static str> {
    let suite = parse_suite(word).ok()?;
    let name = codes::openssl_suite_name(suite);
    ALL.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// Whether the words also select suites with CBC, static RSA or finite-field Diffie-Hellman.
fn is_wide(words: &str) -> bool {
    let narrow = ["AESGCM", "CHACHA20"];
    let forward = ["ECDHE", "EECDH", "kECDHE", "kEECDH"];
    let words: Vec<&str> = words.split('+').collect();
    let one = words.iter().any(|word| named(word).is_some());
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    !(one || has(&narrow) && has(&forward))
}

fn is_strong(name: &str) -> bool {
    !name.contains("AES128")
}

/// The suites of TLS 1.2 that tlsgate has, in OpenSSL's order, each with OpenSSL's words that select it.
const ALL: &[(&str, &[&str])] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "FIPS"]),
    ("ECDHE-RSA-AES256-GCM-SHA384", &["aRSA", "AES", "AES256", "AESGCM", "FIPS"]),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", &["ECDSA", "aECDSA", "CHACHA20"]),
    ("ECDHE-RSA-CHACHA20-POLY1305", &["aRSA", "CHACHA20"]),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "FIPS"]),
    ("ECDHE-RSA-AES128-GCM-SHA256", &["aRSA", "AES", "AES128", "AESGCM", "FIPS"]),
];

/// Words that select all of them.
const EVERY: &[&str] = &["ALL", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH"];

/// Words that select none of them.
const NONE: &[&str] = &[
    "3DES",
    "ADH",
    "AECDH",
    "AESCCM",
    "AESCCM8",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "CBC",
    "DES",
    "DH",
    "DHE",
    "DSS",
    "EDH",
    "EXP",
    "EXPORT",
    "EXPORT40",
    "EXPORT56",
    "GOST89MAC",
    "GOST94",
    "IDEA",
    "KRB5",
    "LOW",
    "MD5",
    "MEDIUM",
    "NULL",
    "PSK",
    "RC2",
    "RC4",
    "RSA",
    "SEED",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA384",
    "SRP",
    "SSLv2",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
    "aDH",
    "aDSS",
    "aECDH",
    "aGOST",
    "aGOST01",
    "aKRB5",
    "aNULL",
    "aPSK",
    "aSRP",
    "eNULL",
    "kDH",
    "kDHE",
    "kDHEPSK",
    "kDHd",
    "kDHr",
    "kECDH",
    "kECDHEPSK",
    "kECDHe",
    "kECDHr",
    "kEDH",
    "kGOST",
    "kKRB5",
    "kPSK",
    "kRSA",
    "kRSAPSK",
    "kSRP",
];
