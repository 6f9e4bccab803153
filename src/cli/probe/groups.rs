//! Key exchange groups by number (IANA, "TLS Supported Groups"), and signature schemes. Data and names only.

/// The group's IANA name; a number in hex where there is none.
pub(super) fn name(group: u16) -> String {
    ALL.iter()
        .find(|(known, _)| *known == group)
        .map_or_else(|| format!("0x{group:04x}"), |(_, name)| (*name).to_owned())
}

/// The groups that a key exchange can use in TLS 1.3, best first.
pub(super) fn of_tls13() -> Vec<u16> {
    ALL.iter()
        .map(|(group, _)| *group)
        .filter(|group| !(1..=22).contains(group) && !(26..=28).contains(group))
        .collect()
}

/// The curves that ServerKeyExchange can name up to TLS 1.2, best first.
pub(super) fn of_tls12() -> Vec<u16> {
    ALL.iter().map(|(group, _)| *group).filter(|group| (1..=30).contains(group)).collect()
}

/// What is offered where the certificate's kind is not in question: all that a server may want to sign with.
pub(super) const SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202,
];

pub(super) const X25519: u16 = 0x001d;

const ALL: &[(u16, &str)] = &[
    (0x11ec, "X25519MLKEM768"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
    (0x6399, "X25519Kyber768Draft00"),
    (0x639a, "SecP256r1Kyber768Draft00"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (X25519, "x25519"),
    (0x0017, "secp256r1"),
    (0x001e, "x448"),
    (0x0018, "secp384r1"),
    (0x0019, "secp521r1"),
    (0x001f, "brainpoolP256r1tls13"),
    (0x0020, "brainpoolP384r1tls13"),
    (0x0021, "brainpoolP512r1tls13"),
    (0x0029, "curveSM2"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x001a, "brainpoolP256r1"),
    (0x001b, "brainpoolP384r1"),
    (0x001c, "brainpoolP512r1"),
    (0x0016, "secp256k1"),
    (0x0015, "secp224r1"),
    (0x0014, "secp224k1"),
    (0x0013, "secp192r1"),
    (0x0012, "secp192k1"),
    (0x0011, "secp160r2"),
    (0x0010, "secp160r1"),
    (0x000f, "secp160k1"),
    (0x000e, "sect571r1"),
    (0x000d, "sect571k1"),
    (0x000c, "sect409r1"),
    (0x000b, "sect409k1"),
    (0x000a, "sect283r1"),
    (0x0009, "sect283k1"),
    (0x0008, "sect239k1"),
    (0x0007, "sect233r1"),
    (0x0006, "sect233k1"),
    (0x0005, "sect193r2"),
    (0x0004, "sect193r1"),
    (0x0003, "sect163r2"),
    (0x0002, "sect163r1"),
    (0x0001, "sect163k1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_groups() {
        assert!(of_tls13().contains(&0x11ec) && of_tls13().contains(&0x0100) && !of_tls13().contains(&0x0016));
        assert!(of_tls12().contains(&0x0017) && !of_tls12().contains(&0x11ec) && !of_tls12().contains(&0x0100));
        assert_eq!(name(0x11ec), "X25519MLKEM768");
        assert_eq!(name(0xffff), "0xffff");
    }
}
