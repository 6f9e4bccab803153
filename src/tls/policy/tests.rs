//! The pinned meaning of every name, and own policies good and bad.

use super::aws::{DEFAULT, named, policies};
use super::names::{PolicyError, parse_group, parse_suite, parse_version};
use super::own::{Part, WishFault};
use super::*;
use crate::tls::wire::codes::{self, group_name, suite_name, version_name};

/// The text that pins every policy: a change here would change the meaning of a dated name, and is not allowed.
fn described() -> String {
    let mut text = String::new();
    for policy in policies() {
        assert_eq!(policy.cipher_order, CipherOrder::Server);
        text += &format!("{}\n", policy.name);
        for version in &policy.versions {
            text += &format!("  version {}\n", version_name(*version));
        }
        for suite in &policy.suites {
            text += &format!("  suite {}\n", suite_name(*suite));
        }
        for group in &policy.groups {
            text += &format!("  group {}\n", group_name(*group));
        }
        for left_out in aws::definition(&policy.name).unwrap().left_out() {
            text += &format!("  without {left_out}\n");
        }
    }
    text
}

#[test]
fn policies_are_those_of_their_snapshot() {
    let pinned = include_str!("../policies.snapshot.txt");
    assert_eq!(described(), pinned);
}

#[test]
fn the_elb_prefix_is_optional_and_nothing_else_is() {
    assert_eq!(named("ELBSecurityPolicy-TLS13-1-3-2021-06"), named("TLS13-1-3-2021-06"));
    assert!(named(DEFAULT).is_some());
    assert!(named("tls13-1-3-2021-06").is_none());
    assert!(named("").is_none());
}

#[test]
fn every_entry_of_every_definition_is_served_or_explained() {
    for policy in policies() {
        let definition = aws::definition(&policy.name).unwrap();
        let count = |what| -> usize {
            definition.left_out().iter().filter(|left_out| left_out.what == what).map(|it| it.names.len()).sum()
        };
        assert_eq!(policy.versions.len() + count(aws::What::Versions), definition.versions.len(), "{}", policy.name);
        assert_eq!(policy.suites.len() + count(aws::What::Suites), definition.suites.len(), "{}", policy.name);
        assert_eq!(policy.groups.len() + count(aws::What::Groups), definition.groups.len(), "{}", policy.name);
        assert!(policy.suites.iter().all(|suite| crypto::suite(*suite).is_some()), "{}", policy.name);
        assert!(policy.groups.iter().all(|group| crypto::group(*group).is_some()), "{}", policy.name);
        // Each version needs suites and groups: without them no client could use it.
        assert!(policy.versions.iter().all(|version| policy.suites.iter().any(|it| version_of(*it) == Some(*version))));
    }
}

