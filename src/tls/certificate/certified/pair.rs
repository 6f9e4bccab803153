//! Whether a private key belongs to a certificate, in whatever form the certificate encodes its public key.
//! Must not know: what the pair is for.

use rustls::pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::SubjectPublicKeyInfo;

/// How a certificate encodes the public key that belongs to a private one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls) enum Form {
    /// The form that all common tools use.
    Usual,
    /// RSA without the parameter NULL, which RFC 3279 section 2.3.1 requires.
    RsaWithoutNull,
    /// A point with one coordinate left out (RFC 5480 section 2.2), or in the hybrid form of X9.62.
    Point,
    /// With the curve's parameters instead of its name, which RFC 5480 section 2.1.1 forbids; or with other parameters.
    Parameters,
}

impl Form {
    /// The text of a warning where only some clients accept the certificate.
    pub(super) fn remark(self) -> Option<&'static str> {
        match self {
            // A key with other parameters is refused before it is served.
            Self::Usual | Self::Parameters => None,
            Self::RsaWithoutNull => Some(
                "the certificate encodes its RSA key without the parameter NULL (RFC 3279 section 2.3.1), and clients that use rustls refuse it",
            ),
            Self::Point => Some(
                "the certificate encodes its public key as a compressed point, and some clients refuse it (RFC 8422 section 5.1.2)",
            ),
        }
    }
}

/// The form in which a certificate encodes that public key, a SubjectPublicKeyInfo; `None` where its key is another one.
pub(in crate::tls) fn form(certificate: &X509Certificate<'_>, public: &[u8]) -> Option<Form> {
    let own = certificate.public_key();
    if own.raw == public {
        return Some(Form::Usual);
    }
    let (_, public) = SubjectPublicKeyInfo::from_der(public).ok()?;
    let (of_own, of_public) = (&own.algorithm.algorithm, &public.algorithm.algorithm);
    if *of_public == OID_PKCS1_RSAENCRYPTION && (of_own == of_public || *of_own == OID_PKCS1_RSASSAPSS) {
        let same = match (rsa(own)?, rsa(&public)?) {
            (own, public) if own == public && of_own != of_public => Form::Parameters,
            (own, public) if own == public => Form::RsaWithoutNull,
            _ => return None,
        };
        return Some(same);
    }
    if *of_public != OID_KEY_TYPE_EC_PUBLIC_KEY || of_own != of_public {
        return None;
    }
    let same_point = is_same_point(&own.subject_public_key.data, &public.subject_public_key.data);
    let same_curve = own.algorithm.parameters == public.algorithm.parameters;
    same_point.then_some(if same_curve { Form::Point } else { Form::Parameters })
}

/// Modulus and exponent without leading zeros.
fn rsa<'a>(info: &'a SubjectPublicKeyInfo<'_>) -> Option<(&'a [u8], &'a [u8])> {
    // The parser reads the key only under rsaEncryption, and the algorithm may be that of PSS.
    let (_, key) = Any::from_der(&info.subject_public_key.data).ok()?;
    let (rest, modulus) = Any::from_der(key.data).ok()?;
    let (_, exponent) = Any::from_der(rest).ok()?;
    let digits = |number: &'a [u8]| number.iter().position(|byte| *byte != 0).map(|start| &number[start..]);
    Some((digits(modulus.data)?, digits(exponent.data)?))
}

/// Compares a point in any form of X9.62 (SEC 1 section 2.3.3) with an uncompressed one.
fn is_same_point(point: &[u8], uncompressed: &[u8]) -> bool {
    let [UNCOMPRESSED, coordinates @ ..] = uncompressed else { return false };
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    let odd = y.last().is_some_and(|last| last % 2 == 1);
    match point {
        [UNCOMPRESSED, rest @ ..] => rest == coordinates,
        [form @ 2..=3, rest @ ..] => rest == x && (*form == 3) == odd,
        [form @ 6..=7, rest @ ..] => rest == coordinates && (*form == 7) == odd,
        _ => false,
    }
}

/// What is unusual about a private key that cannot be used, if that is known.
pub(super) fn unusual(key: &PrivateKeyDer<'_>) -> Option<&'static str> {
    let parts = elements(elements(key.secret_der()).first()?.data);
    let explicit = match key {
        // Version, AlgorithmIdentifier.
        PrivateKeyDer::Pkcs8(_) => {
            matches!(&elements(parts.get(1)?.data)[..], [_, parameters] if parameters.tag() == Tag::Sequence)
        }
        // Version, key, [0] parameters.
        PrivateKeyDer::Sec1(_) => parts.iter().any(|part| {
            part.class() == x509_parser::asn1_rs::Class::ContextSpecific
                && part.tag().0 == 0
                && elements(part.data).first().is_some_and(|parameters| parameters.tag() == Tag::Sequence)
        }),
        _ => false,
    };
    explicit.then_some("it has the parameters of a curve, expected the name of one (\"openssl ec -param_enc named_curve\" converts it)")
}

/// The elements of a structure, as far as they can be read.
fn elements(mut contents: &[u8]) -> Vec<Any<'_>> {
    let mut all = Vec::new();
    while let Ok((rest, element)) = Any::from_der(contents) {
        all.push(element);
        contents = rest;
    }
    all
}

const UNCOMPRESSED: u8 = 4;
