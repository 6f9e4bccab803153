//! A private key in DER → one that signs handshakes. Must not know: files, certificates, who signs.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs as rustls_side;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

use crate::tls::crypto::ml_dsa;
use ml_dsa_key::MlDsa;

mod ml_dsa_key;

/// Parses a private key (PKCS#1, SEC1 or PKCS#8, in DER) into one that signs. Fails if it is malformed or of an unsupported
/// type.
pub fn signing_key(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    if let PrivateKeyDer::Pkcs8(key) = der
        && let Some((set, private)) = ml_dsa::parse(key.secret_pkcs8_der())
    {
        let key = private.map_err(|malformed| malformed.to_string()).and_then(|private| MlDsa::new(set, private));
        return key.map(|key| Arc::new(key) as Arc<dyn SigningKey>).map_err(rustls::Error::General);
    }
    // rustls tries RSA first. For an ECDSA key that is wasted time: parsing checks the key, which costs as much as signing.
    match is_elliptic(der).then(|| rustls_side::sign::any_ecdsa_type(der)) {
        Some(Ok(key)) => Ok(key),
        _ => rustls_side::sign::any_supported_type(der),
    }
}

/// Whether a key declares itself an elliptic-curve key. In PKCS#8 the algorithm is at the start (RFC 5208 section 5).
fn is_elliptic(der: &PrivateKeyDer<'_>) -> bool {
    match der {
        // SEC1 has no other kind of key.
        PrivateKeyDer::Sec1(_) => true,
        PrivateKeyDer::Pkcs8(key) => {
            let front = key.secret_pkcs8_der();
            let front = front.get(..PKCS8_FRONT).unwrap_or(front);
            front.windows(EC_PUBLIC_KEY.len()).any(|window| window == EC_PUBLIC_KEY)
        }
        _ => false,
    }
}

/// The object identifier id-ecPublicKey, in DER (RFC 5480 section 2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The first bytes of PKCS#8, which contain the algorithm: two sequence headers, the version, the identifier.
const PKCS8_FRONT: usize = 24;
