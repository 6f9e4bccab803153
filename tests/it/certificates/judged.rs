//! Certificates that load but that clients refuse, that no client gets, or that should not be there: each is named.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{check_folder, config, count};
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

fn authority(name: &str, (from, to): (i64, i64)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = (in_days(from).into(), in_days(to).into());
    params
}

fn in_days(days: i64) -> SystemTime {
    let shift = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
}

/// Writes `a.crt`, a leaf that is valid from yesterday for 89 days, with an intermediate of that validity behind it, and
/// `a.key`.
fn write_chain(folder: &Path, intermediate: (i64, i64)) {
    let (root, middle, leaf) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = Issuer::new(authority("Root", (-100, 1000)), root);
    let above = authority("Middle", intermediate).signed_by(&middle, &root).unwrap();
    let middle = Issuer::new(authority("Middle", intermediate), middle);
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (in_days(-1).into(), in_days(88).into());
    fs::create_dir_all(folder).unwrap();
    let text = params.signed_by(&leaf, &middle).unwrap().pem() + &above.pem();
    fs::write(folder.join("a.crt"), text).unwrap();
    write_private(&folder.join("a.key"), &leaf.serialize_pem());
}

#[test]
fn an_intermediate_that_ends_first_is_named() {
    for (validity, expected) in [
        ((-60, -1), Some("a.crt: its chain has expired, and clients refuse it: CN=Middle is valid from")),
        ((1, 900), Some("a.crt: its chain is not valid yet, and clients refuse it: CN=Middle")),
        ((-80, 9), Some("a.crt: its chain expires soon: CN=Middle")),
        // Nine of twelve days are left.
        ((-3, 9), None),
        ((-60, 900), None),
    ] {
        let pki = Pki::new();
        write_chain(&pki.folder().join("certs"), validity);
        let checked = check_folder(&pki);
        assert_eq!(checked.warnings.len(), usize::from(expected.is_some()), "{:?}", checked.warnings);
        let warned = checked.warnings.join("\n");
        assert!(warned.contains(expected.unwrap_or_default()), "{warned}");
    }
}

#[test]
fn a_short_lived_certificate_expires_soon_only_when_two_thirds_are_over() {
    for (from, to, soon) in [(-1, 5, false), (-5, 1, true), (-20, 13, false), (-60, 13, true)] {
        let pki = Pki::new();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra { validity: Some((from, to)), ..Extra::default() });
        let checked = check_folder(&pki);
        assert_eq!(checked.warnings.iter().any(|one| one.contains("a.crt: expires soon, at ")), soon, "{from} to {to}");
    }
}

#[test]
fn must_staple_is_named() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    // RFC 7633: a SEQUENCE of the INTEGER 5, status_request.
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5])];
    let certs = pki.folder().join("certs");
    fs::create_dir(&certs).unwrap();
    fs::write(certs.join("a.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    write_private(&certs.join("a.key"), &key.serialize_pem());
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (1, 1));
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
    assert!(checked.warnings[0].contains("a.crt: requires a stapled OCSP answer"), "{:?}", checked.warnings);
    let path = pki.folder().join("tlsgate.toml").display().to_string();
    let strict = tool::run(crate::support::proxy::PROGRAM, &["check", "--strict", "-c", &path], b"");
    assert_eq!(strict.status.code(), Some(1), "{}", tool::shown(&strict));
}

/// Writes `folder/stem.crt` with these purposes, and its key.
fn write_for(pki: &Pki, folder: &str, stem: &str, purposes: &[ExtendedKeyUsagePurpose]) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![format!("{stem}.test")]).unwrap();
    params.extended_key_usages = purposes.to_vec();
    let folder = pki.folder().join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{stem}.crt")), params.self_signed(&key).unwrap().pem()).unwrap();
    write_private(&folder.join(format!("{stem}.key")), &key.serialize_pem());
}

