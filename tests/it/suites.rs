//! Cipher suites have OpenSSL's names for their numbers, wherever OpenSSL's names are expected.

use std::io::Read;
use std::net::SocketAddr;

use rustls::CipherSuite;
use tlsgate::tls::wire::codes;

use crate::routes::answers_once;
use crate::support::by_hand::ByHand;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// Number and name of every suite that the installed OpenSSL has.
fn theirs() -> Vec<(CipherSuite, String)> {
    let output = tool::run("openssl", &["ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    // `0xCC,0xA8 - ECDHE-RSA-CHACHA20-POLY1305 …`
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let code = words.next()?.replace("0x", "").replace(',', "");
        let (_, name) = (words.next()?, words.next()?);
        Some((CipherSuite::from(u16::from_str_radix(&code, 16).ok()?), name.to_owned()))
    };
    let all: Vec<_> = text.lines().filter_map(row).collect();
    assert!(all.len() > 50, "{text}");
    all
}

#[test]
fn each_number_has_the_name_that_openssl_has_for_it() {
    for (suite, name) in theirs() {
        assert_eq!(codes::openssl_suite_name(suite), name);
        assert_eq!(codes::suite(&name), Some(suite), "{name}");
    }
}

/// ECDHE suites with each cipher, for both kinds of key. ChaCha20's name does not follow the pattern of the others.
const SERVED: [u16; 6] = [0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8];

/// Certificates of both kinds, and a listener that has every suite; its backend is at `address`.
fn serving(log: &str, address: SocketAddr) -> (Pki, String) {
    let pki = Pki::new();
    pki.write("certs", "ec", &["a.test"], Key::P256, &Extra::default());
    pki.write("certs", "rsa", &["a.test"], Key::Rsa2048, &Extra::default());
    let suites = SERVED.map(|code| codes::suite_name(code).into_owned());
    let config = format!(
        "{log}[policy.all]\nversions = [\"TLSv1.2\"]\nciphers = {suites:?}\n\n\
         [[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\npolicy = \"all\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n\n\
         [backend.b]\nservers = [\"{address}\"]\n"
    );
    (pki, config)
}

/// The names that OpenSSL has for them.
fn served() -> Vec<String> {
    let theirs = theirs();
    let name = |code: &u16| theirs.iter().find(|(suite, _)| u16::from(*suite) == *code).unwrap().1.clone();
    SERVED.iter().map(name).collect()
}

fn s_client(proxy: SocketAddr, name: &str) {
    let address = proxy.to_string();
    let arguments = ["s_client", "-ign_eof", "-connect", &address, "-servername", "a.test", "-cipher", name];
    tool::run("openssl", &arguments, b"hello\n");
}

#[test]
fn the_nlb_format_names_a_suite_as_the_client_that_asked_for_it_does() {
    let backend = answers_once();
    let (pki, config) = serving("[log]\naccess = \"access.log\"\naccess_format = \"nlb\"\n\n", backend.address);
    let proxy = Proxy::start(pki.folder(), &config);
    let mut names = served();
    names.iter().for_each(|name| s_client(proxy.address("main"), name));
    let lines = crate::access_log::lines(&pki.folder().join("access.log"), names.len());
    let mut logged: Vec<String> = lines.iter().map(|line| line.split(' ').nth(14).unwrap().to_owned()).collect();
    // Records are written when the connections end.
    logged.sort();
    names.sort();
    assert_eq!(logged, names);
}

#[test]
fn the_proxy_header_names_a_suite_as_the_client_that_asked_for_it_does() {
    let hand = ByHand::new();
    let (pki, config) = serving("", hand.address);
    let proxy = Proxy::start(pki.folder(), &(config + "proxy_protocol = \"v2\"\n"));
    for name in served() {
        let received = std::thread::scope(|scope| {
            scope.spawn(|| s_client(proxy.address("main"), &name));
            let (mut server, mut received) = (hand.accept(), Vec::new());
            while !received.ends_with(b"hello\n") {
                let mut piece = [0; 4096];
                let count = server.read(&mut piece).unwrap();
                received.extend_from_slice(&piece[..count]);
            }
            received
        });
        // PP2_SUBTYPE_SSL_CIPHER, and its length.
        let cipher = [&[0x23, 0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        assert!(received.windows(cipher.len()).any(|window| window == cipher), "{name}: {received:?}");
    }
}
