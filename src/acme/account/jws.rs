//! Signed messages (RFC 7515) as ACME has them (RFC 8555 sections 6.2, 7.3.4 and 7.3.5). Must not know: how they are sent.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::tls::crypto::{self, Es256};

/// By what the authority knows the signer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signer<'a> {
    /// The key itself: there is no account yet, or it is not known.
    Key,
    /// The URL of the account.
    Account(&'a str),
}

/// A message signed with an account's key. `nonce` is left out in an inner message.
pub(super) fn sign(
    key: &Es256,
    signer: Signer<'_>,
    nonce: Option<&str>,
    url: &str,
    payload: &Value,
) -> Result<Value, &'static str> {
    let mut header = json!({ "alg": "ES256", "url": url });
    match signer {
        Signer::Key => header["jwk"] = jwk(key)?,
        Signer::Account(account) => header["kid"] = account.into(),
    }
    if let Some(nonce) = nonce {
        header["nonce"] = nonce.into();
    }
    finish(&header, payload, |message| key.sign(message).ok_or("nothing can be signed: there are no random bytes"))
}

/// Binds an account's key to an account of another kind (RFC 8555 section 7.3.4). `secret` is the key that its owner gave.
pub(super) fn bind(key: &Es256, kid: &str, secret: &[u8], url: &str) -> Result<Value, &'static str> {
    let header = json!({ "alg": "HS256", "kid": kid, "url": url });
    finish(&header, &jwk(key)?, |message| Ok(crypto::hmac_sha256(secret, message).to_vec()))
}

/// The public half of a key (RFC 7517, RFC 7518 section 6.2).
pub(super) fn jwk(key: &Es256) -> Result<Value, &'static str> {
    let (x, y) = key.point().ok_or("the account's key has no public half on P-256")?;
    Ok(json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) }))
}

fn finish(
    header: &Value,
    payload: &Value,
    signature: impl FnOnce(&[u8]) -> Result<Vec<u8>, &'static str>,
) -> Result<Value, &'static str> {
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let signature = signature(format!("{protected}.{payload}").as_bytes())?;
    Ok(json!({ "protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(signature) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &Value) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_message_has_what_rfc_8555_asks_for_and_no_more() {
        let key = Es256::from_pkcs8(&Es256::generate().unwrap()).unwrap();
        let signed = sign(&key, Signer::Account("https://a/1"), Some("n"), "https://a/x", &json!({ "b": 1 })).unwrap();
        let header = json!({ "alg": "ES256", "kid": "https://a/1", "nonce": "n", "url": "https://a/x" });
        assert_eq!(decoded(&signed["protected"]), header);
        assert_eq!(decoded(&signed["payload"]), json!({ "b": 1 }));
        let inner = sign(&key, Signer::Key, None, "https://a/x", &json!({})).unwrap();
        assert_eq!(
            decoded(&inner["protected"]),
            json!({ "alg": "ES256", "jwk": jwk(&key).unwrap(), "url": "https://a/x" })
        );
    }

    #[test]
    fn a_binding_is_the_public_key_authenticated_with_the_secret() {
        let key = Es256::from_pkcs8(&Es256::generate().unwrap()).unwrap();
        let bound = bind(&key, "kid-1", b"secret", "https://a/new").unwrap();
        assert_eq!(decoded(&bound["protected"]), json!({ "alg": "HS256", "kid": "kid-1", "url": "https://a/new" }));
        assert_eq!(decoded(&bound["payload"]), jwk(&key).unwrap());
        let message = format!("{}.{}", bound["protected"].as_str().unwrap(), bound["payload"].as_str().unwrap());
        let tag = URL_SAFE_NO_PAD.encode(crypto::hmac_sha256(b"secret", message.as_bytes()));
        assert_eq!(bound["signature"], tag);
    }
}
