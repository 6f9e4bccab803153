//! Names ↔ code points of what a client may offer: IANA's names, OpenSSL's, and the bare number.
//! Must not know: which of them anybody uses.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

/// A number with its names, IANA's first.
struct Row {
    code: u16,
    names: &'static [&'static str],
}

/// The signature scheme of that name (`rsa_pss_rsae_sha256`, `RSA-PSS+SHA256`, `0x0804`).
pub fn scheme(name: &str) -> Option<SignatureScheme> {
    code(SCHEMES, name).map(SignatureScheme::from)
}

/// The IANA name of a signature scheme.
pub fn scheme_name(scheme: SignatureScheme) -> Cow<'static, str> {
    named(SCHEMES, scheme.into())
}

/// The key exchange group of that name (`x25519`, `P-256`, `prime256v1`, `0x001d`).
pub fn group(name: &str) -> Option<NamedGroup> {
    code(GROUPS, name).map(NamedGroup::from)
}

/// The IANA name of a key exchange group.
pub fn group_name(group: NamedGroup) -> Cow<'static, str> {
    named(GROUPS, group.into())
}

/// The cipher suite of that name (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`, `0xc02f`).
pub fn suite(name: &str) -> Option<CipherSuite> {
    let is_it = |(_, iana, openssl): &&(u16, String, String)| {
        iana.eq_ignore_ascii_case(name) || openssl.eq_ignore_ascii_case(name)
    };
    SUITES.iter().find(is_it).map(|(code, ..)| *code).or_else(|| number(name)).map(CipherSuite::from)
}

/// The IANA name of a cipher suite.
pub fn suite_name(suite: CipherSuite) -> Cow<'static, str> {
    let code = u16::from(suite);
    match SUITES.binary_search_by_key(&code, |(known, ..)| *known) {
        Ok(at) => SUITES[at].1.as_str().into(),
        Err(_) => unnamed(code).into(),
    }
}

/// OpenSSL's name of a cipher suite; IANA's where it has none.
pub fn openssl_suite_name(suite: CipherSuite) -> Cow<'static, str> {
    OPENSSL_SUITES.get(&u16::from(suite)).map_or_else(|| suite_name(suite), |name| (*name).into())
}

/// A TLS version as OpenSSL and the AWS logs write it: `TLSv1.3`.
pub fn version_name(version: ProtocolVersion) -> Cow<'static, str> {
    match u16::from(version) {
        0x0304 => "TLSv1.3".into(),
        0x0303 => "TLSv1.2".into(),
        0x0302 => "TLSv1.1".into(),
        0x0301 => "TLSv1.0".into(),
        0x0300 => "SSLv3".into(),
        other => unnamed(other).into(),
    }
}

/// What a scheme may be called, for an error's text.
pub fn scheme_names() -> impl Iterator<Item = &'static str> {
    SCHEMES.iter().map(|row| row.names[0])
}

/// What a group may be called, for an error's text.
pub fn group_names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|row| row.names[0])
}

fn code(table: &[Row], name: &str) -> Option<u16> {
    let bears = |row: &&Row| row.names.iter().any(|known| known.eq_ignore_ascii_case(name));
    table.iter().find(bears).map(|row| row.code).or_else(|| number(name))
}

fn named(table: &[Row], code: u16) -> Cow<'static, str> {
    table.iter().find(|row| row.code == code).map_or_else(|| unnamed(code).into(), |row| row.names[0].into())
}

/// Clients offer such numbers to keep servers used to them (RFC 8701).
fn unnamed(code: u16) -> String {
    let [high, low] = code.to_be_bytes();
    if high == low && low & 0x0f == 0x0a { format!("GREASE_0x{code:04x}") } else { format!("0x{code:04x}") }
}

fn number(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("GREASE_").unwrap_or(text).strip_prefix("0x").filter(|digits| digits.len() == 4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Every cipher suite that rustls has a name for: number, IANA's name, OpenSSL's.
static SUITES: LazyLock<Vec<(u16, String, String)>> = LazyLock::new(|| {
    let named = |code: u16| {
        // rustls writes `TLS13_` where the registry has `TLS_`.
        let iana = CipherSuite::from(code).as_str()?.replacen("TLS13_", "TLS_", 1);
        let openssl = OPENSSL_SUITES.get(&code).map_or_else(|| iana.clone(), |name| (*name).to_owned());
        Some((code, iana, openssl))
    };
    (0..=u16::MAX).filter_map(named).collect()
});

/// OpenSSL's name of a suite, where that is another one.
static OPENSSL_SUITES: LazyLock<HashMap<u16, &'static str>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (code, names) = line.split_once(' ')?;
        Some((u16::from_str_radix(code, 16).ok()?, names.split(' ').next()?))
    };
    include_str!("codes/suites.txt").lines().filter_map(row).collect()
});