#[test]
fn a_certificate_for_another_purpose_is_named_as_a_server_s_and_as_one_for_backends() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    let pki = Pki::new();
    let kinds: [(&str, &[ExtendedKeyUsagePurpose], bool, bool); 6] = [
        ("none", &[], true, true),
        ("both", &[ServerAuth, ClientAuth], true, true),
        ("server", &[ServerAuth], true, false),
        ("client", &[ClientAuth], false, true),
        ("code", &[CodeSigning], false, false),
        ("any", &[Any], false, false),
    ];
    let mut config = config("[\"certs\"]");
    for (stem, purposes, _, _) in kinds {
        write_for(&pki, "certs", stem, purposes);
        config += &format!(
            "[backend.{stem}]\nservers = [\"127.0.0.1:1\"]\ntls = {{ ca = \"certs/both.crt\", server_name = \"both.test\", cert = \"certs/{stem}.crt\", key = \"certs/{stem}.key\" }}\n"
        );
    }
    let checked = check(pki.folder(), &config);
    assert!(checked.ok, "{:?}", checked.errors);
    for (stem, _, server, client) in kinds {
        // The first word is that of the place, then comes the file.
        let warned = |place: &str, purpose: &str| {
            let file = format!("{stem}.crt: its extended key usage does not name {purpose}");
            checked.warnings.iter().filter(|one| one.starts_with(place) && one.contains(&file)).count()
        };
        assert_eq!(warned("listener", "serverAuth"), usize::from(!server), "{stem}: {:#?}", checked.warnings);
        assert_eq!(
            warned(&format!("backend \"{stem}\""), "clientAuth"),
            usize::from(!client),
            "{stem}: {:#?}",
            checked.warnings
        );
        assert_eq!(warned("listener", "clientAuth") + warned("backend", "serverAuth"), 0, "{:#?}", checked.warnings);
        // What OpenSSL thinks of it.
        let path = pki.folder().join(format!("certs/{stem}.crt")).display().to_string();
        for (purpose, accepted) in [("sslserver", server), ("sslclient", client)] {
            let judged =
                tool::run("openssl", &["verify", "-purpose", purpose, "-CAfile", &path, "-partial_chain", &path], b"");
            assert_eq!(judged.status.success(), accepted, "{stem}: {}", tool::shown(&judged));
        }
    }
    let proxy = Proxy::start(pki.folder(), &format!("[admin]\nlisten=\"unix:admin.sock\"\n{config}"));
    proxy.log_line("code.crt: its extended key usage does not name serverAuth");
    proxy.log_line("code.crt: its extended key usage does not name clientAuth");
}

#[test]
fn an_authority_with_its_key_is_named_and_is_no_default() {
    let pki = Pki::new();
    let key = KeyPair::generate().unwrap();
    pki.write("certs", "ldap", &["ldap.test"], Key::P256, &Extra::default());
    let certs = pki.folder().join("certs");
    fs::write(certs.join("ca.crt"), authority("ca.test", (-1, 900)).self_signed(&key).unwrap().pem()).unwrap();
    write_private(&certs.join("ca.key"), &key.serialize_pem());
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (2, 2));
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
    assert!(checked.warnings[0].contains("ca.crt: is the certificate of a CA"), "{:?}", checked.warnings);
    let path = pki.folder().join("tlsgate.toml").display().to_string();
    let explained = tool::run(crate::support::proxy::PROGRAM, &["explain", "--format", "json", "-c", &path], b"");
    let answer: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert!(answer["certificate"].as_str().unwrap().ends_with("ldap.crt"), "{answer}");
}

#[test]
fn a_certificate_that_no_client_can_get_is_named() {
    let listening = |listen: &str, more: &str| {
        let lines = config("[\"certs\"]").replace("127.0.0.1:0", listen);
        lines.replace("\nbackend = \"b\"\n", &format!("\n{more}\nbackend = \"b\"\n"))
    };
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let extra = Extra { common_name: Some("b.test".into()), ..Extra::default() };
    pki.write("certs", "b", &["127.0.0.1", "2001:db8::1"], Key::P256, &extra);
    // Clients that connect to one of its addresses get it.
    for listen in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        assert_eq!(check(pki.folder(), &listening(listen, "")).warnings, Vec::<String>::new(), "{listen}");
    }
    for (listen, more, why) in [
        ("127.0.0.1:0", "require_sni = true", "clients without a server name are not served"),
        ("127.0.0.2:0", "", "the listener has none of these addresses"),
    ] {
        let warnings = check(pki.folder(), &listening(listen, more)).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("b.crt: is served to no client: ") && warnings[0].contains(why), "{warnings:?}");
    }
    // A route for a protocol takes clients of any name, and those without one.
    let route = "[[listener.route]]\nname = \"by-protocol\"\nclient_alpn = [\"h2\"]\ncertificates = [\"certs\"]\n";
    let routed = listening("127.0.0.1:0", "").replace("\n[backend.b]", &format!("\n{route}\n[backend.b]"));
    assert_eq!(check(pki.folder(), &routed).warnings, Vec::<String>::new());
    // A proxy in front reports the address that the client used.
    let behind = listening("127.0.0.2:0", "trusted_proxies = [\"127.0.0.1\"]");
    assert_eq!(check(pki.folder(), &behind).warnings, Vec::<String>::new());
}
