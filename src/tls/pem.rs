//! PEM text → the certificates and the private key in it, in any order.
//! Must not know: files, names, which certificate goes with which key.

use rustls::pki_types::pem::{self, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use thiserror::Error;

/// What a PEM text holds that matters to a TLS server; other sections (parameters, CRLs) are passed over.
#[derive(Debug, Default)]
pub struct Contents {
    pub certificates: Vec<CertificateDer<'static>>,
    pub keys: Vec<PrivateKeyDer<'static>>,
}

/// Why a PEM text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    #[error("is empty")]
    Empty,
    #[error("is cut short: a section begins that has no end line")]
    Truncated,
    #[error("is not valid PEM: {0}")]
    Syntax(String),
    #[error(
        "holds a private key that is encrypted with a passphrase, which tlsgate cannot ask for; decrypt it with \"openssl pkey\""
    )]
    Encrypted,
}

/// Reads every section of `text`.
pub fn read(text: &[u8]) -> Result<Contents, PemError> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty);
    }
    if contains(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(text, "Proc-Type: 4,ENCRYPTED") {
        return Err(PemError::Encrypted);
    }
    let mut contents = Contents::default();
    let mut rest = text;
    while let Some((kind, der)) = pem::from_buf(&mut rest).map_err(said)? {
        match kind {
            SectionKind::Certificate => contents.certificates.push(der.into()),
            SectionKind::RsaPrivateKey => contents.keys.push(PrivateKeyDer::Pkcs1(der.into())),
            SectionKind::EcPrivateKey => contents.keys.push(PrivateKeyDer::Sec1(der.into())),
            SectionKind::PrivateKey => contents.keys.push(PrivateKeyDer::Pkcs8(der.into())),
            _ => {}
        }
    }
    Ok(contents)
}

/// Reads lists of revoked certificates: PEM, or one in DER, as CAs publish it.
pub fn read_crls(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    // A DER structure begins with the tag of a sequence, which in PEM would be a zero.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec().into()]);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty);
    }
    let mut lists = Vec::new();
    let mut rest = bytes;
    while let Some((kind, der)) = pem::from_buf(&mut rest).map_err(said)? {
        if kind == SectionKind::Crl {
            lists.push(der.into());
        }
    }
    match lists.is_empty() {
        true => Err(PemError::Syntax("there is no list of revoked certificates (X509 CRL) in it".into())),
        false => Ok(lists),
    }
}

pub(super) fn said(error: pem::Error) -> PemError {
    match error {
        pem::Error::MissingSectionEnd { .. } => PemError::Truncated,
        pem::Error::IllegalSectionStart { .. } => PemError::Syntax("a BEGIN line is malformed".into()),
        pem::Error::Base64Decode(_) => PemError::Syntax("a section is not base64".into()),
        other => PemError::Syntax(other.to_string()),
    }
}

fn contains(text: &[u8], needle: &str) -> bool {
    match std::str::from_utf8(text) {
        // Many times faster than to look at each place.
        Ok(text) => text.contains(needle),
        Err(_) => text.windows(needle.len()).any(|window| window == needle.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_by_name() {
        assert_eq!(read(b"").err(), Some(PemError::Empty));
        assert_eq!(read(b" \n\t").err(), Some(PemError::Empty));
        assert_eq!(read(b"-----BEGIN CERTIFICATE-----\nAAAA\n").err(), Some(PemError::Truncated));
        assert_eq!(
            read(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n").err(),
            Some(PemError::Encrypted)
        );
        assert!(matches!(
            read(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n").err(),
            Some(PemError::Syntax(_))
        ));
    }

    #[test]
    fn no_prefix_of_a_valid_text_panics_or_yields_a_partial_section() {
        let key = rcgen::KeyPair::generate().unwrap();
        let text = key.serialize_pem();
        for cut in 0..text.len() {
            if let Ok(contents) = read(&text.as_bytes()[..cut]) {
                let whole = text.trim_end().len();
                assert_eq!(contents.keys.len(), usize::from(cut >= whole), "cut at {cut}");
            }
        }
    }
}
