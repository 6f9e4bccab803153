//! The part of BER (X.690) that LDAP uses (RFC 4511 section 5.1): definite lengths, in short or long form, and tags of
//! one byte. Reading takes one element at a time and does not recurse, so that no peer can exhaust the stack. Must not
//! know: what the elements mean.

use thiserror::Error;

/// One element: identifier and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub tag: Tag,
    pub content: &'a [u8],
}

/// The identifier: class, primitive or constructed, and a number below 31. In LDAP it is always one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub u8);

/// Why bytes do not begin with an element as LDAP uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BerError {
    /// More bytes could complete it.
    #[error("a value is cut short")]
    Truncated,
    #[error("a tag has more than one byte")]
    LongTag,
    #[error("a length is indefinite")]
    Indefinite,
    /// `length` is what the element contains as its length.
    #[error("a value is longer than {limit} bytes")]
    TooLong { length: u64, limit: usize },
    #[error("a length has more than eight bytes")]
    LongLength,
}

/// The first element, whose content may have at most `limit` bytes, and the bytes after it. An error is returned at the
/// first byte that is not allowed, even if the element is not complete yet.
pub fn element(bytes: &[u8], limit: usize) -> Result<(Element<'_>, &[u8]), BerError> {
    let [tag, rest @ ..] = bytes else { return Err(BerError::Truncated) };
    if tag & LONG_TAG == LONG_TAG {
        return Err(BerError::LongTag);
    }
    let [first, rest @ ..] = rest else { return Err(BerError::Truncated) };
    let (length, rest) = match first {
        short @ 0..LONG_LENGTH => (u64::from(*short), rest),
        &LONG_LENGTH => return Err(BerError::Indefinite),
        long => {
            let count = usize::from(long & !LONG_LENGTH);
            if count > size_of::<u64>() {
                return Err(BerError::LongLength);
            }
            // BER allows more bytes than the length needs: Microsoft's servers always write four.
            let (digits, rest) = rest.split_at_checked(count).ok_or(BerError::Truncated)?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit)), rest)
        }
    };
    let fits = usize::try_from(length).ok().filter(|length| *length <= limit);
    let length = fits.ok_or(BerError::TooLong { length, limit })?;
    let (content, rest) = rest.split_at_checked(length).ok_or(BerError::Truncated)?;
    Ok((Element { tag: Tag(*tag), content }, rest))
}

