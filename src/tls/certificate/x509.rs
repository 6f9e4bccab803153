//! One certificate in DER → its parts, and whether one of two certificates issued the other.
//! Must not know: files, chains, what a certificate is used for.

use jiff::civil;
use thiserror::Error;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{X509Certificate, X509Name};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::tls::crypto::{self, Verified};

mod names;
pub use names::{canonical, same as same_name, text};

/// Why bytes are not a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error("it is not X.509 in DER")]
    NotX509,
    #[error("bytes follow its end")]
    Trailing,
}

/// Parses one certificate.
pub fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ParseError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(ParseError::Trailing),
        Err(_) => Err(ParseError::NotX509),
    }
}

/// Whether key identifiers (RFC 5280 sections 4.2.1.1 and 4.2.1.2) fit an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ids {
    /// The certificate names this very key.
    Agree,
    /// One of them has no identifier.
    Silent,
    /// The certificate names another key, or another certificate of the issuer.
    Differ,
}

/// Compares the key that `certificate` names as its issuer's with that of `issuer`.
pub fn ids(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Ids {
    let named = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(named) => Some(named),
        _ => None,
    });
    let own = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(own) => Some(own),
        _ => None,
    });
    let Some(named) = named else { return Ids::Silent };
    if named.authority_cert_serial.is_some_and(|serial| without_zeros(serial) != without_zeros(issuer.raw_serial())) {
        return Ids::Differ;
    }
    match (&named.key_identifier, own) {
        (Some(named), Some(own)) if named.0 == own.0 => Ids::Agree,
        (Some(_), Some(_)) => Ids::Differ,
        _ => Ids::Silent,
    }
}

/// Whether subject and issuer of a certificate are the same.
pub fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    same_name(certificate.subject(), certificate.issuer())
}

/// Whether the issuer's key made this certificate's signature.
pub fn signed(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Verified {
    let (signed, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    signed_by(issuer.public_key(), certificate.as_raw(), signed, signature)
}

/// Whether that key made the signature of a structure (a certificate, or a list of revoked ones); `signed` is its signed
/// part.
pub fn signed_by(key: &SubjectPublicKeyInfo<'_>, whole: &[u8], signed: &[u8], signature: &[u8]) -> Verified {
    // An AlgorithmIdentifier follows the signed part.
    let algorithm = contents_of_first(whole).and_then(|all| all.get(signed.len()..)).and_then(contents_of_first);
    match (public_parts(key), algorithm) {
        (Some((key, key_algorithm)), Some(algorithm)) => {
            crypto::verify((&key, &key_algorithm), (signature, &with_null(algorithm)), signed)
        }
        _ => Verified::Unknown,
    }
}

/// A public key, and the contents of its AlgorithmIdentifier, which is the first field of a SubjectPublicKeyInfo.
pub fn public_parts(key: &SubjectPublicKeyInfo<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let algorithm = contents_of_first(key.raw).and_then(contents_of_first)?;
    Some((key.subject_public_key.data.to_vec(), with_null(algorithm).to_vec()))
}

/// The serial number in upper-case hex, as `openssl x509 -serial` prints it: without leading zero bytes, and a minus before
/// the magnitude of a negative one.
pub fn serial(raw: &[u8]) -> String {
    let (sign, magnitude) = match raw.first() {
        Some(0x80..) => ("-", negated(raw)),
        _ => ("", raw.to_vec()),
    };
    let digits = match without_zeros(&magnitude) {
        [] => &[0],
        digits => digits,
    };
    sign.chars().map(String::from).chain(digits.iter().map(|byte| format!("{byte:02X}"))).collect()
}

/// A time in seconds since 1970 as RFC 3339 writes it. 9999-12-31T23:59:59Z, for certificates without an end (RFC 5280
/// section 4.1.2.5), is later than the latest `jiff::Timestamp`.
pub fn rfc3339(seconds: i64) -> String {
    let since = jiff::SignedDuration::from_secs(seconds);
    match civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since) {
        Ok(time) => format!("{time}Z"),
        Err(_) => format!("{seconds} seconds since 1970"),
    }
}

/// A text safe for a terminal: an attacker may have made the certificate, so control characters and those that change the
/// direction of text are escaped.
pub fn printable(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // The backslash too, so that a text cannot contain what looks like an escape.
    let invisible = |letter: char| letter.is_control() || turns(letter) || letter == '\\';
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if invisible(letter) {
            shown.extend(letter.escape_default())
        } else {
            shown.push(letter)
        }
        shown
    })
}

/// A name in a message: safe for a terminal, and cut where it is very long. An attacker may have made it, and 64 KiB of control
/// characters would be 300 KiB of text in each line of a log.
pub fn brief(name: &X509Name<'_>) -> String {
    // Escapes make a text longer, never shorter.
    let text: String = name.to_string().chars().take(LONGEST + 1).collect();
    shortened(printable(&text))
}

/// A text in a message, cut where it is very long.
pub fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The two's complement of a number, most significant byte first.
fn negated(raw: &[u8]) -> Vec<u8> {
    let mut carry = true;
    let mut digits: Vec<u8> = raw
        .iter()
        .rev()
        .map(|byte| {
            let (digit, overflow) = (!byte).overflowing_add(u8::from(carry));
            carry = overflow;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    digits.iter().position(|byte| *byte != 0).map_or(&[], |start| &digits[start..])
}

/// An AlgorithmIdentifier's content, with the parameter NULL that RSA's algorithms have (RFC 8017 appendix A) added where a
/// certificate leaves it out: the provider compares bytes.
pub(in crate::tls) fn with_null(algorithm: &[u8]) -> Vec<u8> {
    let is_rsa = algorithm.len() == PKCS_1.len() + 1 && algorithm.starts_with(PKCS_1);
    // Not for PSS (number 10), where the parameters define the algorithm.
    let bare = is_rsa && algorithm.last() != Some(&10);
    [algorithm, if bare { NULL } else { &[] }].concat()
}

fn contents_of_first(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, first)| first.data)
}

/// The object identifiers of PKCS #1 but for their last number, in DER.
const PKCS_1: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];

/// Characters of a text that are shown.
const LONGEST: usize = 512;

const NULL: &[u8] = &[0x05, 0x00];

#[cfg(test)]
mod tests;
