//! AES in CBC mode, as encrypted private keys have it. Must not know: where the key comes from, what is encrypted.

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::cipher::{PaddedBlockDecryptingKey, PaddedBlockEncryptingKey};
use zeroize::Zeroizing;

/// AES in CBC mode with the padding of PKCS #7. It does not protect against changes. `None` if the key is not of 16, 24 or
/// 32 bytes.
pub fn encrypt_cbc(key: &[u8], iv: [u8; 16], plain: &[u8]) -> Option<Vec<u8>> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key(key)?).ok()?;
    // The padding is at most one block: the vector does not move, which would leave the plaintext behind.
    let mut message = Zeroizing::new(Vec::with_capacity(plain.len() + BLOCK));
    message.extend_from_slice(plain);
    key.less_safe_encrypt(&mut *message, EncryptionContext::Iv128(iv.into())).ok()?;
    Some(std::mem::take(&mut *message))
}

/// The reverse of [`encrypt_cbc`]. `None` if the padding is wrong too.
pub fn decrypt_cbc(key: &[u8], iv: [u8; 16], message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(cbc_key(key)?).ok()?;
    let mut message = Zeroizing::new(message.to_vec());
    let length = key.decrypt(&mut message, DecryptionContext::Iv128(iv.into())).ok()?.len();
    message.truncate(length);
    Some(message)
}

fn cbc_key(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = [&AES_128, &AES_192, &AES_256].into_iter().nth(key.len().checked_sub(16)? / 8)?;
    // It refuses a key of any other length.
    UnboundCipherKey::new(algorithm, key).ok()
}

const BLOCK: usize = 16;
