//! Queries and forms as browsers send them (application/x-www-form-urlencoded) ↔ names and values. Must not know: what they
//! mean.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// The fields of a form. Their values are wiped when they are dropped, since one may be a token or a private key.
#[derive(Default)]
pub(in crate::admin) struct Form(Vec<(Zeroizing<String>, Zeroizing<String>)>);

impl Form {
    pub(in crate::admin) fn read(body: &[u8]) -> Self {
        Self(pairs(body).collect())
    }

    /// The value of a field; empty where there is none.
    pub(in crate::admin) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| **known == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Each name with its value. What is not UTF-8 is left out.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Zeroizing<String>, Zeroizing<String>)> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(middle);
        Some((decoded(name)?, decoded(value.get(1..).unwrap_or_default())?))
    })
}

/// A text as it is written in a query.
pub(in crate::admin) fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, ENCODED)
}

/// Decoded into a text that does not move while it grows, so that no part of a secret stays behind.
fn decoded(text: &[u8]) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
        // Browsers end each line of a text with both (HTML, section 4.10.22.4); files here have the second one.
        if bytes.ends_with(b"\r\n") {
            bytes.pop();
            bytes.pop();
            bytes.push(b'\n');
        }
    }
    // Taken, not copied. Where it is not UTF-8, what the error holds is wiped as well.
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

/// What is written with `%`: everything but letters, digits and what has no meaning in a query (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_as_browsers_encode_them() {
        let form = Form::read(b"a=1+2&b=%C3%A4%0D%0A%26&c&=x&a=3&bad=%ff&odd=%&odder=%4&%62%63=z");
        assert_eq!((form.value("a"), form.value("b"), form.value("c")), ("1 2", "ä\n&", ""));
        assert_eq!((form.value("bad"), form.value("odd"), form.value("odder"), form.value("bc")), ("", "%", "%4", "z"));
        assert_eq!(form.value("none"), "");
        let text = "a b&c=d/ä%+";
        let again = Form::read(format!("x={}", encoded(text)).as_bytes());
        assert_eq!(again.value("x"), text);
    }

    #[test]
    fn every_prefix_of_a_form_is_read() {
        let whole = b"name=a%20b&key=-----BEGIN+x%0A&%C3%A4=%C3";
        for end in 0..=whole.len() {
            let form = Form::read(&whole[..end]);
            assert!("a b".starts_with(form.value("name").trim_end_matches(['%', '2'])), "{end}");
        }
    }
}
