//! JA4, the fingerprint of a TLS client, as a text: read and shown. Must not know: how it is computed from a ClientHello.

use std::fmt::{self, Debug, Display, Formatter};
use std::str::from_utf8;

use serde::{Serialize, Serializer};

/// The JA4 of a ClientHello over TCP, such as `t13d1516h2_8daaf6152771_e5627efa2ab1` (FoxIO, "JA4: TLS Client
/// Fingerprinting"): 36 ASCII characters.
// Not a `String`: every open connection may have one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ja4([u8; LENGTH]);

impl Ja4 {
    /// What a text has to be, for messages.
    pub const EXPECTED: &'static str =
        "the JA4 of a client over TCP (36 characters), such as \"t13d1516h2_8daaf6152771_e5627efa2ab1\"";

    /// Reads one as it is shown. `None` if the text is not a JA4 that a ClientHello over TCP can have: QUIC and DTLS begin
    /// with another letter, hashes are in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let fine = bytes.iter().zip(FORM).all(|(byte, form)| match form {
            b'V' => byte.is_ascii_digit() || b"sd".contains(byte),
            b'S' => b"di".contains(byte),
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphanumeric(),
            b'f' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
            fixed => byte == fixed,
        });
        fine.then_some(Self(*bytes))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        // The bytes are ASCII, since `parse` is the only way to make one.
        from_utf8(&self.0).unwrap_or_default()
    }
}

impl Display for Ja4 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for Ja4 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Ja4 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

const LENGTH: usize = 36;

/// `t`; version; whether there is a server name; the numbers of cipher suites and of extensions; two characters of the
/// application protocol; two hashes.
const FORM: &[u8; LENGTH] = b"tV9S9999AA_ffffffffffff_ffffffffffff";

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

    #[test]
    fn it_is_shown_as_it_is_read() {
        for text in [CHROME, "ts3i990000_000000000000_000000000000", "t00d0101Zz_0123456789ab_cdef01234567"] {
            let read = Ja4::parse(text).unwrap();
            assert_eq!((read.to_string(), format!("{read:?}")), (text.to_owned(), text.to_owned()));
            assert_eq!(serde_json::to_value(read).unwrap(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for length in 0..CHROME.len() {
            assert_eq!(Ja4::parse(&CHROME[..length]), None, "{length}");
            // No character may be replaced by a blank, nor by a letter of two bytes.
            let (front, back) = (&CHROME[..length], &CHROME[length + 1..]);
            assert_eq!(Ja4::parse(&format!("{front} {back}")), None, "{length}");
            assert_eq!(Ja4::parse(&format!("{front}é{}", back.get(1..).unwrap_or_default())), None, "{length}");
        }
        for text in [
            "q13d1516h2_8daaf6152771_e5627efa2ab1",
            "t13x1516h2_8daaf6152771_e5627efa2ab1",
            "t13d1516h2_8DAAF6152771_e5627efa2ab1",
            "t13d1516h2_8daaf6152771_e5627efa2ab1 ",
            "t13d1516h2-8daaf6152771-e5627efa2ab1",
        ] {
            assert_eq!(Ja4::parse(text), None, "{text}");
        }
    }
}
