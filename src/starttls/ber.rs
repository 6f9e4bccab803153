//! BER as LDAP restricts it (RFC 4511 section 5.1): definite lengths, at most so many bytes. Must not know: what the
//! elements mean.

use asn1_rs::{Class, FromBer, Header, Length};

/// One element: identifier and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    pub(super) content: &'a [u8],
}

/// The identifier's first byte, which is all of it in LDAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u8);

/// Why bytes are no element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// They may become one.
    Incomplete,
    Indefinite,
    /// It says that it holds so many bytes.
    TooLong(usize),
    Malformed,
}

/// The first element, which may hold `limit` bytes, and what follows it.
pub(super) fn element(bytes: &[u8], limit: usize) -> Result<(Element<'_>, &[u8]), Fault> {
    let (rest, header) = match Header::from_ber(bytes) {
        Ok(read) => read,
        Err(error) if error.is_incomplete() && bytes.len() < LONGEST_HEADER => return Err(Fault::Incomplete),
        Err(_) => return Err(Fault::Malformed),
    };
    // Longer identifiers begin at 31.
    let number = u8::try_from(header.tag().0).ok().filter(|number| *number < 31).ok_or(Fault::Malformed)?;
    let class = match header.class() {
        Class::Universal => 0x00,
        Class::Application => 0x40,
        Class::ContextSpecific => 0x80,
        Class::Private => 0xc0,
    };
    let tag = Tag(class | if header.is_constructed() { 0x20 } else { 0 } | number);
    let length = match header.length() {
        Length::Definite(length) => length,
        Length::Indefinite => return Err(Fault::Indefinite),
    };
    if length > limit {
        return Err(Fault::TooLong(length));
    }
    let (content, rest) = rest.split_at_checked(length).ok_or(Fault::Incomplete)?;
    Ok((Element { tag, content }, rest))
}

/// A short element.
pub(super) fn encoded(tag: Tag, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut bytes = vec![tag.0];
    match u8::try_from(content.len()) {
        Ok(length @ ..0x80) => bytes.push(length),
        Ok(length) => bytes.extend([0x81, length]),
        // Nothing that is said here is nearly as long.
        Err(_) => bytes.extend([0x82, (content.len() >> 8) as u8, content.len() as u8]),
    }
    bytes.extend(content);
    bytes
}

/// Identifier, length of the length, and a length that fits eight bytes.
const LONGEST_HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_may_be_written_in_several_ways() {
        let expected = Element { tag: Tag(0x04), content: b"ab" };
        for bytes in [&b"\x04\x02ab"[..], b"\x04\x81\x02ab", b"\x04\x82\x00\x02ab", b"\x04\x84\x00\x00\x00\x02ab"] {
            assert_eq!(element(bytes, 10), Ok((expected, &[][..])));
            for end in 0..bytes.len() {
                assert_eq!(element(&bytes[..end], 10), Err(Fault::Incomplete), "{:02x?}", &bytes[..end]);
            }
        }
    }

    #[test]
    fn what_ldap_does_not_allow_is_refused_at_once() {
        assert_eq!(element(b"\x30\x80", 10), Err(Fault::Indefinite));
        assert_eq!(element(b"\x04\x80", 10), Err(Fault::Malformed));
        assert_eq!(element(b"\x04\x0b", 10), Err(Fault::TooLong(11)));
        assert_eq!(element(b"\x04\x84\xff\xff\xff\xff", 10), Err(Fault::TooLong(0xffff_ffff)));
        assert_eq!(element(b"\x1f\x81\x01\x00", 10), Err(Fault::Malformed));
        assert_eq!(element(b"\x04\xff", 10), Err(Fault::Malformed));
        assert_eq!(element(&[&b"\x04\x89"[..], &[0xff; 9]].concat(), 10), Err(Fault::Malformed));
        assert_eq!(element(&[&b"\x04\xfe"[..], &[0; 20]].concat(), 10), Err(Fault::Malformed));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for length in [0, 1, 127, 128, 255, 256, 5000] {
            let content = vec![7; length];
            let bytes = encoded(Tag(0x78), &[&content]);
            assert_eq!(element(&bytes, 5000), Ok((Element { tag: Tag(0x78), content: &content }, &[][..])));
        }
    }
}
