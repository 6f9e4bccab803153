//! Base64 of a private key → its bytes, in a time that does not depend on them, and without copies that stay in memory.
//! Must not know: what the bytes are.

use zeroize::Zeroizing;

/// Decodes base64 (RFC 4648 section 4) that has no blanks, with all of its padding. `None` if it is anything else.
pub(super) fn decoded(base64: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let padding = base64.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    if !base64.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64.len() / 4 * 3));
    let mut wrong = 0;
    let digits = base64.get(..base64.len() - padding)?;
    for group in digits.chunks(4) {
        let mut sum = 0_u32;
        for at in 0..4 {
            // What is left out counts as zero.
            let value = value(group.get(at).copied().unwrap_or(b'A'));
            wrong |= value >> 8;
            sum = sum << 6 | u32::from(value.to_le_bytes()[0] & 0x3f);
        }
        let [_, first, second, third] = sum.to_be_bytes();
        bytes.push(first);
        // Bits beyond the last byte must be zero, or two texts would be the same bytes.
        match group.len() {
            4 => bytes.extend_from_slice(&[second, third]),
            3 => {
                bytes.push(second);
                wrong |= -i16::from(third);
            }
            _ => wrong |= -i16::from(second),
        }
    }
    (wrong == 0).then_some(bytes)
}

/// The value of a digit; negative for any other byte. There are no branches and no tables, so that neither the time nor the
/// processor's cache shows which digit it is.
fn value(byte: u8) -> i16 {
    let byte = i16::from(byte);
    // All bits where the byte is between the two, none elsewhere.
    let between = |first: u8, last: u8| ((i16::from(first) - 1 - byte) & (byte - i16::from(last) - 1)) >> 8;
    -1 + (between(b'A', b'Z') & (byte - 64))
        + (between(b'a', b'z') & (byte - 70))
        + (between(b'0', b'9') & (byte + 5))
        + (between(b'+', b'+') & 63)
        + (between(b'/', b'/') & 64)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_length_and_every_byte_comes_back() {
        for length in 0..=300 {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
            assert_eq!(decoded(STANDARD.encode(&bytes).as_bytes()).as_deref(), Some(&bytes));
        }
    }

    #[test]
    fn nothing_else_is_read_than_by_another_decoder() {
        for byte in 0..=u8::MAX {
            for text in
                [[b'A', b'A', b'A', byte], [byte, b'A', b'A', b'='], [b'A', byte, b'=', b'='], [b'A', b'B', byte, b'=']]
            {
                let expected = STANDARD.decode(text).ok();
                assert_eq!(decoded(&text).map(|bytes| bytes.to_vec()), expected, "{text:?}");
            }
        }
        for text in ["A", "AA", "AAA", "AA=", "A===", "====", "AAAA=", "AA==AAAA", "AAAA====", " AAA", "AA\n=", "=AAA"]
        {
            assert!(decoded(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
