//! A certificate authority whose key is known: it signs whatever an input has, so that what is behind the check of a
//! signature is reached. Must not know: what is signed.

use std::sync::LazyLock;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SigningKey};
use rustls::pki_types::CertificateDer;

/// Its certificate and its key, which is of no use anywhere else.
pub static AUTHORITY: LazyLock<(CertificateDer<'static>, KeyPair)> = LazyLock::new(|| {
    let key = KeyPair::from_pem(include_str!("authority.key")).expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "fuzz");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.self_signed(&key).expect("a certificate").der().clone(), key)
});

/// A Certificate or a CertificateList (RFC 5280 sections 4.1 and 5.1) with these bytes as its contents, and a right
/// signature.
pub fn signed(contents: &[u8]) -> Vec<u8> {
    // ecdsa-with-SHA256, RFC 5758 section 3.2
    const ALGORITHM: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let contents = element(0x30, contents);
    let mut signature = vec![0];
    signature.extend(AUTHORITY.1.sign(&contents).expect("a signature"));
    element(0x30, &[&contents, ALGORITHM, &element(0x03, &signature)].concat())
}

/// In DER: the length is in the fewest bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a length").to_be_bytes();
    let written = match content.len() {
        short @ ..=0x7f => vec![u8::try_from(short).expect("one byte")],
        long => {
            let digits = &length
                [usize::try_from((u32::try_from(long).expect("a length").leading_zeros()) / 8).expect("small")..];
            [&[0x80 | u8::try_from(digits.len()).expect("at most four")], digits].concat()
        }
    };
    [&[tag], &written[..], content].concat()
}
