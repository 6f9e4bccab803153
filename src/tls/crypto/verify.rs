//! Verifies signatures of certificates and lists. Must not know: what is signed.

use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs as rustls_side;
use rustls::pki_types::SignatureVerificationAlgorithm;

/// The result of verifying a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The signature is valid.
    Yes,
    /// The signature is wrong.
    No,
    /// The algorithm is not supported: TLS clients of today do not verify it either.
    Unknown,
}

/// Verifies `signature` over `message`. Both algorithms are the contents of their DER AlgorithmIdentifier.
pub fn verify(
    (public_key, key_algorithm): (&[u8], &[u8]),
    (signature, algorithm): (&[u8], &[u8]),
    message: &[u8],
) -> Verified {
    let known = rustls_side::default_provider().signature_verification_algorithms.all;
    // rustls lists the algorithms by TLS scheme, but a certificate has only their identifiers.
    let of_key = |one: &&dyn SignatureVerificationAlgorithm| one.public_key_alg_id().as_ref() == key_algorithm;
    let mut fitting = known.iter().copied().filter(of_key).filter(|one| one.signature_alg_id().as_ref() == algorithm);
    match fitting.next().map(|one| one.verify_signature(public_key, message, signature)) {
        Some(Ok(())) => Verified::Yes,
        Some(Err(_)) => Verified::No,
        None => Verified::Unknown,
    }
}

/// Verifies a signature of a handshake, made in that scheme. The algorithm is the contents of the key's DER
/// AlgorithmIdentifier.
pub fn verify_in_scheme(
    scheme: SignatureScheme,
    (public_key, key_algorithm): (&[u8], &[u8]),
    signature: &[u8],
    message: &[u8],
) -> Verified {
    let known = rustls_side::default_provider().signature_verification_algorithms;
    let in_scheme = known.mapping.iter().find(|(one, _)| *one == scheme).map_or(&[][..], |(_, all)| all);
    match in_scheme.iter().find(|one| one.public_key_alg_id().as_ref() == key_algorithm) {
        Some(one) if one.verify_signature(public_key, message, signature).is_ok() => Verified::Yes,
        Some(_) => Verified::No,
        None => Verified::Unknown,
    }
}
