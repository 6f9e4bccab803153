//! The bytes that are sent: the byte at each offset is known, so that loss, repetition, reordering and change are
//! noticed.

use std::sync::LazyLock;

use super::Fault;

/// A prime, so that the pattern does not match after a power of two of bytes is lost or sent twice.
const PERIOD: usize = 131_071;
/// The longest piece that one call returns.
pub(crate) const SPAN: usize = 128 * 1024;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = Vec::with_capacity(PERIOD + SPAN);
    for at in 0..PERIOD + SPAN {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(if at < PERIOD { state.to_le_bytes()[0] } else { bytes[at - PERIOD] });
    }
    bytes
});

/// `length` bytes from `offset` on; at most [`SPAN`].
pub(crate) fn at(offset: u64, length: usize) -> &'static [u8] {
    let from = usize::try_from(offset % PERIOD as u64).unwrap_or(0);
    &BYTES[from..from + length]
}

/// Whether these are the bytes at `offset`.
pub(crate) fn check(offset: u64, found: &[u8]) -> Result<(), Fault> {
    for (number, piece) in found.chunks(SPAN).enumerate() {
        let offset = offset + (number * SPAN) as u64;
        let expected = at(offset, piece.len());
        if piece != expected {
            let same = piece.iter().zip(expected).take_while(|(left, right)| left == right).count();
            return Err(Fault::Corrupt(offset + same as u64));
        }
    }
    Ok(())
}
