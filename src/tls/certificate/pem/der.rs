//! A DER structure → what it is, by its outer shape alone. Must not know: PEM, what the parts mean.

/// The structures in DER that a server's files may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Certificate,
    /// A list of revoked certificates (RFC 5280 section 5.1).
    List,
    /// PrivateKeyInfo (RFC 5208) or OneAsymmetricKey (RFC 5958), with a key that may be good.
    Pkcs8,
    /// RSAPrivateKey (RFC 8017 appendix A.1.2) of two primes.
    Pkcs1,
    /// ECPrivateKey (RFC 5915).
    Sec1,
    /// An RSAPrivateKey of more than two primes, by itself or in PKCS#8.
    MultiPrime,
    Dsa,
    /// EncryptedPrivateKeyInfo (RFC 5958 section 3).
    Encrypted,
    /// PFX (RFC 7292 section 4).
    Pkcs12,
    /// ContentInfo (RFC 2315 section 7).
    Pkcs7,
    Other,
}

/// The SEQUENCE at the beginning, and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, _, rest) = element(bytes)?;
    (tag == SEQUENCE).then(|| bytes.split_at(bytes.len() - rest.len()))
}

/// Whether bytes begin like a SEQUENCE of more than 127 bytes, which no text does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [SEQUENCE, 0x81..=0x84, ..])
}

/// What one SEQUENCE is.
pub(super) fn kind(der: &[u8]) -> Kind {
    let Some((SEQUENCE, contents, [])) = element(der) else { return Kind::Other };
    let parts = elements(contents);
    match &parts[..] {
        [(INTEGER, version), (SEQUENCE, algorithm), (OCTET_STRING, key), ..] => match version {
            // The version of a key is 0 or 1 (RFC 5958 section 2), that of PFX is 3.
            [3] => Kind::Pkcs12,
            _ if algorithm.starts_with(RSA) && is_multi_prime(key) => Kind::MultiPrime,
            _ => Kind::Pkcs8,
        },
        [(INTEGER, [3]), (SEQUENCE, _), ..] => Kind::Pkcs12,
        [(INTEGER, _), (OCTET_STRING, _), ..] => Kind::Sec1,
        [(INTEGER, version), (INTEGER, _), rest @ ..] => {
            // An RSA key of two primes has nine integers, two of which are matched already; a DSA key has six.
            match (version, rest.iter().filter(|(tag, _)| *tag == INTEGER).count()) {
                ([0], 7) => Kind::Pkcs1,
                ([1], 7) => Kind::MultiPrime,
                ([0], 4) => Kind::Dsa,
                _ => Kind::Other,
            }
        }
        [(SEQUENCE, _), (OCTET_STRING, _)] => Kind::Encrypted,
        [(SEQUENCE, signed), (SEQUENCE, _), (BIT_STRING, _)] => signed_kind(signed),
        [(OBJECT_IDENTIFIER, _), ..] => Kind::Pkcs7,
        _ => Kind::Other,
    }
}

/// Of a key within PKCS#8. Nothing else is looked for there: one within another may go on for ever.
fn is_multi_prime(key: &[u8]) -> bool {
    let Some((SEQUENCE, contents, [])) = element(key) else { return false };
    match &elements(contents)[..] {
        [(INTEGER, [1]), (INTEGER, _), rest @ ..] => rest.iter().filter(|(tag, _)| *tag == INTEGER).count() == 7,
        _ => false,
    }
}

/// Whether the settings that OpenSSL puts behind a certificate (X509_CERT_AUX) say what it is trusted or rejected for.
pub(super) fn judges(settings: &[u8]) -> bool {
    let Some((SEQUENCE, contents, _)) = element(settings) else { return true };
    elements(contents).iter().any(|(tag, _)| matches!(*tag, SEQUENCE | CONTEXT_0))
}

/// A certificate or a list of revoked ones, by the fields of the signed part.
fn signed_kind(signed: &[u8]) -> Kind {
    let parts = elements(signed);
    let tags: Vec<u8> = parts.iter().map(|(tag, _)| *tag).collect();
    match &tags[..] {
        [INTEGER, SEQUENCE, SEQUENCE, UTC_TIME | GENERALIZED_TIME, ..]
        | [SEQUENCE, SEQUENCE, UTC_TIME | GENERALIZED_TIME, ..] => Kind::List,
        [CONTEXT_0, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, ..] | [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, ..] => {
            Kind::Certificate
        }
        _ => Kind::Other,
    }
}

/// The elements of a structure with their tags, as far as they are whole; at most [`MOST`].
fn elements(mut contents: &[u8]) -> Vec<(u8, &[u8])> {
    let mut parts = Vec::new();
    while let (Some((tag, value, rest)), true) = (element(contents), parts.len() < MOST) {
        parts.push((tag, value));
        contents = rest;
    }
    parts
}

/// Tag, contents, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

/// rsaEncryption (RFC 8017 appendix A.1), in DER.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// An RSA key of more than two primes has ten, the most of all structures here.
const MOST: usize = 12;
