//! The part of BER (X.690) that LDAP uses (RFC 4511 section 5.1): definite lengths, in short or long form, and tags of one
//! byte. It does not recurse, so that no server can exhaust the stack. Must not know: what the values mean.
//!
//! By hand, because of the crates that parse LDAP one recurses without a limit into whatever a server sends, one brings
//! two dozen crates for a message of twenty bytes, and one has a licence that is not ours.

use thiserror::Error;

/// Why some bytes are not BER as LDAP uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BerError {
    #[error("a tag has more than one byte")]
    LongTag,
    #[error("a length is indefinite")]
    Indefinite,
    #[error("a value is longer than {MOST} bytes")]
    TooLong,
    #[error("a value is cut short")]
    Truncated,
}

/// A value with its tag in front, its length in as many bytes as it needs.
pub fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut bytes = vec![tag];
    match value.len() {
        short @ 0..0x80 => bytes.push(short.to_be_bytes()[7]),
        _ => {
            bytes.push(0x80 | length.len().to_be_bytes()[7]);
            bytes.extend_from_slice(length);
        }
    }
    bytes.extend_from_slice(value);
    bytes
}

/// A whole number from 0, as an INTEGER or ENUMERATED with that tag.
pub fn number(tag: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let skipped = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let mut value = bytes[skipped..].to_vec();
    // The first bit is the sign.
    if value[0] >= 0x80 {
        value.insert(0, 0);
    }
    element(tag, &value)
}

/// How long the first element is, head included; `None` while its head is not complete.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, BerError> {
    Ok(head(bytes)?.map(|(start, length)| start + length))
}

/// The tag and the value of the first element, and what follows it.
pub fn first(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), BerError> {
    let (start, length) = head(bytes)?.ok_or(BerError::Truncated)?;
    let (value, rest) = bytes[start..].split_at_checked(length).ok_or(BerError::Truncated)?;
    Ok((bytes[0], value, rest))
}

/// A number of at most four bytes; `None` for any other, and for one below zero.
pub fn to_number(value: &[u8]) -> Option<u32> {
    let is_one = value.len() <= 4 && value.first().is_some_and(|first| *first < 0x80);
    is_one.then(|| value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// Where the value starts, and how long it is.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, BerError> {
    let [tag, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(BerError::LongTag);
    }
    let [first, rest @ ..] = rest else { return Ok(None) };
    match first {
        short @ 0..0x80 => Ok(Some((2, usize::from(*short)))),
        0x80 => Err(BerError::Indefinite),
        long => {
            let count = usize::from(long & 0x7f);
            if count > 8 {
                return Err(BerError::TooLong);
            }
            let Some(bytes) = rest.get(..count) else { return Ok(None) };
            let length = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            match usize::try_from(length) {
                Ok(length) if length <= MOST => Ok(Some((2 + count, length))),
                _ => Err(BerError::TooLong),
            }
        }
    }
}

/// A root entry takes some hundred bytes.
pub const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_in_every_form_of_length() {
        for (length, head) in [(0, 2), (1, 2), (127, 2), (128, 3), (255, 3), (256, 4), (65535, 4), (65536, 5)] {
            let value = vec![7; length];
            let mut bytes = element(0x30, &value);
            assert_eq!(bytes.len(), head + length);
            bytes.push(9);
            assert_eq!(first(&bytes), Ok((0x30, &value[..], &[9][..])));
            for end in 0..bytes.len() - 1 {
                match super::length(&bytes[..end]) {
                    Ok(None) => assert!(end < head),
                    Ok(Some(whole)) => assert_eq!(whole, head + length),
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(first(&bytes[..end]), Err(BerError::Truncated));
            }
        }
    }

    #[test]
    fn lengths_may_be_longer_than_they_need_to_be() {
        // As Microsoft's servers write them.
        for bytes in [&[4, 0x81, 1, 5][..], &[4, 0x84, 0, 0, 0, 1, 5], &[4, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 5]] {
            assert_eq!(first(bytes), Ok((4, &[5][..], &[][..])));
        }
    }

    #[test]
    fn what_ldap_does_not_use_is_refused() {
        for (bytes, error) in [
            (&[0x1f, 1][..], BerError::LongTag),
            (&[0x30, 0x80, 0, 0], BerError::Indefinite),
            (&[0x30, 0x89], BerError::TooLong),
            (&[0x30, 0xff], BerError::TooLong),
            (&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], BerError::TooLong),
            (&[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], BerError::TooLong),
        ] {
            assert_eq!(length(bytes), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn numbers_keep_their_sign() {
        for (value, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (65535, &[2, 3, 0, 255, 255]),
            (0x7fff_ffff, &[2, 4, 0x7f, 255, 255, 255]),
        ] {
            assert_eq!(number(2, value), bytes);
            assert_eq!(to_number(&bytes[2..]), Some(value));
        }
        assert_eq!((to_number(&[]), to_number(&[255]), to_number(&[1, 0, 0, 0, 0])), (None, None, None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (length(&bytes), to_number(&bytes));
            let mut rest = &bytes[..];
            while let Ok((_, _, after)) = first(rest) {
                rest = after;
            }
        }
    }
}
