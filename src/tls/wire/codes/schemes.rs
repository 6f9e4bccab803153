//! Signature schemes: numbers and names. Data only.
//!
//! IANA, "TLS SignatureScheme"; the other names are OpenSSL's (SSL_CTX_set1_sigalgs_list(3)).

/// Numbers and their names, IANA's first.
pub(super) const ALL: &[(u16, &[&str])] = &[
    (0x0403, &["ecdsa_secp256r1_sha256", "ECDSA+SHA256"]),
    (0x0503, &["ecdsa_secp384r1_sha384", "ECDSA+SHA384"]),
    (0x0603, &["ecdsa_secp521r1_sha512", "ECDSA+SHA512"]),
    (0x0807, &["ed25519"]),
    (0x0808, &["ed448"]),
    (0x0804, &["rsa_pss_rsae_sha256", "RSA-PSS+SHA256", "PSS+SHA256"]),
    (0x0805, &["rsa_pss_rsae_sha384", "RSA-PSS+SHA384", "PSS+SHA384"]),
    (0x0806, &["rsa_pss_rsae_sha512", "RSA-PSS+SHA512", "PSS+SHA512"]),
    (0x0809, &["rsa_pss_pss_sha256"]),
    (0x080a, &["rsa_pss_pss_sha384"]),
    (0x080b, &["rsa_pss_pss_sha512"]),
    (0x0401, &["rsa_pkcs1_sha256", "RSA+SHA256"]),
    (0x0501, &["rsa_pkcs1_sha384", "RSA+SHA384"]),
    (0x0601, &["rsa_pkcs1_sha512", "RSA+SHA512"]),
    (0x0301, &["rsa_pkcs1_sha224", "RSA+SHA224"]),
    (0x0303, &["ecdsa_sha224", "ECDSA+SHA224"]),
    (0x0201, &["rsa_pkcs1_sha1", "RSA+SHA1"]),
    (0x0203, &["ecdsa_sha1", "ECDSA+SHA1"]),
    (0x0202, &["dsa_sha1", "DSA+SHA1"]),
    (0x0302, &["dsa_sha224", "DSA+SHA224"]),
    (0x0402, &["dsa_sha256", "DSA+SHA256"]),
    (0x0502, &["dsa_sha384", "DSA+SHA384"]),
    (0x0602, &["dsa_sha512", "DSA+SHA512"]),
    (0x081a, &["ecdsa_brainpoolP256r1tls13_sha256"]),
    (0x081b, &["ecdsa_brainpoolP384r1tls13_sha384"]),
    (0x081c, &["ecdsa_brainpoolP512r1tls13_sha512"]),
    (0x0904, &["mldsa44"]),
    (0x0905, &["mldsa65"]),
    (0x0906, &["mldsa87"]),
];
