//! Questions, and what is wrong with some.

use rustls::SignatureScheme;

use super::*;
use crate::tls::wire::hello::Hello;
use crate::tls::wire::hello::reader::HelloReader;

fn read(raw: Vec<u8>) -> Hello {
    let mut reader = HelloReader::default();
    reader.raw = raw;
    reader.advance().unwrap().unwrap()
}

fn hello(ask: &Ask) -> Hello {
    read(ask.client_hello().unwrap())
}

fn reason(ask: Ask) -> String {
    ask.client_hello().unwrap_err().to_string()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn every_known_client_can_be_asked_about_and_its_own_name_is_not_sent() {
    assert!(clients::ALL.len() >= 10);
    for client in clients::ALL {
        let recorded = read(client.hello().unwrap());
        let plain = hello(&Ask { client: text(client.name), ..Ask::default() });
        assert_eq!(plain.server_name, None, "{}", client.name);
        assert_eq!(plain.cipher_suites, recorded.cipher_suites, "{}", client.name);
        assert_eq!(plain.signature_schemes, recorded.signature_schemes, "{}", client.name);
        assert_eq!(plain.certificate_schemes, recorded.certificate_schemes, "{}", client.name);
        assert_eq!((plain.versions, plain.groups), (recorded.versions, recorded.groups), "{}", client.name);
        let named = hello(&Ask { client: text(client.name), sni: text("A.Test"), ..Ask::default() });
        assert_eq!(named.server_name.as_deref(), Some("a.test"));
        // What it is, and when that was so.
        assert!(client.source.contains("202"), "{}", client.name);
    }
}

#[test]
fn the_clients_of_one_kind_of_key_offer_no_other() {
    let schemes = |name: &str| hello(&Ask { client: text(name), ..Ask::default() }).signature_schemes;
    let names = |name: &str| schemes(name).iter().map(|scheme| codes::scheme_name(*scheme)).collect::<Vec<_>>();
    assert!(names("openssl-rsa-only").iter().all(|scheme| scheme.starts_with("rsa_")));
    assert!(names("openssl-ecdsa-only").iter().all(|scheme| scheme.starts_with("ecdsa_")));
}

#[test]
fn what_is_asked_for_replaces_what_the_client_has() {
    let ask = Ask {
        client: text("java17"),
        sni: text("bücher.example"),
        sigalgs: text("RSA-PSS+SHA256:ecdsa_secp384r1_sha384,0x0807"),
        tls: text("1.3"),
        ciphers: text("TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES128-GCM-SHA256"),
        groups: text("P-384: x25519"),
        alpn: Some("h2,http/1.1".into()),
        hello: None,
    };
    let hello = hello(&ask);
    assert_eq!(hello.server_name.as_deref(), Some("xn--bcher-kva.example"));
    let schemes = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::ED25519];
    assert_eq!(hello.signature_schemes, schemes);
    assert_eq!(hello.certificate_schemes, None);
    assert_eq!(hello.versions, [ProtocolVersion::TLSv1_3]);
    let suites = [CipherSuite::TLS13_AES_256_GCM_SHA384, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    assert_eq!(hello.cipher_suites, suites);
    assert_eq!(hello.groups, [NamedGroup::secp384r1, NamedGroup::X25519]);
    assert_eq!(hello.protocols, [Box::from(&b"h2"[..]), Box::from(&b"http/1.1"[..])]);
}

#[test]
fn a_captured_hello_is_shown_as_it_is_unless_something_is_asked_for() {
    let captured = clients::named("curl").unwrap().hello().unwrap();
    let as_it_is = Ask { hello: Some(captured.clone()), ..Ask::default() };
    assert_eq!(as_it_is.client_hello(), Ok(captured.clone()));
    let changed = hello(&Ask { tls: text("1.2"), ..as_it_is.clone() });
    assert!(!changed.versions.contains(&ProtocolVersion::TLSv1_3));
    assert_eq!(changed.server_name.as_deref(), Some("localhost"));
    // Half of it is shown as half of it, and cannot be changed.
    let half = Ask { hello: Some(captured[..200].to_vec()), ..Ask::default() };
    assert_eq!(half.client_hello().map(|raw| raw.len()), Ok(200));
    assert_eq!(
        reason(Ask { tls: text("1.2"), ..half }),
        "hello: it is cut short or malformed, so that nothing about it can be changed"
    );
}

#[test]
fn each_fault_is_named_with_what_there_is() {
    let with = |change: fn(&mut Ask, String), value: &str| {
        let mut ask = Ask::default();
        change(&mut ask, value.to_owned());
        reason(ask)
    };
    assert_eq!(
        with(|ask, value| ask.client = Some(value), "netscape"),
        "client: unknown client \"netscape\" (expected one of android12, chrome, curl, firefox, gnutls, java8, java11, java17, ldapsearch, node24, openssl1.0, openssl3, openssl-ecdsa-only, openssl-rsa-only, safari15, windows10)"
    );
    let sigalgs = with(|ask, value| ask.sigalgs = Some(value), "ECDSA+SHA256:RSA");
    assert!(sigalgs.starts_with("sigalgs: unknown signature scheme \"RSA\" (expected ecdsa_secp256r1_sha256, "));
    let empty = with(|ask, value| ask.sigalgs = Some(value), "");
    assert!(empty.starts_with("sigalgs: found an empty signature scheme (expected "), "{empty}");
    let groups = with(|ask, value| ask.groups = Some(value), "x25519::P-256");
    assert!(groups.starts_with("groups: found an empty group (expected X25519MLKEM768, "));
    assert_eq!(
        with(|ask, value| ask.ciphers = Some(value), "TLS_AES_128_GCM"),
        "ciphers: unknown cipher suite \"TLS_AES_128_GCM\" (expected IANA's or OpenSSL's names, numbers such as 0xc02f)"
    );
    assert_eq!(
        with(|ask, value| ask.tls = Some(value), "TLSv1.3"),
        "tls: unknown version \"TLSv1.3\" (expected one of 1.0, 1.1, 1.2, 1.3)"
    );
    assert_eq!(with(|ask, value| ask.sni = Some(value), "a b"), "sni: \"a b\" is not a DNS name");
    assert_eq!(with(|ask, value| ask.sni = Some(value), ""), "sni: \"\" is not a DNS name");
    assert_eq!(
        with(|ask, value| ask.sni = Some(value), "*.a.test"),
        "sni: \"*.a.test\" is a wildcard, expected the name of one server"
    );
    for address in ["192.0.2.1", "::1"] {
        let expected = format!("sni: {address:?} is an address, for which clients send no server name");
        assert_eq!(with(|ask, value| ask.sni = Some(value), address), expected);
    }
    let long = vec!["x25519"; 10_000].join(":");
    assert_eq!(with(|ask, value| ask.groups = Some(value), &long), "groups: found 69999 bytes, expected at most 32768");
    let both = Ask { client: text("curl"), hello: Some(vec![22, 3, 1]), ..Ask::default() };
    assert_eq!(reason(both), "client: found together with a captured hello, expected one of the two");
}
