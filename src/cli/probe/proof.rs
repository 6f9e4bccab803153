//! The server's signature over a handshake, and its certificate → whether it has that certificate's key: anybody can send a
//! certificate. Pure. Must not know: messages, what was asked and why.

use serde::Serialize;

use crate::tls::certificate::x509;
use crate::tls::crypto::{self, Sha2, Verified};
use crate::tls::wire::codes;

/// Whether the signature shows that the server has the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    Valid,
    Wrong,
    /// There is none, or the program does not have what it takes to verify it.
    #[default]
    Unchecked,
}

/// A signature in the clear, up to TLS 1.2 (RFC 5246 section 7.4.3, RFC 8422 section 5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The parameters of the key exchange, as sent.
    pub parameters: Vec<u8>,
    pub scheme: u16,
    pub signature: Vec<u8>,
}

impl Signed {
    /// Over both randoms and the parameters.
    pub(super) fn proof(&self, client_random: &[u8], server_random: &[u8], leaf: &[u8]) -> Proof {
        let message = [client_random, server_random, &self.parameters].concat();
        verified(self.scheme, &self.signature, &message, leaf)
    }
}

/// CertificateVerify (RFC 8446 section 4.4.3). `transcript` is every handshake message before it.
pub(super) fn of_transcript(suite: u16, transcript: &[u8], (scheme, signature): (u16, &[u8]), leaf: &[u8]) -> Proof {
    // The other suites of TLS 1.3 have SHA-256; of those that the program does not have, nothing is read.
    let hash = if suite == AES_256_GCM_SHA384 { Sha2::Sha384 } else { Sha2::Sha256 };
    let message = [&[b' '; 64], CONTEXT, &hash.of(transcript)].concat();
    verified(scheme, signature, &message, leaf)
}

/// The proofs of all handshakes with one server, by version.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    valid: Vec<u16>,
    /// With the certificate whose key did not sign, if it is known.
    wrong: Vec<(u16, Vec<u8>)>,
}

impl Proofs {
    pub(super) fn add(&mut self, version: u16, proof: Proof, leaf: &[u8]) {
        let is_new = |known: &(u16, Vec<u8>)| known.0 != version || known.1 != leaf;
        match proof {
            Proof::Valid if !self.valid.contains(&version) => self.valid.push(version),
            Proof::Wrong if self.wrong.len() < MAX_WRONG && self.wrong.iter().all(is_new) => {
                self.wrong.push((version, leaf.to_vec()));
            }
            _ => {}
        }
    }

    /// One wrong signature counts for more than any number of valid ones.
    pub(super) fn of(&self, version: u16) -> Proof {
        match (self.wrong.iter().any(|(wrong, _)| *wrong == version), self.valid.contains(&version)) {
            (true, _) => Proof::Wrong,
            (false, true) => Proof::Valid,
            (false, false) => Proof::Unchecked,
        }
    }

    /// The versions and leaf certificates of wrong signatures.
    pub(super) fn wrong(&self) -> &[(u16, Vec<u8>)] {
        &self.wrong
    }
}

/// What a person is told of a wrong signature.
pub(super) fn is_wrong(version: u16) -> String {
    format!(
        "{}: the server's signature over the handshake is wrong, so it may lack the key",
        codes::version_name(version)
    )
}

/// And where none was verified.
pub(super) fn is_missing(version: u16) -> String {
    format!("{}: no signature of the server was verified, so it may lack the key", codes::version_name(version))
}

fn verified(scheme: u16, signature: &[u8], message: &[u8], leaf: &[u8]) -> Proof {
    let Ok(leaf) = x509::parse(leaf) else { return Proof::Unchecked };
    let Some((key, algorithm)) = x509::public_parts(leaf.public_key()) else { return Proof::Unchecked };
    match crypto::verify_in_scheme(scheme.into(), (&key, &algorithm), signature, message) {
        Verified::Yes => Proof::Valid,
        Verified::No => Proof::Wrong,
        // The scheme is for keys of another kind: no client accepts that.
        Verified::Unknown if is_known(scheme) => Proof::Wrong,
        Verified::Unknown => Proof::Unchecked,
    }
}

fn is_known(scheme: u16) -> bool {
    crypto::provider().signature_verification_algorithms.supported_schemes().contains(&scheme.into())
}

const AES_256_GCM_SHA384: u16 = 0x1302;
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
/// In one probe.
const MAX_WRONG: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_signature_outweighs_valid_ones_and_other_versions_are_not_touched() {
        let mut proofs = Proofs::default();
        for proof in [Proof::Valid, Proof::Wrong, Proof::Wrong, Proof::Valid, Proof::Unchecked] {
            proofs.add(0x0303, proof, &[1]);
        }
        proofs.add(0x0304, Proof::Valid, &[1]);
        let all = [0x0302, 0x0303, 0x0304].map(|version| proofs.of(version));
        assert_eq!(all, [Proof::Unchecked, Proof::Wrong, Proof::Valid]);
        assert_eq!(proofs.wrong(), [(0x0303, vec![1])]);
    }

    #[test]
    fn a_scheme_for_another_kind_of_key_is_wrong_and_an_unknown_one_is_not_checked() {
        let leaf = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert.der().to_vec();
        for (scheme, expected) in [(0x0403, Proof::Wrong), (0x0804, Proof::Wrong), (0x0201, Proof::Unchecked)] {
            let signed = Signed { parameters: vec![3, 0, 0x1d, 0], scheme, signature: vec![0; 64] };
            assert_eq!(signed.proof(&[0; 32], &[1; 32], &leaf), expected, "{scheme:#x}");
        }
    }
}