macro_rules! rows {
    ($($code:literal $($name:literal)+;)+) => { &[$(Row { code: $code, names: &[$($name),+] }),+] };
}

/// IANA, "TLS SignatureScheme"; OpenSSL, SSL_CTX_set1_sigalgs_list(3).
const SCHEMES: &[Row] = rows! {
    0x0403 "ecdsa_secp256r1_sha256" "ECDSA+SHA256";
    0x0503 "ecdsa_secp384r1_sha384" "ECDSA+SHA384";
    0x0603 "ecdsa_secp521r1_sha512" "ECDSA+SHA512";
    0x0807 "ed25519";
    0x0808 "ed448";
    0x0804 "rsa_pss_rsae_sha256" "RSA-PSS+SHA256" "PSS+SHA256";
    0x0805 "rsa_pss_rsae_sha384" "RSA-PSS+SHA384" "PSS+SHA384";
    0x0806 "rsa_pss_rsae_sha512" "RSA-PSS+SHA512" "PSS+SHA512";
    0x0809 "rsa_pss_pss_sha256";
    0x080a "rsa_pss_pss_sha384";
    0x080b "rsa_pss_pss_sha512";
    0x0401 "rsa_pkcs1_sha256" "RSA+SHA256";
    0x0501 "rsa_pkcs1_sha384" "RSA+SHA384";
    0x0601 "rsa_pkcs1_sha512" "RSA+SHA512";
    0x0301 "rsa_pkcs1_sha224" "RSA+SHA224";
    0x0303 "ecdsa_sha224" "ECDSA+SHA224";
    0x0201 "rsa_pkcs1_sha1" "RSA+SHA1";
    0x0203 "ecdsa_sha1" "ECDSA+SHA1";
    0x0202 "dsa_sha1" "DSA+SHA1";
    0x0302 "dsa_sha224" "DSA+SHA224";
    0x0402 "dsa_sha256" "DSA+SHA256";
    0x0502 "dsa_sha384" "DSA+SHA384";
    0x0602 "dsa_sha512" "DSA+SHA512";
    0x081a "ecdsa_brainpoolP256r1tls13_sha256";
    0x081b "ecdsa_brainpoolP384r1tls13_sha384";
    0x081c "ecdsa_brainpoolP512r1tls13_sha512";
    0x0904 "mldsa44";
    0x0905 "mldsa65";
    0x0906 "mldsa87";
};

/// IANA, "TLS Supported Groups"; the other names are NIST's, OpenSSL's and ANSI's.
const GROUPS: &[Row] = rows! {
    0x11ec "X25519MLKEM768";
    0x11eb "SecP256r1MLKEM768";
    0x11ed "SecP384r1MLKEM1024";
    0x001d "x25519";
    0x0017 "secp256r1" "P-256" "prime256v1";
    0x0018 "secp384r1" "P-384";
    0x0019 "secp521r1" "P-521";
    0x001e "x448";
    0x001a "brainpoolP256r1";
    0x001b "brainpoolP384r1";
    0x001c "brainpoolP512r1";
    0x0100 "ffdhe2048";
    0x0101 "ffdhe3072";
    0x0102 "ffdhe4096";
    0x0103 "ffdhe6144";
    0x0104 "ffdhe8192";
};

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
            assert_eq!(scheme(&scheme_name(code.into())).map(u16::from), Some(code));
            assert_eq!(group(&group_name(code.into())).map(u16::from), Some(code));
        }
        for (code, ..) in SUITES.iter() {
            assert_eq!(suite(&suite_name((*code).into())).map(u16::from), Some(*code));
        }
        assert!(SUITES.len() > 300);
        // Every row was read, and says of its number what rustls does.
        let rows: Vec<_> = include_str!("codes/suites.txt").lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(OPENSSL_SUITES.len(), rows.len());
        for row in rows {
            let mut names = row.split(' ').skip(1);
            assert_eq!(names.next().and_then(suite), names.next().and_then(suite), "{row}");
        }
        assert_eq!(suite_name(0x0a0a.into()), "GREASE_0x0a0a");
        assert_eq!(suite_name(0x7777.into()), "0x7777");
    }

    #[test]
    fn no_name_stands_for_two() {
        for table in [SCHEMES, GROUPS] {
            let mut names: Vec<String> =
                table.iter().flat_map(|row| row.names).map(|name| name.to_ascii_lowercase()).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
