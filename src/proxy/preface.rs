//! The PROXY header that reports a client to a backend, before the client's first byte. Must not know: how it is sent.

use crate::net::address::Address;
use crate::net::proxy_protocol::write::{self, Facts, Session, Version};
use crate::observe::access::record::Record;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::{Hash, KeyType};
use crate::tls::handshake::Terminated;

/// The header about the connection of `record`; empty if none is sent. `terminated` is given where TLS ends here.
pub(super) fn preface(
    version: Version,
    record: &Record,
    destination: &Address,
    terminated: Option<&Terminated>,
) -> Vec<u8> {
    if version == Version::Off {
        return Vec::new();
    }
    let key = terminated.map(|terminated| key_name(&terminated.choice.certificate));
    let session = match (&record.tls, &key, terminated) {
        (Some(tls), Some(key), Some(terminated)) => Some(Session {
            version: tls.version,
            cipher: tls.openssl_cipher,
            signature: signature_name(&terminated.choice.certificate),
            key,
            client: terminated.client.as_ref().map(|client| write::Certificate {
                common_name: client.common_name.as_deref(),
                // A resumed session has the certificate from its beginning.
                on_this_connection: !terminated.finished.negotiated.resumed,
            }),
        }),
        _ => None,
    };
    let facts = Facts {
        source: &record.client,
        destination,
        server_name: Some(&*record.server_name).filter(|name| *name != "-"),
        alpn: terminated.and_then(|terminated| terminated.finished.negotiated.alpn.as_deref()),
        unique_id: &record.connection_id.to_string(),
        session,
    };
    facts.header(version)
}

/// The key's type and size as HAProxy writes them, since backends compare this text.
fn key_name(certificate: &Certificate) -> String {
    let bits = certificate.key_bits;
    match certificate.key_type {
        KeyType::Rsa => format!("RSA{bits}"),
        KeyType::EcdsaP256 | KeyType::EcdsaP384 | KeyType::EcdsaP521 => format!("EC{bits}"),
        KeyType::Ed25519 => "ED25519".to_owned(),
        // HAProxy has no name for other keys; this is OpenSSL's.
        KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => certificate.key_type.to_string(),
    }
}

/// OpenSSL's name of the algorithm with which the served certificate is signed. `None` for a self-signed one.
fn signature_name(certificate: &Certificate) -> Option<&'static str> {
    use rustls::SignatureScheme as Scheme;
    Some(match certificate.chain_signatures.first()?.first()? {
        Scheme::RSA_PKCS1_SHA1 => "RSA-SHA1",
        Scheme::RSA_PKCS1_SHA256 => "RSA-SHA256",
        Scheme::RSA_PKCS1_SHA384 => "RSA-SHA384",
        Scheme::RSA_PKCS1_SHA512 => "RSA-SHA512",
        Scheme::RSA_PSS_SHA256 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PSS_SHA512 => "RSASSA-PSS",
        Scheme::ED25519 => "ED25519",
        Scheme::ML_DSA_44 => "id-ml-dsa-44",
        Scheme::ML_DSA_65 => "id-ml-dsa-65",
        Scheme::ML_DSA_87 => "id-ml-dsa-87",
        // OpenSSL's names of ECDSA signatures contain the hash and not the curve.
        _ => match certificate.hash {
            Hash::Sha1 => "ecdsa-with-SHA1",
            Hash::Sha256 => "ecdsa-with-SHA256",
            Hash::Sha384 => "ecdsa-with-SHA384",
            Hash::Sha512 => "ecdsa-with-SHA512",
            Hash::Weakest => return None,
        },
    })
}
