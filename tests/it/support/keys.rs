//! The keys of a TLS 1.3 connection, as a client of rustls logs its secrets: a test can seal and open records itself,
//! also during the handshake, and behind key updates (RFC 8446 sections 5.2, 7.1 and 7.3). TLS_AES_128_GCM_SHA256 only.

use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use rustls::{ClientConfig, KeyLog};

/// The secrets that a client logged.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<Vec<(String, Vec<u8>)>>);

impl Secrets {
    /// The same settings, with logged secrets.
    pub(crate) fn of(config: &Arc<ClientConfig>) -> (Arc<ClientConfig>, Arc<Self>) {
        let secrets = Arc::new(Self::default());
        let mut config = ClientConfig::clone(config);
        config.key_log = Arc::<Self>::clone(&secrets);
        (Arc::new(config), secrets)
    }

    /// The keys of that label's secret, from the first record on.
    pub(crate) fn keys(&self, label: &str) -> Keys {
        let secrets = self.0.lock().unwrap();
        let (_, secret) = secrets.iter().find(|(known, _)| known == label).expect("no such secret");
        Keys::new(secret.clone())
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().unwrap().push((label.to_owned(), secret.to_vec()));
    }
}

/// One direction.
pub(crate) struct Keys {
    secret: Vec<u8>,
    key: LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
}

impl Keys {
    fn new(secret: Vec<u8>) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &expanded(&secret, "key", 16)).unwrap());
        let iv = expanded(&secret, "iv", 12);
        Self { secret, key, iv, sequence: 0 }
    }

    /// The keys after a key update (RFC 8446 section 7.2).
    pub(crate) fn update(&mut self) {
        *self = Self::new(expanded(&self.secret, "traffic upd", 32));
    }

    /// The next record, of that content type.
    pub(crate) fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut sealed = [content, &[kind]].concat();
        let [high, low] = u16::try_from(sealed.len() + 16).unwrap().to_be_bytes();
        let mut record = vec![23, 3, 3, high, low];
        let nonce = self.nonce();
        self.key.seal_in_place_append_tag(nonce, Aad::from(record.clone()), &mut sealed).unwrap();
        record.append(&mut sealed);
        record
    }

    /// Type and content of the next record.
    pub(crate) fn open(&mut self, record: &[u8]) -> (u8, Vec<u8>) {
        let (header, body) = record.split_at(5);
        let (nonce, mut body) = (self.nonce(), body.to_vec());
        let mut plain =
            self.key.open_in_place(nonce, Aad::from(header), &mut body).expect("not sealed with these").to_vec();
        (plain.pop().unwrap(), plain)
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce: [u8; 12] = self.iv.as_slice().try_into().unwrap();
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(iv, sequence)| *iv ^= sequence);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// HKDF-Expand-Label without a context, for at most one block (RFC 8446 section 7.1, RFC 5869 section 2.3).
fn expanded(secret: &[u8], label: &str, length: u8) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let info = [&[0, length, u8::try_from(label.len()).unwrap()][..], label.as_bytes(), &[0, 1]].concat();
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &info).as_ref()[..length.into()].to_vec()
}
