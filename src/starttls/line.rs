//! Lines of the protocols for mail: each ends with CR LF. Must not know: what a line means.

use thiserror::Error;

/// Why bytes do not begin with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum LineError {
    #[error("a line of more than {0} bytes")]
    TooLong(usize),
    /// Servers that take a lone CR or LF as an end, and others that do not, read different lines in the same bytes.
    #[error("a line that does not end with CR LF")]
    Ending,
    #[error("a line with the control character 0x{0:02x}")]
    Control(u8),
}

/// The first line, without CR LF, and the bytes after it; `None` until it is complete. With CR LF it may have at most
/// `limit` bytes. An error is returned at the first byte that is not allowed.
pub(super) fn first(bytes: &[u8], limit: usize) -> Result<Option<(&[u8], &[u8])>, LineError> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    for byte in text {
        match byte {
            b'\r' => return Err(LineError::Ending),
            b'\t' => {}
            0..b' ' | 0x7f => return Err(LineError::Control(*byte)),
            _ => {}
        }
    }
    match end {
        Some(_) if text.len() == line.len() => Err(LineError::Ending),
        Some(end) if end >= limit => Err(LineError::TooLong(limit)),
        Some(end) => Ok(Some((text, bytes.get(end + 1..).unwrap_or_default()))),
        None if bytes.len() >= limit => Err(LineError::TooLong(limit)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_there_when_its_last_byte_is() {
        let bytes = b"NOOP \xc3\xa4\tb\r\nQUIT\r\n";
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for prefix in 0..end {
            assert_eq!(first(&bytes[..prefix], 512), Ok(None), "{prefix}");
        }
        assert_eq!(first(bytes, end), Ok(Some((&b"NOOP \xc3\xa4\tb"[..], &b"QUIT\r\n"[..]))));
        assert_eq!(first(b"\r\n", 2), Ok(Some((&b""[..], &b""[..]))));
    }

    #[test]
    fn what_is_no_line_is_refused_at_its_first_wrong_byte() {
        for (bytes, error) in [
            (&b"NOOP\n"[..], LineError::Ending),
            (b"\n", LineError::Ending),
            (b"NO\rOP", LineError::Ending),
            (b"NOOP\r\r\n", LineError::Ending),
            (b"\x16\x03\x01", LineError::Control(0x16)),
            (b"NO\0OP", LineError::Control(0)),
            (b"\x7f", LineError::Control(0x7f)),
            (b"NOOP123\r\n", LineError::TooLong(8)),
            (b"NOOP1234", LineError::TooLong(8)),
        ] {
            assert_eq!(first(bytes, 8), Err(error), "{bytes:?}");
        }
    }
}
