//! The check from here before an authority is asked: what is answered at an address, compared with what is expected.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use tlsgate::acme::check::{self, Checked};
use tlsgate::acme::settings::Identifier;
use tlsgate::tls::certificate::name::Name;

use crate::support::PATIENCE;
use crate::support::bind::{lookup, wait};
use crate::support::dns::{Dns, Mood, Record};

const HERE: Identifier = Identifier::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
const TOKEN: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
const EXPECTED: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

fn named(name: &str) -> Identifier {
    Identifier::Dns(Name::parse(name).unwrap())
}

/// A name server that nobody asks.
fn nowhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1).into()
}

/// An HTTP server that answers each request with what `answer` returns for its head. It ends with the test's process.
fn http(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    http_on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
}

fn http_on(listener: TcpListener, answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            // A client that has seen enough closes.
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&head)).as_bytes());
        }
    });
    address
}

fn answer(status: &str, more: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn ask(address: SocketAddr) -> Checked {
    wait(check::http(&lookup(nowhere()), &HERE, address.port(), TOKEN, EXPECTED, PATIENCE))
}

#[test]
fn http_is_asked_as_the_authority_asks() {
    let asked = Arc::new(Mutex::new(String::new()));
    let heads = Arc::clone(&asked);
    let address = http(move |head| {
        *heads.lock().unwrap() = head.to_owned();
        answer("200 OK", "", &format!("{EXPECTED}\r\n"))
    });
    assert_eq!(ask(address), Checked::Passed);
    let head = asked.lock().unwrap().to_lowercase();
    let token = TOKEN.to_lowercase();
    assert!(head.starts_with(&format!("get /.well-known/acme-challenge/{token} http/1.1\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
}

#[test]
fn another_answer_over_http_is_shown_with_what_was_expected() {
    for (status, body) in [("404 Not Found", "nothing here"), ("200 OK", "a portal"), ("500 Oops", EXPECTED)] {
        let result = ask(http(move |_| answer(status, "", body)));
        let Checked::Wrong(why) = &result else { panic!("{result:?}") };
        assert!([&status[..3], body, EXPECTED, "127.0.0.1"].iter().all(|part| why.contains(part)), "{why}");
    }
    // The answer is the beginning of something endless.
    let endless = ask(http(|_| format!("HTTP/1.1 200 OK\r\n\r\n{}", EXPECTED.repeat(100_000))));
    assert!(matches!(&endless, Checked::Wrong(why) if why.len() < 1000), "{endless:?}");
    let token = wait(check::http(&lookup(nowhere()), &HERE, 1, "../secret", EXPECTED, PATIENCE));
    assert!(matches!(&token, Checked::Wrong(why) if why.contains("../secret")), "{token:?}");
}

#[test]
fn a_redirect_is_followed_only_where_it_stays() {
    let address = http(|head| match head.contains("/moved") {
        true => answer("200 OK", "", EXPECTED),
        false => answer("302 Found", "Location: /moved\r\n", ""),
    });
    assert_eq!(ask(address), Checked::Passed);
    let elsewhere = ask(http(|_| answer("301 Moved", "Location: https://127.0.0.1/x\r\n", "")));
    assert!(matches!(&elsewhere, Checked::Unreachable(why) if why.contains("https://127.0.0.1/x")), "{elsewhere:?}");
    let around = ask(http(|_| answer("302 Found", "Location: /again\r\n", "")));
    assert!(matches!(&around, Checked::Wrong(why) if why.contains("redirects")), "{around:?}");
}

#[test]
fn what_cannot_be_tried_is_no_wrong_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lookup = lookup(nowhere());
    let short = Duration::from_millis(200);
    let silent = wait(check::http(&lookup, &HERE, address.port(), TOKEN, EXPECTED, short));
    assert!(matches!(&silent, Checked::Unreachable(why) if why.contains("in time")), "{silent:?}");
    let silent = wait(check::tls_alpn(&lookup, &HERE, address.port(), b"x", short));
    assert!(matches!(&silent, Checked::Unreachable(why) if why.contains("in time")), "{silent:?}");
    drop(listener);
    for result in [ask(address), wait(check::tls_alpn(&lookup, &HERE, address.port(), b"x", PATIENCE))] {
        assert!(matches!(&result, Checked::Unreachable(why) if why.contains(&address.to_string())), "{result:?}");
    }
}

#[test]
fn every_address_of_a_name_is_tried() {
    let dns = Dns::start(0);
    let lookup = lookup(dns.address);
    let good = http(|_| answer("200 OK", "", EXPECTED));
    let ask = || wait(check::http(&lookup, &named("web.test"), good.port(), TOKEN, EXPECTED, PATIENCE));
    let here = Record::A(Ipv4Addr::LOCALHOST);
    // Nothing listens at the second one.
    let away = Record::A(Ipv4Addr::new(127, 9, 77, 1));
    dns.set("web.test", &[here.clone(), away.clone()]);
    assert_eq!(ask(), Checked::Passed);
    dns.set("web.test", &[away]);
    assert!(matches!(ask(), Checked::Unreachable(why) if why.contains("127.9.77.1")));
    let other = TcpListener::bind((Ipv4Addr::new(127, 9, 77, 2), good.port())).unwrap();
    http_on(other, |_| answer("404 Not Found", "", ""));
    dns.set("web.test", &[here, Record::A(Ipv4Addr::new(127, 9, 77, 2))]);
    assert!(matches!(ask(), Checked::Wrong(why) if why.contains("127.9.77.2")));
    dns.mood(Mood::NxDomain);
    assert!(matches!(ask(), Checked::Unreachable(why) if why.contains("web.test")));
    let wildcard = wait(check::http(&lookup, &named("*.web.test"), 1, TOKEN, EXPECTED, PATIENCE));
    assert!(matches!(&wildcard, Checked::Wrong(why) if why.contains("*.web.test")), "{wildcard:?}");
}

/// A challenge's certificate (RFC 8737 section 3), as DER and with its key.
fn challenge() -> Arc<CertifiedKey> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["web.test".to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// A server's certificate, and the server names that clients send.
#[derive(Debug)]
struct Resolver {
    key: Arc<CertifiedKey>,
    names: Mutex<Vec<String>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.lock().unwrap().push(hello.server_name().unwrap_or_default().to_owned());
        Some(Arc::clone(&self.key))
    }
}

/// A TLS server that has this certificate. It ends with the test's process.
fn tls(
    key: &Arc<CertifiedKey>,
    alpn: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (SocketAddr, Arc<Resolver>) {
    let resolver = Arc::new(Resolver { key: Arc::clone(key), names: Mutex::default() });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = connection.write_tls(&mut stream);
        }
    });
    (address, resolver)
}

#[test]
fn a_challenge_over_tls_is_asked_for_as_the_authority_asks() {
    let key = challenge();
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let (address, resolver) = tls(&key, &["acme-tls/1"], versions);
        let dns = Dns::start(0);
        dns.set("web.test", &[Record::A(Ipv4Addr::LOCALHOST)]);
        let lookup = lookup(dns.address);
        for identifier in [named("web.test"), HERE] {
            let result = wait(check::tls_alpn(&lookup, &identifier, address.port(), &key.cert[0], PATIENCE));
            assert_eq!(result, Checked::Passed);
        }
        // RFC 8738 section 6: an address is asked for by its name for reverse look-ups.
        assert_eq!(*resolver.names.lock().unwrap(), ["web.test", "1.0.0.127.in-addr.arpa"]);
    }
}

#[test]
fn another_answer_over_tls_is_shown() {
    let (key, other) = (challenge(), challenge());
    let result = |address: SocketAddr| match wait(check::tls_alpn(
        &lookup(nowhere()),
        &HERE,
        address.port(),
        &key.cert[0],
        PATIENCE,
    )) {
        Checked::Wrong(why) => why,
        other => panic!("{other:?}"),
    };
    let versions = rustls::ALL_VERSIONS;
    let certificate = result(tls(&other, &["acme-tls/1"], versions).0);
    assert!(certificate.contains("another certificate") && certificate.contains("127.0.0.1"), "{certificate}");
    let alert = result(tls(&key, &["http/1.1"], versions).0);
    assert!(alert.contains("no_application_protocol"), "{alert}");
    let without = result(tls(&key, &[], versions).0);
    assert!(without.contains("without the protocol acme-tls/1"), "{without}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer("400 Bad Request", "", "").as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert!(result(address).contains("no TLS handshake"));
}
