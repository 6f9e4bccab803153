//! The extension that holds signed certificate timestamps (RFC 6962 section 3.3) → its entries.
//! Must not know: what else a certificate holds; whether a log's signature is right.

use thiserror::Error;
use x509_parser::oid_registry::Oid;

/// One log's promise to publish the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sct {
    /// SHA-256 of the log's public key.
    pub log: [u8; 32],
    /// Milliseconds since 1970.
    pub timestamp: u64,
}

/// Why the extension is not a list of timestamps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SctError {
    #[error("the SCT extension is malformed: {0}")]
    Malformed(&'static str),
}

/// Reads the extension's value: an OCTET STRING in DER, and in it the list as TLS writes lists. Entries of an unknown
/// version are skipped, as the RFC requires.
pub fn parse(value: &[u8]) -> Result<Vec<Sct>, SctError> {
    let malformed = |what| move || SctError::Malformed(what);
    let list = octet_string(value).ok_or_else(malformed("no OCTET STRING"))?;
    let (mut list, rest) = vector(list).ok_or_else(malformed("the list is cut short"))?;
    if !rest.is_empty() {
        return Err(SctError::Malformed("bytes follow the list"));
    }
    let mut all = Vec::new();
    while !list.is_empty() {
        let (entry, rest) = vector(list).ok_or_else(malformed("an entry is cut short"))?;
        if entry.first() == Some(&V1) {
            all.push(version_1(entry).ok_or_else(malformed("an entry's fields do not fill it"))?);
        }
        list = rest;
    }
    Ok(all)
}

/// Version, log, timestamp, extensions, hash and signature algorithm, signature.
fn version_1(entry: &[u8]) -> Option<Sct> {
    let (log, rest) = entry.get(1..)?.split_first_chunk::<32>()?;
    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
    let (_, rest) = vector(rest)?;
    let (_, rest) = rest.split_first_chunk::<2>()?;
    let (_, rest) = vector(rest)?;
    rest.is_empty().then(|| Sct { log: *log, timestamp: u64::from_be_bytes(*timestamp) })
}

/// The contents of a DER OCTET STRING that fills `der`.
fn octet_string(der: &[u8]) -> Option<&[u8]> {
    // DER has only the shortest form of a length (X.690 section 10.1).
    let (contents, length) = match der {
        [OCTET_STRING, length @ 0..=0x7f, contents @ ..] => (contents, usize::from(*length)),
        [OCTET_STRING, 0x81, length @ 0x80..=0xff, contents @ ..] => (contents, usize::from(*length)),
        [OCTET_STRING, 0x82, high @ 1..=0xff, low, contents @ ..] => {
            (contents, usize::from(*high) << 8 | usize::from(*low))
        }
        _ => return None,
    };
    (contents.len() == length).then_some(contents)
}

/// Two bytes of length and so many bytes; and what follows.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// 1.3.6.1.4.1.11129.2.4.2
pub const OID: Oid<'static> = x509_parser::der_parser::oid!(1.3.6.1.4.1.11129.2.4.2);

const OCTET_STRING: u8 = 4;
const V1: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(log: u8, timestamp: u64, extensions: &[u8], signature: &[u8]) -> Vec<u8> {
        let fields = [&[V1][..], &[log; 32], &timestamp.to_be_bytes(), &prefixed(extensions), &[4, 3]].concat();
        [fields, prefixed(signature)].concat()
    }

    fn prefixed(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn wrapped(entries: &[Vec<u8>]) -> Vec<u8> {
        let list = prefixed(&entries.iter().flat_map(|entry| prefixed(entry)).collect::<Vec<u8>>());
        let length = match list.len() {
            short @ 0..=0x7f => vec![u8::try_from(short).unwrap()],
            middle @ 0x80..=0xff => vec![0x81, u8::try_from(middle).unwrap()],
            long => [&[0x82], &u16::try_from(long).unwrap().to_be_bytes()[..]].concat(),
        };
        [&[OCTET_STRING], &length[..], &list].concat()
    }

    fn sct(log: u8, timestamp: u64) -> Sct {
        Sct { log: [log; 32], timestamp }
    }

    #[test]
    fn every_length_of_list_is_read() {
        assert_eq!(parse(&wrapped(&[])), Ok(vec![]));
        assert_eq!(parse(&wrapped(&[entry(1, 5, &[], &[7; 8])])), Ok(vec![sct(1, 5)]));
        assert_eq!(parse(&wrapped(&[entry(1, 5, &[], &[7; 71])])), Ok(vec![sct(1, 5)]));
        let three = [entry(1, u64::MAX, &[], &[7; 71]), entry(2, 0, &[9; 3], &[7; 70]), entry(1, 6, &[], &[])];
        assert_eq!(parse(&wrapped(&three)), Ok(vec![sct(1, u64::MAX), sct(2, 0), sct(1, 6)]));
    }

    #[test]
    fn an_entry_of_another_version_is_passed_over() {
        let newer = [1, 2, 3].to_vec();
        assert_eq!(parse(&wrapped(&[newer, entry(2, 7, &[], &[0; 70])])), Ok(vec![sct(2, 7)]));
    }

    #[test]
    fn no_prefix_and_no_lengthening_is_taken_for_a_list() {
        let whole = wrapped(&[entry(1, 5, &[1], &[7; 71]), entry(2, 6, &[], &[7; 72])]);
        assert!(parse(&whole).is_ok());
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse(&[&whole[..], &[0]].concat()).is_err());
    }

    #[test]
    fn each_wrong_length_inside_is_told() {
        let mut short = entry(1, 5, &[], &[7; 71]);
        short.pop();
        let message = |entries: &[Vec<u8>]| parse(&wrapped(entries)).unwrap_err().to_string();
        assert_eq!(message(&[short]), "the SCT extension is malformed: an entry's fields do not fill it");
        let long = [entry(1, 5, &[], &[7; 71]), vec![0]].concat();
        assert_eq!(message(&[long]), "the SCT extension is malformed: an entry's fields do not fill it");
        let inner = prefixed(&[prefixed(&entry(1, 5, &[], &[])), vec![0]].concat());
        let text = |value: &[u8]| parse(value).unwrap_err().to_string();
        let wrap = |list: &[u8]| [&[OCTET_STRING, u8::try_from(list.len()).unwrap()], list].concat();
        assert_eq!(text(&wrap(&inner)), "the SCT extension is malformed: an entry is cut short");
        assert_eq!(text(&wrap(&[0, 0, 0])), "the SCT extension is malformed: bytes follow the list");
        assert_eq!(text(&[0x30, 0]), "the SCT extension is malformed: no OCTET STRING");
        // Lengths that DER writes shorter.
        assert_eq!(text(&[OCTET_STRING, 0x81, 2, 0, 0]), "the SCT extension is malformed: no OCTET STRING");
    }
}
