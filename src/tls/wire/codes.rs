//! Code points ↔ their names: IANA's, OpenSSL's, or the bare number. Each code point has one row in one of the tables
//! below. Must not know: which of them are in use.

use std::borrow::Cow;

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

pub mod extensions;
pub mod framing;
pub mod groups;
mod schemes;
pub mod suites;
pub mod versions;

/// The signature scheme of that name (`rsa_pss_rsae_sha256`, `RSA-PSS+SHA256`, `0x0804`).
pub fn scheme(name: &str) -> Option<SignatureScheme> {
    code(schemes::ALL, name).map(SignatureScheme::from)
}

/// The IANA name of a signature scheme.
pub fn scheme_name(scheme: impl Into<SignatureScheme>) -> Cow<'static, str> {
    named(schemes::ALL, scheme.into().into())
}

/// The key exchange group of that name (`x25519`, `P-256`, `prime256v1`, `0x001d`).
pub fn group(name: &str) -> Option<NamedGroup> {
    code(groups::ALL, name).map(NamedGroup::from)
}

/// The IANA name of a key exchange group.
pub fn group_name(group: impl Into<NamedGroup>) -> Cow<'static, str> {
    named(groups::ALL, group.into().into())
}

/// The cipher suite of that name (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`, `0xc02f`).
pub fn suite(name: &str) -> Option<CipherSuite> {
    // A suite that OpenSSL does not have has an empty name in the table; an empty text must not match it.
    let same = |known: &str| known.eq_ignore_ascii_case(name) && !known.is_empty();
    let listed = suites::ALL.iter().find(|(_, iana, openssl)| same(iana) || same(openssl)).map(|(code, ..)| *code);
    let alias = || EDH.iter().find(|(_, alias)| same(alias)).map(|(code, _)| *code);
    listed.or_else(alias).or_else(|| number(name)).map(CipherSuite::from)
}

/// The IANA name of a cipher suite.
pub fn suite_name(suite: impl Into<CipherSuite>) -> Cow<'static, str> {
    let code = u16::from(suite.into());
    iana_name(code).map_or_else(|| unnamed(code).into(), Cow::Borrowed)
}

/// OpenSSL's name of a cipher suite; IANA's where OpenSSL has none.
pub fn openssl_suite_name(suite: impl Into<CipherSuite>) -> Cow<'static, str> {
    let code = u16::from(suite.into());
    openssl_name(code).map_or_else(|| suite_name(code), Cow::Borrowed)
}

/// The IANA name of a cipher suite, if it has one.
pub fn iana_name(suite: u16) -> Option<&'static str> {
    listed(suite).map(|(iana, _)| iana)
}

/// OpenSSL's name of a cipher suite, if any version of OpenSSL has had it. For TLS 1.3, OpenSSL uses IANA's names.
pub fn openssl_name(suite: u16) -> Option<&'static str> {
    listed(suite).map(|(_, openssl)| openssl).filter(|name| !name.is_empty())
}

/// A TLS version as OpenSSL and AWS's logs write it: `TLSv1.3`.
pub fn version_name(version: impl Into<ProtocolVersion>) -> Cow<'static, str> {
    let code = u16::from(version.into());
    found(versions::NAMES, code).map_or_else(|| unnamed(code).into(), Cow::Borrowed)
}

/// The IANA name of an extension that clients send; `extension 1234` for any other one.
pub fn extension_name(kind: u16) -> Cow<'static, str> {
    found(extensions::NAMES, kind).map_or_else(|| format!("extension {kind}").into(), Cow::Borrowed)
}

/// The IANA names of all signature schemes, for error messages.
pub fn scheme_names() -> impl Iterator<Item = &'static str> {
    schemes::ALL.iter().filter_map(|(_, names)| names.first().copied())
}

/// The IANA names of all groups, for error messages.
pub fn group_names() -> impl Iterator<Item = &'static str> {
    groups::ALL.iter().filter_map(|(_, names)| names.first().copied())
}

/// A suite's names: IANA's and OpenSSL's.
fn listed(suite: u16) -> Option<(&'static str, &'static str)> {
    // Access logs need a name for each connection, and the table has almost 400 rows: so it is sorted by number.
    let at = suites::ALL.binary_search_by_key(&suite, |(code, ..)| *code).ok()?;
    suites::ALL.get(at).map(|(_, iana, openssl)| (*iana, *openssl))
}

