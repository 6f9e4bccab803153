//! What a guideline allows. Data only.

use std::borrow::Cow;

/// What a guideline allows, in the names of its source: OpenSSL's.
#[derive(Debug, Clone)]
pub(super) struct Guideline {
    pub(super) name: Cow<'static, str>,
    /// Where it is defined, and when that was read.
    pub(super) source: &'static str,
    pub(super) versions: &'static [&'static str],
    /// Of all versions.
    pub(super) suites: Cow<'static, [&'static str]>,
    pub(super) groups: Groups,
    /// The least bits of the prime, where DHE is allowed.
    pub(super) dh_bits: Option<usize>,
    pub(super) certificates: Option<Certificates>,
    /// Whether a server that follows it is good enough for the exit status.
    pub(super) is_good: bool,
}

/// What it says of groups.
#[derive(Debug, Clone, Copy)]
pub(super) enum Groups {
    /// Nothing.
    Any,
    /// These only.
    Only(&'static [&'static str]),
    /// At least one that is post-quantum.
    PostQuantum,
}

/// What it says of certificates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certificates {
    /// `RSA`, `ECDSA`.
    pub(super) kinds: &'static [&'static str],
    /// NIST's names.
    pub(super) curves: &'static [&'static str],
    /// X.509's names.
    pub(super) signatures: &'static [&'static str],
    pub(super) rsa_bits: Option<u64>,
    /// The longest life, in days.
    pub(super) most_days: i64,
    /// The recommended life, in days.
    pub(super) advised_days: i64,
}
