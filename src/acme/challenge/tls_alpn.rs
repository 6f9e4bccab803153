//! tls-alpn-01 (RFC 8737): the certificate that answers, on the listeners. Must not know: orders, who checks it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::acme::settings::Identifier;
use crate::acme::share::Post;
use crate::tls::crypto;
use crate::tls::handshake::challenge::{Challenges, Put, name_of};

/// An answer on the listeners. Dropping it removes it.
pub struct Answer {
    challenges: Arc<Challenges>,
    server_name: String,
    certificate: Arc<CertifiedKey>,
    /// In DER (PKCS#8), for those who answer as well.
    key: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Answers for that name. `digest` is the SHA-256 of the key authorization. While another order's answer is pending for
    /// the name, it waits, at most `patience`: a hello does not tell which authority asks.
    pub async fn put_up(
        challenges: &Arc<Challenges>,
        identifier: &Identifier,
        digest: &[u8],
        patience: Duration,
    ) -> Result<Self, String> {
        let (certificate, key) = certificate(identifier, digest).map_err(|error| format!("no certificate: {error}"))?;
        let (server_name, certificate) = (server_name(identifier), Arc::new(certificate));
        let end = Instant::now() + patience;
        loop {
            match challenges.put(&server_name, &certificate) {
                Put::Done => return Ok(Self { challenges: Arc::clone(challenges), server_name, certificate, key }),
                Put::Full => return Err("too many challenges are pending".to_owned()),
                Put::Taken if Instant::now() < end => sleep(PAUSE).await,
                Put::Taken => {
                    let waited = patience.as_secs_f32();
                    return Err(format!(
                        "another order's challenge is pending for {server_name:?}, expected it to end within {waited} s"
                    ));
                }
            }
        }
    }

    /// Answers with what somebody else has made. `None` as long as another answer is pending for the name, or there are too
    /// many.
    pub fn again(
        challenges: &Arc<Challenges>,
        server_name: &str,
        certificate: &[u8],
        key: &Zeroizing<Vec<u8>>,
    ) -> Result<Option<Self>, String> {
        let made = Arc::new(certified(CertificateDer::from(certificate.to_vec()), key)?);
        let (server_name, key) = (server_name.to_owned(), key.clone());
        let is_up = challenges.put(&server_name, &made) == Put::Done;
        Ok(is_up.then(|| Self { challenges: Arc::clone(challenges), server_name, certificate: made, key }))
    }

    /// For those who answer as well.
    pub fn post(&self) -> Post {
        Post::tls_alpn(&self.server_name, self.certificate(), &self.key)
    }

    /// The certificate that answers, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.certificate.cert.first().map_or(&[], |der| der)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.challenges.remove(&self.server_name, &self.certificate);
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
fn certificate(identifier: &Identifier, digest: &[u8]) -> Result<(CertifiedKey, Zeroizing<Vec<u8>>), String> {
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
    let key = Zeroizing::new(KeyPair::generate().map_err(text)?);
    let der = params.self_signed(&*key).map_err(text)?.der().clone();
    let key = Zeroizing::new(key.serialize_der());
    Ok((certified(der, &key)?, key))
}

fn certified(der: CertificateDer<'static>, key: &Zeroizing<Vec<u8>>) -> Result<CertifiedKey, String> {
    let key = Zeroizing::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec())));
    let key = crypto::signing_key(&key).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![der], key))
}

/// Between two looks at whether a name is free.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use x509_parser::extensions::GeneralName;

    use super::*;
    use crate::tls::certificate::name::Name;
    use crate::tls::certificate::x509;

    /// id-pe-acmeIdentifier (RFC 8737 section 3)
    const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

    fn made(identifier: &Identifier) -> CertifiedKey {
        certificate(identifier, &[7; 32]).unwrap().0
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

    #[tokio::test]
    async fn a_name_whose_challenge_is_pending_for_another_order_is_waited_for_within_limits() {
        let (challenges, name) = (Arc::default(), Identifier::Dns(Name::parse("a.example").unwrap()));
        let put_up = |digest: u8, patience| {
            let (challenges, name) = (&challenges, &name);
            async move { Answer::put_up(challenges, name, &[digest; 32], patience).await }
        };
        let first = put_up(1, Duration::ZERO).await.unwrap();
        let error = put_up(2, Duration::from_millis(1)).await.err().unwrap();
        assert!(error.contains("another order") && error.contains("a.example"), "{error}");
        // The first ends while the second waits.
        let (second, ()) = tokio::join!(put_up(2, Duration::from_secs(60)), async { drop(first) });
        let pending = |answer: &Answer| challenges.put("a.example", &answer.certificate) == Put::Done;
        assert!(pending(&second.unwrap()));
    }

    #[test]
    fn a_digest_of_another_length_is_an_error() {
        let name = Identifier::Dns(Name::parse("a.example").unwrap());
        assert!(certificate(&name, &[7; 31]).is_err());
    }
}