fn found(table: &[(u16, &'static str)], code: u16) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

fn code(table: &[(u16, &[&str])], name: &str) -> Option<u16> {
    let matches = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    table.iter().find(|(_, names)| matches(names)).map(|(code, _)| *code).or_else(|| number(name))
}

fn named(table: &[(u16, &[&'static str])], code: u16) -> Cow<'static, str> {
    let name = table.iter().find(|(known, _)| *known == code).and_then(|(_, names)| names.first());
    name.map_or_else(|| unnamed(code).into(), |name| (*name).into())
}

/// A code point that has no name. Clients offer GREASE values to keep servers tolerant of unknown values (RFC 8701).
fn unnamed(code: u16) -> String {
    let [high, low] = code.to_be_bytes();
    if high == low && low & 0x0f == 0x0a { format!("GREASE_0x{code:04x}") } else { format!("0x{code:04x}") }
}

/// The reverse of [`unnamed`]: exactly four hexadecimal digits.
fn number(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("GREASE_").unwrap_or(text).strip_prefix("0x").filter(|digits| digits.len() == 4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// OpenSSL 1.0's names of suites that are called `DHE-…` today. Configurations still contain them.
const EDH: &[(u16, &str)] = &[
    (0x0011, "EXP-EDH-DSS-DES-CBC-SHA"),
    (0x0012, "EDH-DSS-DES-CBC-SHA"),
    (0x0013, "EDH-DSS-DES-CBC3-SHA"),
    (0x0014, "EXP-EDH-RSA-DES-CBC-SHA"),
    (0x0015, "EDH-RSA-DES-CBC-SHA"),
    (0x0016, "EDH-RSA-DES-CBC3-SHA"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_leads_to_its_number_in_any_case() {
        for name in ["rsa_pss_rsae_sha256", "RSA-PSS+SHA256", "pss+sha256", "0x0804"] {
            assert_eq!(scheme(name), Some(SignatureScheme::RSA_PSS_SHA256), "{name}");
        }
        for name in ["secp256r1", "P-256", "p-256", "prime256v1", "0x0017"] {
            assert_eq!(group(name), Some(NamedGroup::secp256r1), "{name}");
        }
        for name in ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ecdhe-rsa-aes128-gcm-sha256", "0xc02f"] {
            assert_eq!(suite(name), Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), "{name}");
        }
        for wrong in ["", "0x", "0x1", "0x12345", "0x12g4", "rsa", "P256", "AES", "TLS_", "GREASE_"] {
            assert!(scheme(wrong).is_none() && group(wrong).is_none() && suite(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_number_survives_being_named() {
        for code in 0..=u16::MAX {
            assert_eq!(scheme(&scheme_name(code)).map(u16::from), Some(code));
            assert_eq!(group(&group_name(code)).map(u16::from), Some(code));
        }
        for (code, iana, openssl) in suites::ALL {
            for name in [*iana, &openssl_suite_name(*code)] {
                assert_eq!(suite(name).map(u16::from), Some(*code), "{name} {openssl}");
            }
        }
        for (code, alias) in EDH {
            assert_eq!(suite(alias).map(u16::from), Some(*code));
        }
        assert_eq!(suite_name(0x0a0a), "GREASE_0x0a0a");
        assert_eq!(suite_name(0x7777), "0x7777");
    }

    #[test]
    fn the_suites_are_in_order_and_each_name_is_that_of_one() {
        assert!(suites::ALL.len() > 370);
        assert!(suites::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let listed = suites::ALL.iter().flat_map(|(_, iana, openssl)| {
            // In TLS 1.3 both are the same.
            [Some(*iana), Some(*openssl).filter(|openssl| openssl != iana)]
        });
        let names = listed.flatten().chain(EDH.iter().map(|(_, alias)| *alias));
        once(names.filter(|name| !name.is_empty()));
    }

    #[test]
    fn the_suites_have_the_names_that_rustls_has() {
        let mut compared = 0;
        for (code, name, _) in suites::ALL {
            let Some(theirs) = CipherSuite::from(*code).as_str() else { continue };
            // This number has had two meanings; rustls puts both into one name.
            if *code != 0x001e {
                assert_eq!(*name, theirs.replacen("TLS13_", "TLS_", 1));
                compared += 1;
            }
        }
        assert!(compared > 300, "only {compared} compared");
        let named = |code: u16| CipherSuite::from(code).as_str().is_some_and(|name| !name.ends_with("_draft"));
        let missing: Vec<u16> = (0..=u16::MAX).filter(|code| named(*code) && iana_name(*code).is_none()).collect();
        assert!(missing.is_empty(), "{missing:x?}");
    }

    #[test]
    fn no_name_belongs_to_two_numbers() {
        for table in [schemes::ALL, groups::ALL] {
            once(table.iter().flat_map(|(_, names)| names.iter().copied()));
            let mut codes: Vec<u16> = table.iter().map(|(code, _)| *code).collect();
            codes.sort_unstable();
            assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
        }
        once(extensions::NAMES.iter().map(|(_, name)| *name));
    }

    fn once<'a>(names: impl Iterator<Item = &'a str>) {
        let mut names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(names.len() > 20 && twice.is_empty(), "{twice:?}");
    }
}
