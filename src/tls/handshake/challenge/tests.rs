//! Which hellos are answered, and what the client sees.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{AlertDescription, NamedGroup, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::*;
use crate::gate::{Gate, Work};
use crate::tls::crypto;
use crate::tls::policy::aws;
use crate::tls::wire::draft::Draft;
use crate::tls::wire::hello::reader::HelloReader;

fn answer(name: &str) -> Arc<CertifiedKey> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate.der().clone()], crypto::signing_key(&key).unwrap()))
}

/// A hello for this name that offers these protocols; `change` makes it another one.
fn hello(name: Option<&str>, protocols: &[&str], change: impl FnOnce(&mut Draft)) -> Hello {
    let mut draft = Draft::blank();
    draft.server_name(name);
    draft.versions(&[ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]);
    draft.suites(&POLICY.suites);
    draft.groups(&[NamedGroup::secp256r1]);
    draft.schemes(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
    if !protocols.is_empty() {
        draft.protocols(&protocols.iter().map(|protocol| protocol.as_bytes()).collect::<Vec<_>>());
    }
    change(&mut draft);
    let mut reader = HelloReader::default();
    reader.raw = draft.bytes().unwrap();
    reader.advance().unwrap().unwrap()
}

#[test]
fn only_a_hello_for_a_pending_name_that_offers_nothing_else_is_answered() {
    let (challenges, pending) = (Challenges::default(), answer("a.test"));
    let answered = |name: Option<&str>, protocols: &[&str]| {
        challenges.answer(&hello(name, protocols, |_| {})).map(|answer| Arc::ptr_eq(&answer, &pending))
    };
    assert_eq!(answered(Some("a.test"), &["acme-tls/1"]), None);
    assert_eq!(challenges.put("A.test", &pending), Put::Done);
    assert_eq!(answered(Some("a.test"), &["acme-tls/1"]), Some(true));
    assert_eq!(answered(Some("A.TEST"), &["acme-tls/1"]), Some(true));
    let others: [(Option<&str>, &[&str]); 8] = [
        (Some("a.test"), &[]),
        (Some("a.test"), &["h2"]),
        (Some("a.test"), &["acme-tls/1", "h2"]),
        (Some("a.test"), &["h2", "acme-tls/1"]),
        (Some("a.test"), &["acme-tls/1", "acme-tls/1"]),
        (Some("a.test"), &["acme-tls/2"]),
        (Some("b.test"), &["acme-tls/1"]),
        (None, &["acme-tls/1"]),
    ];
    for (name, protocols) in others {
        assert_eq!(answered(name, protocols), None, "{name:?} {protocols:?}");
    }
    challenges.remove("b.test", &pending);
    assert_eq!(answered(Some("a.test"), &["acme-tls/1"]), Some(true));
    challenges.remove("A.TEST", &pending);
    assert_eq!(answered(Some("a.test"), &["acme-tls/1"]), None);
}

#[test]
fn there_is_a_limit() {
    let (challenges, pending) = (Challenges::default(), answer("a.test"));
    for number in 0..MOST {
        assert_eq!(challenges.put(&format!("h{number}.test"), &pending), Put::Done);
    }
    assert_eq!(challenges.put("more.test", &pending), Put::Full);
    assert!(challenges.answer(&hello(Some("more.test"), &["acme-tls/1"], |_| {})).is_none());
    assert_eq!(challenges.put("h1.test", &pending), Put::Done);
    challenges.remove("h1.test", &pending);
    assert_eq!(challenges.put("more.test", &pending), Put::Done);
}

#[test]
fn an_answer_that_is_pending_is_not_replaced_or_removed_by_another() {
    let challenges = Challenges::default();
    let (first, second) = (answer("a.test"), answer("a.test"));
    let found = || challenges.answer(&hello(Some("a.test"), &["acme-tls/1"], |_| {}));
    assert_eq!(challenges.put("a.test", &first), Put::Done);
    assert_eq!(challenges.put("A.test", &second), Put::Taken);
    challenges.remove("a.test", &second);
    assert!(Arc::ptr_eq(&found().unwrap(), &first));
    challenges.remove("a.test", &first);
    assert!(found().is_none());
    assert_eq!(challenges.put("a.test", &second), Put::Done);
    assert!(Arc::ptr_eq(&found().unwrap(), &second));
}

#[test]
fn an_address_is_asked_for_by_its_name_in_the_reverse_zone() {
    // The examples of RFC 8738 section 6, and RFC 3596 section 2.5.
    assert_eq!(name_of("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
    let name = name_of("4321:0:1:2:3:4:567:89ab".parse().unwrap());
    assert_eq!(name, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");
    // The longest name that there is has room in a hello.
    let challenges = Challenges::default();
    assert_eq!(challenges.put(&name, &answer("a.test")), Put::Done);
    assert!(challenges.answer(&hello(Some(&name), &["acme-tls/1"], |_| {})).is_some());
}

#[test]
fn a_client_with_which_nothing_can_be_agreed_on_is_refused_before_the_handshake() {
    let pending = answer("a.test");
    let judged = |change: fn(&mut Draft)| agree(&hello(Some("a.test"), &["acme-tls/1"], change), &pending);
    assert_eq!(judged(|_| {}), Ok(()));
    assert_eq!(judged(|draft| draft.versions(&[ProtocolVersion::TLSv1_2])), Ok(()));
    let refused: [(fn(&mut Draft), Refusal); 3] = [
        (|draft| draft.suites(&[CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256]), Refusal::NoCommonSuite),
        (|draft| draft.groups(&[NamedGroup::FFDHE2048]), Refusal::NoCommonGroup),
        (|draft| draft.schemes(&[SignatureScheme::RSA_PSS_SHA256]), Refusal::NoCommonScheme),
    ];
    for (change, refusal) in refused {
        assert_eq!(judged(change), Err(refusal));
    }
}

/// A client whose trust ends at this one certificate, as an authority's does (RFC 8737 section 3), and that offers `protocol`.
fn client(version: &'static rustls::SupportedProtocolVersion, trusted: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn read(stream: &mut DuplexStream) -> Hello {
    let mut reader = HelloReader::default();
    loop {
        stream.read_buf(&mut reader.raw).await.unwrap();
        if let Some(hello) = reader.advance().unwrap() {
            return hello;
        }
    }
}

#[tokio::test]
async fn the_client_sees_the_certificate_and_the_protocol_and_then_the_end() {
    let pending = answer("a.test");
    for version in rustls::ALL_VERSIONS {
        let (near, mut far) = duplex(16 * 1024);
        let connector = client(version, &pending.cert[0]);
        let seen = tokio::spawn(async move {
            let mut stream = connector.connect(ServerName::try_from("a.test").unwrap(), near).await.unwrap();
            let (_, session) = stream.get_ref();
            let seen = (session.alpn_protocol().map(<[u8]>::to_vec), session.peer_certificates().unwrap().to_vec());
            // An end without close_notify would be an error.
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            (seen, data)
        });
        let hello = read(&mut far).await;
        let gate = Gate::default();
        let pace = Pace::alone(&gate);
        let turn = pace.turn(Work::Full).await;
        assert_eq!(agree(&hello, &pending), Ok(()));
        let answered = accept(&mut far, hello, Arc::clone(&pending), turn, pace).await.unwrap();
        assert_eq!(answered.negotiated.version, version.version);
        assert!(!answered.negotiated.resumed && answered.negotiated.alpn.as_deref() == Some(PROTOCOL));
        far.write_all(&answered.last).await.unwrap();
        drop(far);
        let (seen, data) = seen.await.unwrap();
        assert_eq!(seen, (Some(PROTOCOL.to_vec()), pending.cert.clone()), "{version:?}");
        assert!(data.is_empty());
    }
}

#[tokio::test]
async fn a_client_that_refuses_the_certificate_ends_the_handshake_with_its_alert() {
    let (pending, other) = (answer("a.test"), answer("a.test"));
    let (near, mut far) = duplex(16 * 1024);
    let connector = client(&rustls::version::TLS13, &other.cert[0]);
    let connecting =
        tokio::spawn(async move { connector.connect(ServerName::try_from("a.test").unwrap(), near).await.is_ok() });
    let hello = read(&mut far).await;
    let gate = Gate::default();
    let pace = Pace::alone(&gate);
    let turn = pace.turn(Work::Full).await;
    let failed = accept(&mut far, hello, pending, turn, pace).await.unwrap_err();
    let HandshakeError::Protocol(error) = failed else { panic!("{failed}") };
    assert!(error.received_alert.is_some_and(|alert| alert != AlertDescription::CloseNotify), "{error:?}");
    assert!(!connecting.await.unwrap());
}

#[test]
fn every_suite_and_group_is_one_that_the_provider_has() {
    assert!(POLICY.suites.iter().all(|suite| crypto::suite(*suite).is_some()));
    assert!(POLICY.groups.iter().all(|group| crypto::group(*group).is_some()));
    // Whatever an authority offers that a listener with the default policy could agree on is enough.
    let default = aws::named(aws::DEFAULT).unwrap();
    assert!(default.versions.iter().all(|version| POLICY.versions.contains(version)));
}
