//! Alerts: their names, and one as a plaintext record for a handshake that ends before there are keys (RFC 8446 section 6).
//! Must not know: why it is sent.

use rustls::AlertDescription;

/// A fatal alert in a TLSPlaintext record, as it is sent before encryption starts.
///
/// The record's version is TLS 1.2 (0x0303), which every client accepts there (RFC 8446 section 5.1).
pub fn plaintext(description: AlertDescription) -> [u8; 7] {
    [CONTENT_TYPE_ALERT, 0x03, 0x03, 0x00, 0x02, LEVEL_FATAL, u8::from(description)]
}

/// An alert's IANA name, such as `handshake_failure`; `alert_222` for an alert that has none.
pub fn name(description: AlertDescription) -> String {
    // IANA's registry spells it with a z, rustls with an s.
    if description == AlertDescription::UnrecognisedName {
        return "unrecognized_name".to_owned();
    }
    let Some(camel) = description.as_str() else {
        return format!("alert_{}", u8::from(description));
    };
    snake(camel)
}

/// A name in camel case → the same name as RFCs write code points: `HandshakeFailure` → `handshake_failure`.
pub(crate) fn snake(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len() + 4);
    let mut previous_lower = false;
    for letter in camel.chars() {
        // A row of capitals is one word: `UnknownCA` becomes `unknown_ca`.
        if letter.is_ascii_uppercase() && previous_lower {
            name.push('_');
        }
        previous_lower = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

const CONTENT_TYPE_ALERT: u8 = 21;
const LEVEL_FATAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_seven_bytes() {
        assert_eq!(plaintext(AlertDescription::UnrecognisedName), [21, 3, 3, 0, 2, 2, 112]);
    }

    #[test]
    fn names_are_those_of_the_registry() {
        assert_eq!(name(AlertDescription::HandshakeFailure), "handshake_failure");
        assert_eq!(name(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(name(AlertDescription::CloseNotify), "close_notify");
        assert_eq!(name(AlertDescription::BadRecordMac), "bad_record_mac");
        assert_eq!(name(AlertDescription::UnrecognisedName), "unrecognized_name");
        assert_eq!(name(AlertDescription::from(222)), "alert_222");
    }
}
