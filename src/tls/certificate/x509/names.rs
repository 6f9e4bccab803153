//! Distinguished names as they are compared (RFC 5280 section 7.1, after RFC 4518): without regard to the type of a string,
//! case and white space. Unicode is not normalized; names that differ in that are different names here.
//! Must not know: what has the name.

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::X509Name;

/// Whether two names are the same.
pub fn same(one: &X509Name<'_>, other: &X509Name<'_>) -> bool {
    one.as_raw() == other.as_raw() || canonical(one) == canonical(other)
}

/// A form that is equal for equal names.
pub fn canonical(name: &X509Name<'_>) -> Vec<u8> {
    let mut all = Vec::with_capacity(name.as_raw().len());
    for relative in name.iter_rdn() {
        let mut attributes: Vec<Vec<u8>> = relative
            .iter()
            .map(|attribute| {
                let kind = attribute.attr_type().as_bytes();
                [&sized(kind)[..], &value(attribute.attr_value())].concat()
            })
            .collect();
        // The attributes of an RDN are a set, whose order does not count.
        attributes.sort_unstable();
        all.extend(sized(&attributes.concat()));
    }
    all
}

/// A value that is text counts by its text, any other by its bytes.
fn value(value: &Any<'_>) -> Vec<u8> {
    match text(value) {
        Some(text) => [&[TEXT][..], &sized(prepared(&text).as_bytes())].concat(),
        None => {
            let tag = value.tag().0.to_be_bytes();
            [&[BYTES][..], &tag, &sized(value.data)].concat()
        }
    }
}

/// The text of a value of any string type.
pub fn text(value: &Any<'_>) -> Option<String> {
    let data = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(data).ok().map(str::to_owned)
        }
        // In practice its bytes are Latin-1, and OpenSSL reads them so.
        Tag::T61String => Some(data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let (units, rest) = data.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (units, rest) = data.as_chunks::<4>();
            let letters = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            letters.collect::<Option<String>>().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Folds case and white space, and leaves out what is invisible (RFC 4518 sections 2.2 and 2.6.1).
fn prepared(text: &str) -> String {
    let visible = text.chars().filter(|letter| letter.is_whitespace() || !is_invisible(*letter));
    let folded: String = visible.flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = folded.split_whitespace().collect();
    words.join(" ")
}

fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// With its length in front, so that no two sequences look the same.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_be_bytes()[..], bytes].concat()
}

const TEXT: u8 = 1;
const BYTES: u8 = 0;