/// The content of an INTEGER or ENUMERATED as a number; `None` for a negative number or one of more than four bytes.
pub fn number(content: &[u8]) -> Option<u32> {
    let is_one = content.len() <= size_of::<u32>() && content.first().is_some_and(|first| *first < 0x80);
    is_one.then(|| content.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// An element whose content consists of these parts, with its length in the shortest form.
pub fn encoded(tag: Tag, content: &[&[u8]]) -> Vec<u8> {
    let count: usize = content.iter().map(|part| part.len()).sum();
    let digits = count.to_be_bytes();
    let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
    let mut bytes = Vec::with_capacity(2 + digits.len() + count);
    bytes.push(tag.0);
    match digits {
        [] => bytes.push(0),
        [short @ 0..LONG_LENGTH] => bytes.push(*short),
        // At most eight digits, so the cast loses nothing.
        _ => {
            bytes.push(LONG_LENGTH | digits.len() as u8);
            bytes.extend_from_slice(digits);
        }
    }
    content.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// The number as an INTEGER or ENUMERATED with that tag, in the fewest bytes.
pub fn encoded_number(tag: Tag, number: u32) -> Vec<u8> {
    let digits = number.to_be_bytes();
    let skipped = digits.iter().take(3).take_while(|digit| **digit == 0).count();
    let digits = &digits[skipped..];
    // The first bit is the sign: a zero byte before it keeps the number positive.
    let padding: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
    encoded(tag, &[padding, digits])
}

// Universal tags (X.680 section 8.6), which LDAP writes with the primitive or constructed form shown here.
/// One byte; anything but zero is true.
pub const BOOLEAN: Tag = Tag(0x01);
/// See [`number`].
pub const INTEGER: Tag = Tag(0x02);
/// Any bytes; LDAP's texts are UTF-8.
pub const OCTET_STRING: Tag = Tag(0x04);
/// See [`number`].
pub const ENUMERATED: Tag = Tag(0x0a);
/// A list of elements.
pub const SEQUENCE: Tag = Tag(0x30);

/// The number in an identifier of more than one byte (X.690 section 8.1.2.4).
const LONG_TAG: u8 = 0x1f;
/// The bit of the long form of a length, and by itself the indefinite form (X.690 sections 8.1.3.5 and 8.1.3.6).
const LONG_LENGTH: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 64 * 1024;

    #[test]
    fn what_is_written_is_read_again_in_every_form_of_length() {
        for (length, head) in
            [(0, 2), (1, 2), (127, 2), (128, 3), (255, 3), (256, 4), (5000, 4), (65535, 4), (65536, 5)]
        {
            let content = vec![7; length];
            let mut bytes = encoded(SEQUENCE, &[&content]);
            assert_eq!(bytes.len(), head + length);
            bytes.push(9);
            assert_eq!(element(&bytes, LIMIT), Ok((Element { tag: SEQUENCE, content: &content }, &[9][..])));
            for end in 0..bytes.len() - 1 {
                assert_eq!(element(&bytes[..end], LIMIT), Err(BerError::Truncated));
            }
            // Whether it is too long shows in the header.
            if let Some(limit) = length.checked_sub(1) {
                for end in 0..bytes.len() {
                    let too_long = BerError::TooLong { length: length as u64, limit };
                    let error = if end < head { BerError::Truncated } else { too_long };
                    assert_eq!(element(&bytes[..end], limit), Err(error));
                }
            }
        }
        assert_eq!(encoded(Tag(0x78), &[b"a", b"", b"bc"]), b"\x78\x03abc");
    }

    #[test]
    fn lengths_may_be_written_in_several_ways() {
        let expected = Element { tag: OCTET_STRING, content: b"ab" };
        for bytes in [
            &b"\x04\x02ab"[..],
            b"\x04\x81\x02ab",
            b"\x04\x82\x00\x02ab",
            b"\x04\x84\x00\x00\x00\x02ab",
            b"\x04\x88\x00\x00\x00\x00\x00\x00\x00\x02ab",
        ] {
            assert_eq!(element(bytes, 10), Ok((expected, &[][..])));
            for end in 0..bytes.len() {
                assert_eq!(element(&bytes[..end], 10), Err(BerError::Truncated), "{:02x?}", &bytes[..end]);
            }
        }
    }

    #[test]
    fn what_ldap_does_not_use_is_refused_at_once() {
        let (long, too_long) = (BerError::LongLength, |length| BerError::TooLong { length, limit: LIMIT });
        for (bytes, error) in [
            (&b"\x1f\x01"[..], BerError::LongTag),
            (b"\x1f\x81\x01\x00", BerError::LongTag),
            (b"\x30\x80", BerError::Indefinite),
            (b"\x30\x80\x00\x00", BerError::Indefinite),
            (b"\x04\x80", BerError::Indefinite),
            (b"\x30\x89", long),
            (b"\x30\xff", long),
            (b"\x04\xff", long),
            (b"\x04\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff", long),
            (&[&b"\x04\xfe"[..], &[0; 20]].concat(), long),
            (b"\x30\x83\x01\x00\x01", too_long(0x1_0001)),
            (b"\x30\x84\x7f\xff\xff\xff", too_long(0x7fff_ffff)),
            (b"\x30\x84\xff\xff\xff\xff", too_long(0xffff_ffff)),
            (b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", too_long(u64::MAX)),
        ] {
            assert_eq!(element(bytes, LIMIT), Err(error), "{bytes:x?}");
        }
        assert_eq!(element(b"\x04\x0b", 10), Err(BerError::TooLong { length: 11, limit: 10 }));
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
            assert_eq!(encoded_number(INTEGER, value), bytes);
            assert_eq!(number(&bytes[2..]), Some(value));
        }
        assert_eq!((number(&[]), number(&[255]), number(&[1, 0, 0, 0, 0])), (None, None, None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = number(&bytes);
            let mut rest = &bytes[..];
            while let Ok((_, after)) = element(rest, LIMIT) {
                rest = after;
            }
        }
    }
}
