//! Mozilla's guidelines "Server Side TLS". Data only.
//!
//! Source: <https://ssl-config.mozilla.org/guidelines/6.0.json> and 5.8.json, both published on 2026-04-06, read on
//! 2026-11-29. What a guideline of that version means never changes. 6.0 has no configuration "old". Left out is what is not
//! about TLS (HSTS), and OCSP stapling, since certificates without OCSP have become common.

use std::borrow::Cow;

use super::guideline::{Certificates, Groups, Guideline};

/// The newest and strictest first.
pub(super) static ALL: [Guideline; 5] = [
    modern("Mozilla modern 6.0", V6, HYBRID),
    intermediate("Mozilla intermediate 6.0", V6, HYBRID, INTERMEDIATE_6),
    modern("Mozilla modern 5.8", V5, CLASSIC),
    intermediate("Mozilla intermediate 5.8", V5, CLASSIC, INTERMEDIATE_5),
    Guideline {
        name: Cow::Borrowed("Mozilla old 5.8"),
        source: V5,
        versions: &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
        suites: Cow::Borrowed(OLD),
        groups: Groups::Only(CLASSIC),
        dh_bits: Some(1024),
        certificates: Some(Certificates {
            kinds: &["RSA"],
            curves: CURVES,
            signatures: &["sha256WithRSAEncryption"],
            rsa_bits: Some(2048),
            most_days: 366,
            advised_days: 90,
        }),
        is_good: false,
    },
];

const fn modern(name: &'static str, source: &'static str, groups: &'static [&'static str]) -> Guideline {
    Guideline {
        name: Cow::Borrowed(name),
        source,
        versions: &["TLSv1.3"],
        suites: Cow::Borrowed(TLS13),
        groups: Groups::Only(groups),
        dh_bits: None,
        certificates: Some(Certificates {
            kinds: &["ECDSA"],
            curves: CURVES,
            signatures: &["ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512"],
            rsa_bits: None,
            most_days: 90,
            advised_days: 90,
        }),
        is_good: true,
    }
}

const fn intermediate(
    name: &'static str,
    source: &'static str,
    groups: &'static [&'static str],
    suites: &'static [&'static str],
) -> Guideline {
    Guideline {
        name: Cow::Borrowed(name),
        source,
        versions: &["TLSv1.2", "TLSv1.3"],
        suites: Cow::Borrowed(suites),
        groups: Groups::Only(groups),
        dh_bits: Some(2048),
        certificates: Some(Certificates {
            kinds: &["ECDSA", "RSA"],
            curves: CURVES,
            signatures: &["sha256WithRSAEncryption", "ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512"],
            rsa_bits: Some(2048),
            most_days: 366,
            advised_days: 90,
        }),
        is_good: true,
    }
}

const V6: &str = "https://ssl-config.mozilla.org/guidelines/6.0.json of 2026-04-06";
const V5: &str = "https://ssl-config.mozilla.org/guidelines/5.8.json of 2026-04-06";

const HYBRID: &[&str] = &["X25519MLKEM768", "X25519", "prime256v1", "secp384r1"];
const CLASSIC: &[&str] = &["X25519", "prime256v1", "secp384r1"];
/// `prime256v1` and `secp384r1`.
const CURVES: &[&str] = &["P-256", "P-384"];

const TLS13: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const INTERMEDIATE_6: &[&str] = &[
    TLS13[0],
    TLS13[1],
    TLS13[2],
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
const INTERMEDIATE_5: &[&str] = &[
    TLS13[0],
    TLS13[1],
    TLS13[2],
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
];
const OLD: &[&str] = &[
    TLS13[0],
    TLS13[1],
    TLS13[2],
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::wire::codes;

    #[test]
    fn every_name_is_known() {
        for guideline in &ALL {
            for suite in guideline.suites.iter() {
                assert!(codes::suite(suite).is_some(), "{}: {suite}", guideline.name);
            }
            let Groups::Only(groups) = guideline.groups else { panic!("{}", guideline.name) };
            assert!(groups.iter().all(|group| codes::group(group).is_some()), "{}", guideline.name);
        }
    }
}
