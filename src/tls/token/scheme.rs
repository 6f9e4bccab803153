//! TLS's signature schemes → what a token is given to sign, and its answer → the signature in TLS's form. Pure.
//! Must not know: tokens, sessions.
//!
//! The hash is computed here, since not every token can hash, and a message would take longer to reach it.

use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::tls::crypto::Sha2;

/// How a token signs for one scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) hash: Sha2,
    pub(super) form: Form,
}

/// The kinds of signature: PKCS#11's CKM_ECDSA, CKM_RSA_PKCS and CKM_RSA_PKCS_PSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Ecdsa,
    Pkcs1,
    Pss,
}

impl Method {
    /// `None` for a scheme in which tokens do not sign here.
    pub(super) fn of(scheme: SignatureScheme) -> Option<Self> {
        use SignatureScheme as Scheme;
        let (hash, form) = match scheme {
            Scheme::ECDSA_NISTP256_SHA256 => (Sha2::Sha256, Form::Ecdsa),
            Scheme::ECDSA_NISTP384_SHA384 => (Sha2::Sha384, Form::Ecdsa),
            Scheme::ECDSA_NISTP521_SHA512 => (Sha2::Sha512, Form::Ecdsa),
            Scheme::RSA_PKCS1_SHA256 => (Sha2::Sha256, Form::Pkcs1),
            Scheme::RSA_PKCS1_SHA384 => (Sha2::Sha384, Form::Pkcs1),
            Scheme::RSA_PKCS1_SHA512 => (Sha2::Sha512, Form::Pkcs1),
            Scheme::RSA_PSS_SHA256 => (Sha2::Sha256, Form::Pss),
            Scheme::RSA_PSS_SHA384 => (Sha2::Sha384, Form::Pss),
            Scheme::RSA_PSS_SHA512 => (Sha2::Sha512, Form::Pss),
            _ => return None,
        };
        Some(Self { hash, form })
    }

    /// The kind of key, as rustls asks for it in TLS 1.2.
    pub(super) fn algorithm(self) -> SignatureAlgorithm {
        match self.form {
            Form::Ecdsa => SignatureAlgorithm::ECDSA,
            Form::Pkcs1 | Form::Pss => SignatureAlgorithm::RSA,
        }
    }

    /// What the token signs.
    pub(super) fn input(self, message: &[u8]) -> Vec<u8> {
        let hash = self.hash.of(message);
        match self.form {
            Form::Ecdsa | Form::Pss => hash,
            Form::Pkcs1 => [digest_info(self.hash), &hash].concat(),
        }
    }

    /// The signature in TLS's form. `None` if that is not what a token may return.
    pub(super) fn output(self, signature: Vec<u8>) -> Option<Vec<u8>> {
        match self.form {
            Form::Ecdsa => der(&signature),
            Form::Pkcs1 | Form::Pss => Some(signature),
        }
    }
}

/// r and s, of the same length (PKCS#11 section 2.3.1) → the structure ECDSA-Sig-Value (RFC 3279 section 2.2.3).
fn der(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.is_empty() || !signature.len().is_multiple_of(2) || signature.len() > LONGEST_ECDSA {
        return None;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    let both = [integer(r), integer(s)].concat();
    let length = u8::try_from(both.len()).ok()?;
    let head: &[u8] = if length < 0x80 { &[SEQUENCE, length] } else { &[SEQUENCE, 0x81, length] };
    Some([head, &both].concat())
}

/// A number that is not negative, in DER. It has fewer than 128 bytes.
fn integer(digits: &[u8]) -> Vec<u8> {
    let start = digits.iter().position(|byte| *byte != 0).unwrap_or(digits.len() - 1);
    let digits = &digits[start..];
    // The first bit would be the sign.
    let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
    let length = u8::try_from(sign.len() + digits.len()).unwrap_or(u8::MAX);
    [&[INTEGER, length], sign, digits].concat()
}

/// What stands before the hash in a DigestInfo (RFC 8017 section 9.2, note 1).
fn digest_info(hash: Sha2) -> &'static [u8] {
    match hash {
        Sha2::Sha256 => &[
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
            0x20,
        ],
        Sha2::Sha384 => &[
            0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04,
            0x30,
        ],
        Sha2::Sha512 => &[
            0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
            0x40,
        ],
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Of P-521, the largest curve: 66 bytes for each number.
const LONGEST_ECDSA: usize = 132;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_become_a_structure() {
        assert_eq!(der(&[1, 2]).unwrap(), [0x30, 6, 2, 1, 1, 2, 1, 2]);
        assert_eq!(der(&[0, 0x80, 0, 0]).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 0]);
        // P-521 needs the long form of the length.
        let long = der(&[0xff; 132]).unwrap();
        assert_eq!((long.len(), &long[..5]), (3 + 2 * 69, &[0x30, 0x81, 138, 2, 67][..]));
        for wrong in [0, 1, 131, 134] {
            assert_eq!(der(&vec![1; wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn only_schemes_of_rsa_and_ecdsa_are_known() {
        assert_eq!(Method::of(SignatureScheme::ED25519), None);
        assert_eq!(Method::of(SignatureScheme::ML_DSA_44), None);
        let method = Method::of(SignatureScheme::RSA_PKCS1_SHA384).unwrap();
        assert_eq!(method.input(b"").len(), 19 + 48);
        let method = Method::of(SignatureScheme::RSA_PSS_SHA512).unwrap();
        assert_eq!((method.input(b"").len(), method.algorithm()), (64, SignatureAlgorithm::RSA));
    }
}
