//! Random bytes, and secrets that are compared. Must not know: what they are for.

/// Seeds this thread's random number generator. It takes milliseconds, for which the first client would have to wait.
pub fn warm_up() {
    // If the generator fails here, each handshake reports an error too.
    let _ = aws_lc_rs::rand::fill(&mut [0; 32]);
}

/// Whether two secrets are equal. The time depends on their lengths, but not on where they differ.
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Fills `bytes` with random bytes. `false` if the system has none: then `bytes` must not be used.
#[must_use]
pub fn random(bytes: &mut [u8]) -> bool {
    aws_lc_rs::rand::fill(bytes).is_ok()
}
