//! Versions of TLS: numbers and names. Data only.

/// SSL 3.0 (RFC 6101).
pub const SSL3: u16 = 0x0300;
/// TLS 1.0 (RFC 2246).
pub const TLS10: u16 = 0x0301;
/// TLS 1.2 (RFC 5246). Records and hellos of TLS 1.3 have this number in their version fields too.
pub const TLS12: u16 = 0x0303;
/// TLS 1.3 (RFC 8446).
pub const TLS13: u16 = 0x0304;

/// As OpenSSL and AWS's logs write them.
pub(super) const NAMES: &[(u16, &str)] =
    &[(TLS13, "TLSv1.3"), (TLS12, "TLSv1.2"), (0x0302, "TLSv1.1"), (TLS10, "TLSv1.0"), (SSL3, "SSLv3")];
