//! Records that no TLS library would send, sealed with the keys of a real connection.

use std::net::TcpStream;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

use super::client::{Client, Tls};

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

/// Replaces a client whose handshake is complete. The proxy's answers can no longer be read.
pub(crate) struct Forger {
    pub(crate) tcp: TcpStream,
    tls: Tls,
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Forger {
    pub(crate) fn take_over(client: Client, tls: Tls) -> Self {
        let (sequence, secrets) = client.tls.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another cipher was agreed on") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Self { tcp: client.tcp, tls, key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    /// The next record, of that content type.
    pub(crate) fn record(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(iv, sequence)| *iv ^= sequence);
        let mut sealed = payload.to_vec();
        let mut record;
        let aad = match self.tls {
            // RFC 8446 section 5.2: the true type is inside, the header is what is authenticated.
            Tls::V13 => {
                sealed.push(kind);
                record = header(APPLICATION_DATA, sealed.len() + TAG).to_vec();
                record.clone()
            }
            // RFC 5246 section 6.2.3.3 and RFC 5288 section 3: half of the nonce comes first.
            Tls::V12 => {
                record = header(kind, 8 + sealed.len() + TAG).to_vec();
                record.extend_from_slice(&nonce[4..]);
                [&self.sequence.to_be_bytes()[..], &header(kind, sealed.len())[..]].concat()
            }
        };
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).unwrap();
        self.sequence += 1;
        record.append(&mut sealed);
        record
    }
}

fn header(kind: u8, length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    [kind, 3, 3, high, low]
}

const TAG: usize = 16;
