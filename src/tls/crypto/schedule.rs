//! TLS 1.3's key schedule up to the keys of the handshake (RFC 8446 section 7.1). Must not know: messages, records, who
//! agreed on the secret.

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::{digest, hmac};
use rustls::CipherSuite;
use zeroize::Zeroizing;

use super::record::Aead;

/// The keys that protect both sides' handshake messages after the ServerHello.
#[derive(Debug)]
pub struct HandshakeKeys {
    /// For what the client sends.
    pub client: TrafficSecret,
    /// For what the server sends.
    pub server: TrafficSecret,
}

/// The key of one direction, and the fixed part of its nonces.
#[derive(Debug)]
pub struct TrafficSecret {
    pub key: Aead,
    pub iv: [u8; NONCE_LEN],
}

/// The keys for the shared secret of the key exchange, without a pre-shared key. `transcript` is every handshake message
/// from the ClientHello to the ServerHello; after a HelloRetryRequest it begins with [`message_hash`]. `None` if the suite
/// is not supported.
pub fn handshake_keys(suite: CipherSuite, shared: &[u8], transcript: &[u8]) -> Option<HandshakeKeys> {
    let hash = Hash::of(suite)?;
    let zeros = vec![0; hash.length()];
    let early = hash.hmac(&zeros, &zeros);
    let derived = hash.expand(&early, b"derived", &hash.digest(&[]), hash.length())?;
    let secret = hash.hmac(&derived, shared);
    let transcript = hash.digest(transcript);
    let side = |label: &[u8]| {
        let secret = hash.expand(&secret, label, &transcript, hash.length())?;
        let key = hash.expand(&secret, b"key", &[], hash.key_length)?;
        let iv = hash.expand(&secret, b"iv", &[], NONCE_LEN)?;
        Some(TrafficSecret { key: Aead::of_tls13(suite, &key)?, iv: iv.as_slice().try_into().ok()? })
    };
    Some(HandshakeKeys { client: side(b"c hs traffic")?, server: side(b"s hs traffic")? })
}

/// The message that stands for the first ClientHello after a HelloRetryRequest (RFC 8446 section 4.4.1). `None` if the
/// suite is not supported.
pub fn message_hash(suite: CipherSuite, hello: &[u8]) -> Option<Vec<u8>> {
    let digest = Hash::of(suite)?.digest(hello);
    Some([&[MESSAGE_HASH, 0, 0, u8::try_from(digest.len()).ok()?], digest.as_slice()].concat())
}

/// The hash of a suite, and the length of its keys.
#[derive(Clone, Copy)]
struct Hash {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    key_length: usize,
}

impl Hash {
    fn of(suite: CipherSuite) -> Option<Self> {
        let (digest, hmac, key_length) = match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => (&digest::SHA256, hmac::HMAC_SHA256, 16),
            CipherSuite::TLS13_AES_256_GCM_SHA384 => (&digest::SHA384, hmac::HMAC_SHA384, 32),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => (&digest::SHA256, hmac::HMAC_SHA256, 32),
            _ => return None,
        };
        Some(Self { digest, hmac, key_length })
    }

    fn length(self) -> usize {
        self.digest.output_len()
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.digest, bytes).as_ref().to_vec()
    }

    /// HMAC; with a salt as its key it is HKDF-Extract (RFC 5869 section 2.2).
    fn hmac(self, key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
        let key = hmac::Key::new(self.hmac, key);
        Zeroizing::new(hmac::sign(&key, message).as_ref().to_vec())
    }

    /// HKDF-Expand-Label, for at most the length of the hash: then it is one round of HKDF-Expand (RFC 5869 section 2.3).
    /// `None` if more is asked for.
    fn expand(self, secret: &[u8], label: &[u8], context: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let [label_length, context_length] = [PREFIX.len() + label.len(), context.len()].map(u8::try_from);
        let length_field = u16::try_from(length).ok()?.to_be_bytes();
        let label = [&[label_length.ok()?], PREFIX, label].concat();
        let info = [&length_field[..], &label, &[context_length.ok()?], context, &[1]].concat();
        let mut expanded = self.hmac(secret, &info);
        if length > expanded.len() {
            return None;
        }
        expanded.truncate(length);
        Some(expanded)
    }
}

const PREFIX: &[u8] = b"tls13 ";
/// Type of a handshake message (RFC 8446 section 4); it is never sent.
const MESSAGE_HASH: u8 = 254;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn the_early_steps_are_those_of_rfc_8448_section_3() {
        let hash = Hash::of(CipherSuite::TLS13_AES_128_GCM_SHA256).unwrap();
        let early = hash.hmac(&[0; 32], &[0; 32]);
        assert_eq!(early.to_vec(), hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
        let derived = hash.expand(&early, b"derived", &hash.digest(&[]), 32).unwrap();
        assert_eq!(derived.to_vec(), hex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"));
        let shared = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
        let secret = hash.hmac(&derived, &shared);
        assert_eq!(secret.to_vec(), hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"));
        let server = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        assert_eq!(hash.expand(&server, b"key", &[], 16).unwrap().to_vec(), hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(hash.expand(&server, b"iv", &[], 12).unwrap().to_vec(), hex("5d313eb2671276ee13000b30"));
    }

    #[test]
    fn more_than_one_round_is_refused_and_so_are_other_suites() {
        let hash = Hash::of(CipherSuite::TLS13_AES_128_GCM_SHA256).unwrap();
        assert!(hash.expand(&[0; 32], b"key", &[], 33).is_none());
        assert!(handshake_keys(CipherSuite::TLS13_AES_128_CCM_SHA256, &[], &[]).is_none());
        assert!(message_hash(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, &[]).is_none());
    }
}
