//! Cipher suites bear the names that OpenSSL has for their numbers, wherever OpenSSL's names are due.

use rustls::CipherSuite;
use tlsgate::tls::wire::codes;

use crate::routes::answers_once;
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

#[test]
fn the_nlb_format_names_a_suite_as_the_client_that_asked_for_it_does() {
    const SERVED: [u16; 6] = [0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8];
    let (pki, backend) = (Pki::new(), answers_once());
    pki.write("certs", "ec", &["a.test"], Key::P256, &Extra::default());
    pki.write("certs", "rsa", &["a.test"], Key::Rsa2048, &Extra::default());
    let suites: Vec<String> = SERVED.map(|code| codes::suite_name(code).into_owned()).to_vec();
    let config = format!(
        "[log]\naccess = \"access.log\"\naccess_format = \"nlb\"\n\n[policy.all]\nversions = [\"TLSv1.2\"]\nciphers = {suites:?}\n\n\
         [[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\npolicy = \"all\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\n\n\
         [backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let address = proxy.address("main").to_string();
    let theirs = theirs();
    let mut names = Vec::new();
    for code in SERVED {
        let (_, name) = theirs.iter().find(|(suite, _)| u16::from(*suite) == code).unwrap();
        let arguments = ["s_client", "-ign_eof", "-connect", &address, "-servername", "a.test", "-cipher", name];
        tool::run("openssl", &arguments, b"hello\n");
        names.push(name.clone());
    }
    let lines = crate::access_log::lines(&pki.folder().join("access.log"), names.len());
    let mut logged: Vec<String> = lines.iter().map(|line| line.split(' ').nth(14).unwrap().to_owned()).collect();
    // They are written as the connections end.
    logged.sort();
    names.sort();
    assert_eq!(logged, names);
}
