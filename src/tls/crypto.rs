//! The crypto provider; no file outside of this room names it. Must not know: policies, certificates, tickets.

use rustls::crypto::aws_lc_rs as rustls_side;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite};

mod cbc;
mod es256;
mod hash;
mod ml_dsa;
mod record;
mod schedule;
mod seal;
mod secret;
mod signing;
mod stretch;
mod verify;

pub use cbc::{decrypt_cbc, encrypt_cbc};
pub use es256::Es256;
pub use hash::{Sha2, derive, hmac_sha256, sha256};
pub use record::{Aead, TAG_LEN};
pub use schedule::{HandshakeKeys, TrafficSecret, handshake_keys, message_hash};
pub use seal::Cipher;
pub use secret::{random, same_secret, warm_up};
pub use signing::signing_key;
pub use stretch::{Prf, scrypt, stretch};
pub use verify::{Verified, verify, verify_in_scheme};

/// The crypto provider with its default suites and groups.
pub fn provider() -> CryptoProvider {
    rustls_side::default_provider()
}

/// The provider's implementation of a cipher suite, if it has one.
pub fn suite(suite: CipherSuite) -> Option<SupportedCipherSuite> {
    rustls_side::ALL_CIPHER_SUITES.iter().copied().find(|known| known.suite() == suite)
}

/// The provider's implementation of a key exchange group, if it has one.
pub fn group(group: NamedGroup) -> Option<&'static dyn SupportedKxGroup> {
    rustls_side::ALL_KX_GROUPS.iter().copied().find(|known| known.name() == group)
}
