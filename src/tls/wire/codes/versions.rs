//! Versions of TLS: numbers and names. Data only.

pub const SSL3: u16 = 0x0300;
pub const TLS10: u16 = 0x0301;
pub const TLS12: u16 = 0x0303;
pub const TLS13: u16 = 0x0304;

/// As OpenSSL and the AWS logs write them.
pub(super) const NAMES: &[(u16, &str)] =
    &[(TLS13, "TLSv1.3"), (TLS12, "TLSv1.2"), (0x0302, "TLSv1.1"), (TLS10, "TLSv1.0"), (SSL3, "SSLv3")];