#[test]
fn the_documentations_table_is_the_same() {
    let document = include_str!("../../../docs/policies.md");
    let names = [
        ["TLS13-1-3-2021-06", "TLS13-1-3-PQ-2025-09"],
        ["TLS13-1-2-Res-2021-06", "TLS13-1-2-Res-PQ-2025-09"],
        ["FS-1-2-Res-2020-10"; 2],
        ["TLS13-1-2-2021-06", "TLS13-1-2-PQ-2025-09"],
        ["TLS-1-2-2017-01"; 2],
        ["TLS-1-1-2017-01"; 2],
        ["2016-08"; 2],
    ];
    let mut named: Vec<&str> = names.concat();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), policies().len());
    let mut entries: Vec<&str> = Vec::new();
    for definition in policies().iter().map(|policy| aws::definition(&policy.name).unwrap()) {
        entries.extend(definition.versions.iter().chain(definition.suites));
    }
    entries.sort_unstable();
    entries.dedup();
    assert_eq!(entries.len(), 4 + 21);
    for entry in entries {
        let cell = |name: &str| {
            let definition = aws::definition(name).unwrap();
            let has = definition.versions.contains(&entry) || definition.suites.contains(&entry);
            match has {
                true if parse_suite(entry).is_ok() || parse_version(entry).is_ok() => "✓",
                true => "AWS",
                false => "–",
            }
        };
        let cells = names.map(|[one, other]| {
            assert_eq!(cell(one), cell(other));
            cell(one)
        });
        let row = format!("| {entry} | {} |", cells.join(" | "));
        assert!(document.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn every_suite_of_the_provider_is_known_by_both_names() {
    let available: Vec<CipherSuite> =
        (0..=u16::MAX).map(CipherSuite::from).filter(|suite| crypto::suite(*suite).is_some()).collect();
    assert_eq!(available.len(), 9);
    for suite in available {
        assert_eq!(parse_suite(&suite_name(suite)), Ok(suite));
        assert_eq!(parse_suite(&codes::openssl_suite_name(suite)), Ok(suite));
    }
    assert_eq!(
        names::every_suite(),
        "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, \
         ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES128-GCM-SHA256, \
         ECDHE-RSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305, ECDHE-ECDSA-CHACHA20-POLY1305"
    );
    assert_eq!(names::every_group(), "X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1, secp384r1");
}

#[test]
fn refused_names_and_unknown_names_have_different_errors() {
    for (name, why) in [
        ("ECDHE-RSA-AES128-SHA", "CBC mode"),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "CBC mode"),
        ("AES128-GCM-SHA256", "static RSA key exchange without forward secrecy"),
        ("AES128-SHA", "static RSA key exchange without forward secrecy, CBC mode"),
        ("DES-CBC3-SHA", "static RSA key exchange without forward secrecy, 3DES, CBC mode"),
        ("DHE-RSA-AES256-GCM-SHA384", "finite-field Diffie-Hellman"),
        ("ADH-AES128-SHA", "no authentication, CBC mode"),
        ("ECDHE-RSA-RC4-SHA", "RC4"),
        ("NULL-MD5", "no encryption, static RSA key exchange without forward secrecy"),
        ("EDH-RSA-DES-CBC3-SHA", "finite-field Diffie-Hellman, 3DES, CBC mode"),
        ("EXP-RC4-MD5", "export-grade keys, static RSA key exchange without forward secrecy, RC4"),
        ("ECDHE-ECDSA-AES128-CCM8", "CCM mode"),
        ("ECDHE-PSK-CHACHA20-POLY1305", "pre-shared keys"),
        // Not in OpenSSL, so they have one name only.
        ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "static Diffie-Hellman without forward secrecy"),
        ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", "a signal, not a suite"),
    ] {
        assert_eq!(parse_suite(name), Err(PolicyError::RefusedSuite(name.into(), why.into())));
    }
    for name in ["ECDHE-RSA-AES128-GCM-SHA257", "0xc02f", "", " ", "HIGH:!aNULL", "ä"] {
        assert_eq!(parse_suite(name), Err(PolicyError::UnknownSuite(name.into())));
    }
    for name in ["P-521", "secp521r1", "X448", "ffdhe2048", "SecP384r1MLKEM1024"] {
        assert_eq!(parse_group(name), Err(PolicyError::RefusedGroup(name.into())));
    }
    assert_eq!(parse_suite("ecdhe-rsa-aes128-gcm-sha256"), parse_suite("ECDHE-RSA-AES128-GCM-SHA256"));
    assert_eq!(parse_group("0x001d"), Err(PolicyError::UnknownGroup("0x001d".into())));
    assert_eq!(parse_group("P-257"), Err(PolicyError::UnknownGroup("P-257".into())));
    assert_eq!(parse_group("X25519"), Ok(NamedGroup::X25519));
    assert_eq!(parse_group("prime256v1"), Ok(NamedGroup::secp256r1));
    assert_eq!(parse_version("TLSv1"), Err(PolicyError::RefusedVersion("TLSv1".into())));
    assert_eq!(parse_version("1.2"), Err(PolicyError::UnknownVersion("1.2".into())));
}

fn wish(versions: &[&str], suites: &[&str], groups: &[&str]) -> Result<Policy, Vec<WishFault>> {
    let wish = own::Wish {
        versions: versions.iter().map(|name| parse_version(name).unwrap()).collect(),
        suites: suites.iter().map(|name| parse_suite(name).unwrap()).collect(),
        groups: (!groups.is_empty()).then(|| groups.iter().map(|name| parse_group(name).unwrap()).collect()),
        cipher_order: CipherOrder::Server,
    };
    wish.named("own")
}

#[test]
fn versions_are_sorted_and_everything_else_stays_as_written() {
    let policy = wish(
        &["TLSv1.2", "TLSv1.3"],
        &["ECDHE-RSA-CHACHA20-POLY1305", "TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256"],
        &["secp384r1", "X25519MLKEM768"],
    )
    .unwrap();
    assert_eq!(policy.versions, [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]);
    assert_eq!(policy.suites[0], CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256);
    assert_eq!(policy.groups, [NamedGroup::secp384r1, NamedGroup::X25519MLKEM768]);
    // Without a list: what the versions can use.
    let policy = wish(&["TLSv1.2"], &["ECDHE-RSA-AES128-GCM-SHA256"], &[]).unwrap();
    assert_eq!(policy.groups, [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1]);
}

