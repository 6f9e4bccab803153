//! Key exchange groups and signature schemes by number: which of them to offer. Must not know: what a server answered.

use crate::tls::wire::codes::groups::ALL;

/// The groups that a key exchange can use in TLS 1.3, best first.
pub(super) fn of_tls13() -> Vec<u16> {
    // Without the curves that TLS 1.3 no longer has: 1 to 22 and the Brainpool curves 26 to 28 (RFC 8446 section 4.2.7).
    ALL.iter()
        .map(|(group, _)| *group)
        .filter(|group| !(1..=22).contains(group) && !(26..=28).contains(group))
        .collect()
}

/// The curves that ServerKeyExchange can name up to TLS 1.2, best first.
pub(super) fn of_tls12() -> Vec<u16> {
    ALL.iter().map(|(group, _)| *group).filter(|group| (1..=30).contains(group)).collect()
}

/// What is offered where the kind of certificate does not matter: every scheme that a server may sign with.
pub(super) const SCHEMES: &[u16] = &[
    0x0904, 0x0905, 0x0906, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_groups() {
        assert!(of_tls13().contains(&0x11ec) && of_tls13().contains(&0x0100) && !of_tls13().contains(&0x0016));
        assert!(of_tls12().contains(&0x0017) && !of_tls12().contains(&0x11ec) && !of_tls12().contains(&0x0100));
    }
}
