//! The private key of a certificate, and the request that is made with it. Must not know: orders, files.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SanType};
use zeroize::Zeroizing;

use crate::acme::settings::{Identifier, KeyKind};
use crate::tls::certificate::pem::{self, written};

/// A new key, in PEM (PKCS#8). It takes seconds for the largest.
pub(super) fn generate(kind: KeyKind) -> Result<Zeroizing<String>, String> {
    let key = match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    let key = Zeroizing::new(key.map_err(|error| format!("no key can be made: {error}"))?);
    Ok(written::secret("PRIVATE KEY", key.serialized_der()))
}

/// A certificate signing request (RFC 2986) for these names, in DER.
pub(super) fn request(pem: &str, identifiers: &[Identifier]) -> Result<Vec<u8>, String> {
    let text = |error: rcgen::Error| format!("no request can be made: {error}");
    let keys = pem::read(pem.as_bytes()).map_err(|error| format!("the key of the order {error}"))?.keys;
    let key = keys.first().ok_or("the file of the order's key holds none")?;
    let key = Zeroizing::new(KeyPair::try_from(&**key).map_err(text)?);
    let mut params = CertificateParams::default();
    // RFC 8555 section 7.4: the names are in the extension. A common name holds 64 characters at most.
    params.distinguished_name = DistinguishedName::new();
    for identifier in identifiers {
        params.subject_alt_names.push(match identifier {
            Identifier::Dns(name) => SanType::DnsName(name.to_string().try_into().map_err(text)?),
            Identifier::Ip(address) => SanType::IpAddress(*address),
        });
    }
    Ok(params.serialize_request(&*key).map_err(text)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::extensions::{GeneralName, ParsedExtension};
    use x509_parser::prelude::FromDer;
    use x509_parser::public_key::PublicKey;

    use super::*;
    use crate::tls::certificate::name::Name;
    use crate::words::Words;

    #[test]
    fn every_kind_of_key_makes_a_request_for_the_names() {
        let names =
            [Identifier::Dns(Name::parse("*.a.example").unwrap()), Identifier::Ip("2001:db8::1".parse().unwrap())];
        // The largest key takes seconds, and is made by the same call as the others.
        for kind in KeyKind::ALL.iter().copied().filter(|kind| *kind != KeyKind::Rsa4096) {
            let der = request(&generate(kind).unwrap(), &names).unwrap();
            let (rest, parsed) = X509CertificationRequest::from_der(&der).unwrap();
            assert!(rest.is_empty());
            let bits = match parsed.certification_request_info.subject_pki.parsed().unwrap() {
                PublicKey::EC(point) => format!("ecdsa-p{}", point.key_size()),
                PublicKey::RSA(key) => format!("rsa-{}", key.key_size()),
                _ => panic!("another kind of key"),
            };
            assert_eq!(bits, kind.word());
            let mut extensions = parsed.requested_extensions().unwrap();
            let Some(ParsedExtension::SubjectAlternativeName(found)) = extensions.next() else { panic!("no names") };
            let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            assert_eq!(found.general_names, [GeneralName::DNSName("*.a.example"), GeneralName::IPAddress(&address)]);
        }
    }
}