#[test]
fn lists_that_do_not_fit_each_other_are_faults() {
    let faults = |versions: &[&str], suites: &[&str], groups: &[&str]| -> Vec<(Part, Option<usize>, String)> {
        let faults = wish(versions, suites, groups).unwrap_err();
        faults.into_iter().map(|fault| (fault.part, fault.index, fault.error.to_string())).collect()
    };
    let (t13, rsa) = ("TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256");
    assert_eq!(
        faults(&["TLSv1.2", "TLSv1.3"], &[rsa], &[]),
        [(Part::Versions, None, "TLSv1.3 has no cipher suite (expected at least one of its own)".into())]
    );
    assert_eq!(
        faults(&["TLSv1.2"], &[rsa, t13], &[]),
        [(
            Part::Suites,
            Some(1),
            "TLS_AES_128_GCM_SHA256 is a suite of TLSv1.3, which is not among the versions".into()
        )]
    );
    assert_eq!(
        faults(&["TLSv1.3", "TLSv1.2"], &[t13, rsa], &["X25519MLKEM768"]),
        [(
            Part::Groups,
            None,
            "TLSv1.2 has no group to exchange keys with (expected at least one of x25519, secp256r1, secp384r1)".into()
        )]
    );
    assert_eq!(
        faults(&["TLSv1.2"], &[rsa], &["x25519", "X25519MLKEM768"]),
        [(Part::Groups, Some(1), "X25519MLKEM768 is a group of TLSv1.3, which is not among the versions".into())]
    );
    let twice = faults(&["TLSv1.2", "TLSv1.2"], &[rsa, rsa], &["x25519", "x25519"]);
    assert_eq!(twice.len(), 3);
    assert_eq!(twice[1], (Part::Suites, Some(1), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is listed twice".into()));
}

#[test]
fn a_classic_elb_string_is_taken_as_it_is() {
    let text = "Protocol-TLSv1.2,Server-Defined-Cipher-Order,ECDHE-ECDSA-AES256-GCM-SHA384,ECDHE-RSA-AES128-GCM-SHA256";
    let policy = elb::parse(text).unwrap().named("own").unwrap();
    assert_eq!(policy.versions, [ProtocolVersion::TLSv1_2]);
    assert_eq!(policy.cipher_order, CipherOrder::Server);
    let names: Vec<_> = policy.suites.iter().map(|suite| codes::openssl_suite_name(*suite)).collect();
    assert_eq!(names, ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
    let client = elb::parse("ECDHE-RSA-AES128-GCM-SHA256, Protocol-TLSv1.2").unwrap();
    assert_eq!(client.cipher_order, CipherOrder::Client);
    for end in 0..text.len() {
        let _ = elb::parse(&text[..end]);
    }
}

#[test]
fn everything_wrong_with_an_elb_string_is_reported() {
    let reasons =
        |text: &str| -> Vec<String> { elb::parse(text).unwrap_err().iter().map(|error| error.to_string()).collect() };
    assert_eq!(
        reasons("ECDHE-RSA-AES128-GCM-SHA256"),
        ["no protocol (expected Protocol-TLSv1.2, Protocol-TLSv1.3 or both)"]
    );
    assert_eq!(reasons(""), ["an entry is empty"]);
    let many =
        reasons("Protocol-TLSv1.1,Protocol-X,,AES128-SHA,FOO,Server-Defined-Cipher-Order,Server-Defined-Cipher-Order");
    let begin = [
        "TLSv1.1 is refused: deprecated by RFC 8996",
        "unknown TLS version \"X\"",
        "an entry is empty",
        "AES128-SHA is refused: static RSA key exchange without forward secrecy, CBC mode (expected one of TLS_AES_",
        "unknown cipher suite \"FOO\" (expected one of TLS_AES_",
        "Server-Defined-Cipher-Order is listed twice",
    ];
    assert_eq!(many.len(), begin.len(), "{many:#?}");
    assert!(many.iter().zip(begin).all(|(reason, begin)| reason.starts_with(begin)), "{many:#?}");
}

#[test]
fn a_key_is_admitted_if_any_version_can_sign_with_it() {
    let rsa = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    let ecdsa = [SignatureScheme::ECDSA_NISTP256_SHA256];
    let only_rsa = wish(&["TLSv1.2"], &["ECDHE-RSA-AES128-GCM-SHA256"], &[]).unwrap();
    assert!(only_rsa.admits(&rsa) && !only_rsa.admits(&ecdsa) && !only_rsa.admits(&[SignatureScheme::ED25519]));
    let only_ecdsa = wish(&["TLSv1.2"], &["ECDHE-ECDSA-AES128-GCM-SHA256"], &[]).unwrap();
    assert!(!only_ecdsa.admits(&rsa) && only_ecdsa.admits(&ecdsa) && only_ecdsa.admits(&[SignatureScheme::ED25519]));
    // In TLS 1.3 the suite does not determine the type of key.
    for policy in policies() {
        assert!(policy.admits(&rsa) && policy.admits(&ecdsa), "{}", policy.name);
    }
    let t13 = named("TLS13-1-3-2021-06").unwrap();
    assert!(!t13.admits(&[SignatureScheme::RSA_PKCS1_SHA256]));
}

#[test]
fn the_post_quantum_part_is_what_both_sides_may_insist_on() {
    let part = named(DEFAULT).unwrap().post_quantum().unwrap();
    assert_eq!(part.groups, [NamedGroup::X25519MLKEM768, NamedGroup::secp256r1MLKEM768]);
    assert_eq!(part.versions, [ProtocolVersion::TLSv1_3]);
    assert!(named("TLS13-1-3-2021-06").unwrap().post_quantum().is_none());
    assert!(named("FS-1-2-Res-2020-10").unwrap().post_quantum().is_none());
    let clients = Policy { cipher_order: CipherOrder::Client, ..Policy::clone(&named(DEFAULT).unwrap()) };
    assert!(clients.post_quantum().is_none());
}
