//! A text as JSON writes it → the text, with no copy of it left in memory. Must not know: what the text is.

use zeroize::Zeroizing;

/// The text of a JSON string that a parser has found to be valid, with its quotes (RFC 8259 section 7). `None` if it is no
/// string, or if its escapes are not characters.
pub(super) fn unescaped(json: &str) -> Option<Zeroizing<String>> {
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    // No text is longer than it is written, so that it does not move.
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut more = escape.chars();
        text.push(match more.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            same @ ('"' | '\\' | '/') => same,
            'u' => character(&mut more)?,
            _ => return None,
        });
        rest = more.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// The character of one or two units of UTF-16.
fn character(more: &mut std::str::Chars<'_>) -> Option<char> {
    let first = unit(more)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first.into());
    }
    let rest = more.as_str().strip_prefix("\\u")?;
    *more = rest.chars();
    char::decode_utf16([first, unit(more)?]).next()?.ok()
}

fn unit(more: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | u16::try_from(more.next()?.to_digit(16)?).ok()?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_that_a_parser_finds() {
        for text in ["", "plain", "-----BEGIN\nAB+/\r\n", "\"\\/\t\u{8}\u{c}", "ä€😀", "\u{0}\u{1f}\u{7f}"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(unescaped(&json).as_deref().map(String::as_str), Some(text));
        }
        for json in [r#""\u0041\u00e4\u20AC\ud83d\ude00""#, r#""a\/b""#] {
            let expected: String = serde_json::from_str(json).unwrap();
            assert_eq!(unescaped(json).as_deref(), Some(&expected));
        }
        for json in
            ["", "\"", "1", "null", "{}", r#""\ud83d""#, r#""\ud83d\u0041""#, r#""\ude00""#, r#""\x""#, r#""\u12""#]
        {
            assert_eq!(unescaped(json), None, "{json}");
        }
    }
}
