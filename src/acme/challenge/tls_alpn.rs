//! tls-alpn-01 (RFC 8737): the certificate that answers, on the listeners. Must not know: orders, who checks it.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::acme::settings::Identifier;
use crate::tls::crypto;
use crate::tls::handshake::challenge::{Challenges, name_of};

/// An answer on the listeners. Dropping it removes it.
pub struct Answer {
    challenges: Arc<Challenges>,
    server_name: String,
    certificate: Arc<CertifiedKey>,
}

impl Answer {
    /// Answers for that name. `digest` is the SHA-256 of the key authorization.
    pub fn put_up(challenges: &Arc<Challenges>, identifier: &Identifier, digest: &[u8]) -> Result<Self, String> {
        let certificate = certificate(identifier, digest).map_err(|error| format!("no certificate: {error}"))?;
        let (server_name, certificate) = (server_name(identifier), Arc::new(certificate));
        match challenges.put(&server_name, Arc::clone(&certificate)) {
            true => Ok(Self { challenges: Arc::clone(challenges), server_name, certificate }),
            false => Err("too many challenges are pending".to_owned()),
        }
    }

    /// The certificate that answers, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.certificate.cert.first().map_or(&[], |der| der)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.challenges.remove(&self.server_name);
    }
}

/// The name in the authority's hello (RFC 8738 section 6).
pub fn server_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns(name) => name.to_string(),
        Identifier::Ip(address) => name_of(*address),
    }
}

/// RFC 8737 section 3: self-signed, for this one name, with the digest in a critical extension.
fn certificate(identifier: &Identifier, digest: &[u8]) -> Result<CertifiedKey, String> {
    let text = |error: rcgen::Error| error.to_string();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "acme-tls/1");
    params.subject_alt_names = vec![match identifier {
        Identifier::Dns(name) => SanType::DnsName(name.to_string().try_into().map_err(text)?),
        Identifier::Ip(address) => SanType::IpAddress(IpAddr::clone(address)),
    }];
    // It panics for another length.
    if digest.len() != 32 {
        return Err(format!("found a digest of {} bytes, expected 32", digest.len()));
    }
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(text)?;
    let der = params.self_signed(&key).map_err(text)?.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = crypto::signing_key(&key).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![der], key))
}

#[cfg(test)]
mod tests {
    use x509_parser::extensions::GeneralName;

    use super::*;
    use crate::tls::certificate::name::Name;
    use crate::tls::certificate::x509;

    /// id-pe-acmeIdentifier (RFC 8737 section 3)
    const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

    fn made(identifier: &Identifier) -> CertifiedKey {
        certificate(identifier, &[7; 32]).unwrap()
    }

    #[test]
    fn the_certificate_has_one_name_and_the_digest_in_a_critical_extension() {
        let made = made(&Identifier::Dns(Name::parse("a.example").unwrap()));
        let parsed = x509::parse(&made.cert[0]).unwrap();
        let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(*names, [GeneralName::DNSName("a.example")]);
        let extension = parsed.extensions().iter().find(|one| one.oid.to_id_string() == ACME_IDENTIFIER).unwrap();
        assert!(extension.critical);
        assert_eq!(extension.value, [&[4, 32][..], &[7; 32]].concat());
    }

    #[test]
    fn an_address_is_in_the_certificate_as_an_address_and_in_the_hello_as_a_name() {
        let address = Identifier::Ip("192.0.2.7".parse().unwrap());
        let made = made(&address);
        let parsed = x509::parse(&made.cert[0]).unwrap();
        let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(*names, [GeneralName::IPAddress(&[192, 0, 2, 7])]);
        assert_eq!(server_name(&address), "7.2.0.192.in-addr.arpa");
    }

    #[test]
    fn a_digest_of_another_length_is_an_error() {
        let name = Identifier::Dns(Name::parse("a.example").unwrap());
        assert!(certificate(&name, &[7; 31]).is_err());
    }
}
