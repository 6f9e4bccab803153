//! A stream of pseudo-random bytes that both ends can compute: lost, duplicated or reordered bytes are noticed.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// The stream, from its beginning. Two with the same `seed` are equal.
pub(crate) struct Stream {
    key: EncryptingKey,
    chunk: Vec<u8>,
    chunks: u64,
    used: usize,
}

impl Stream {
    pub(crate) fn new(seed: u8) -> Self {
        let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &[seed; 16]).unwrap()).unwrap();
        Self { key, chunk: Vec::new(), chunks: 0, used: 0 }
    }

    /// The next bytes, at most `most` of them and at least one.
    pub(crate) fn next(&mut self, most: usize) -> &[u8] {
        if self.used == self.chunk.len() {
            self.chunk.clear();
            self.chunk.resize(CHUNK, 0);
            // The upper half of the counter block counts chunks: the lower half restarts in each and never overflows.
            let counter = FixedLength::from(&(u128::from(self.chunks) << 64).to_be_bytes());
            self.key.less_safe_encrypt(&mut self.chunk, EncryptionContext::Iv128(counter)).unwrap();
            (self.chunks, self.used) = (self.chunks + 1, 0);
        }
        let count = most.min(self.chunk.len() - self.used);
        self.used += count;
        &self.chunk[self.used - count..self.used]
    }

    /// Checks that these are the next bytes.
    pub(crate) fn check(&mut self, mut received: &[u8]) {
        while !received.is_empty() {
            let expected = self.next(received.len());
            let (front, rest) = received.split_at(expected.len());
            assert!(front == expected, "wrong bytes");
            received = rest;
        }
    }
}

/// The first bytes of such a stream.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let (mut stream, mut bytes) = (Stream::new(1), Vec::with_capacity(count));
    while bytes.len() < count {
        bytes.extend_from_slice(stream.next(count - bytes.len()));
    }
    bytes
}

const CHUNK: usize = 64 * 1024;
