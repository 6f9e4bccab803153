//! Terms and choice, compared with what rustls then sends: for random offers, version, suite, group and signature scheme
//! are read from its answer.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::subsequence;
use rcgen::{CertificateParams, KeyPair, RsaKeySize};
use rustls::{CipherSuite, NamedGroup, SignatureScheme};

use super::*;
use crate::tls::certificate::pem;
use crate::tls::certificate::select::Entry;
use crate::tls::policy::{CipherOrder, aws};
use crate::tls::record::Layer;
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::draft::Draft;
use crate::tls::wire::hello::reader::HelloReader;

/// One of each kind of key.
static CERTIFICATES: LazyLock<Vec<Arc<crate::tls::certificate::certified::Certificate>>> = LazyLock::new(|| {
    let keys = [
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
    ];
    let build = |key: &KeyPair| {
        let certificate = CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(key).unwrap();
        let private = pem::read(key.serialize_pem().as_bytes()).unwrap().keys;
        crate::tls::certificate::certified::Certificate::build("test", vec![certificate.der().clone()], private, None)
            .unwrap()
    };
    keys.iter().map(|key| Arc::new(build(key))).collect()
});

/// A server's first messages.
#[derive(Debug, PartialEq)]
struct Answer {
    version: ProtocolVersion,
    suite: CipherSuite,
    group: Option<NamedGroup>,
    /// TLS 1.3 encrypts it.
    scheme: Option<SignatureScheme>,
}

/// Reads ServerHello – or HelloRetryRequest, which has its form – and ServerKeyExchange (RFC 8446 section 4.1.3, RFC 8422
/// section 5.4).
fn answer(wire: &[u8]) -> Option<Answer> {
    let mut records = Cursor(wire);
    let mut messages = Vec::new();
    // Only unencrypted handshake records are read.
    while records.u8() == Some(22) {
        records.u16()?;
        messages.extend_from_slice(records.vector16()?.0);
    }
    let mut messages = Cursor(&messages);
    let mut answer: Option<Answer> = None;
    while let Some(kind) = messages.u8() {
        let length = u32::from_be_bytes([0, messages.u8()?, messages.u8()?, messages.u8()?]);
        let mut body = Cursor(messages.take(length as usize)?);
        match (kind, &mut answer) {
            (2, None) => {
                let mut version = body.u16()?;
                body.take(32)?;
                body.vector8()?;
                let suite = body.u16()?;
                body.u8()?;
                let mut extensions = body.vector16().unwrap_or(Cursor(&[]));
                let mut group = None;
                while let (Some(kind), Some(mut data)) = (extensions.u16(), extensions.vector16()) {
                    match kind {
                        43 => version = data.u16()?,
                        51 => group = Some(NamedGroup::from(data.u16()?)),
                        _ => {}
                    }
                }
                answer = Some(Answer { version: version.into(), suite: suite.into(), group, scheme: None });
            }
            (12, Some(answer)) => {
                assert_eq!(body.u8(), Some(3), "a named curve");
                answer.group = Some(body.u16()?.into());
                body.vector8()?;
                answer.scheme = Some(body.u16()?.into());
            }
            _ => {}
        }
    }
    answer
}

fn offers() -> impl Strategy<Value = Draft> {
    let codes = |list: &[u16]| list.to_vec();
    let suites = codes(&[
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca8, 0xcca9, 0xc013, 0x009c, 0x00ff, 0x0a0a,
    ]);
    let groups = codes(&[0x11ec, 0x11eb, 0x11ed, 0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x1a1a]);
    let schemes = codes(&[
        0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203, 0x0809, 0x2a2a,
    ]);
    let versions = codes(&[0x0304, 0x0303, 0x0302, 0x3a3a]);
    let shuffled = |list: Vec<u16>, least: usize| {
        let most = list.len();
        subsequence(list, least..=most).prop_shuffle()
    };
    (shuffled(suites, 1), shuffled(groups, 1), shuffled(schemes, 1), shuffled(versions, 1)).prop_map(
        |(suites, groups, schemes, versions)| {
            let mut draft = Draft::blank();
            draft.server_name(Some("a.test"));
            draft.versions(&versions.into_iter().map(ProtocolVersion::from).collect::<Vec<_>>());
            draft.suites(&suites.into_iter().map(CipherSuite::from).collect::<Vec<_>>());
            draft.groups(&groups.into_iter().map(NamedGroup::from).collect::<Vec<_>>());
            draft.schemes(&schemes.into_iter().map(SignatureScheme::from).collect::<Vec<_>>());
            draft
        },
    )
}

/// The built-in policies, each with the server's and with the client's order.
fn policies() -> Vec<Arc<Policy>> {
    let all = aws::policies().iter();
    let theirs =
        all.clone().map(|known| Arc::new(Policy { cipher_order: CipherOrder::Client, ..Policy::clone(known) }));
    all.cloned().chain(theirs).collect()
}

fn terminator(policy: Arc<Policy>, entries: Vec<Entry>) -> Result<Terminator, rustls::Error> {
    Terminator::new(Settings {
        policy,
        certificates: Arc::new(Certificates::new(entries)),
        unknown_name: UnknownName::Reject,
        require_sni: false,
        alpn: Vec::new(),
        client_auth: None,
        tickets: None,
        layer: Layer::default(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn rustls_agrees_on_everything(
        draft in offers(),
        policy in prop::sample::select(policies()),
        held in subsequence(CERTIFICATES.iter().cloned().collect::<Vec<_>>(), 1..=4),
    ) {
        let entries = held.into_iter().map(|certificate| Entry { certificate, default: false }).collect();
        let terminator =
            terminator(policy, entries).unwrap();
        let mut reader = HelloReader::default();
        reader.raw = draft.bytes().unwrap();
        // A hello that is too old is refused before terms are agreed on.
        let Ok(Some(hello)) = reader.advance() else { return Ok(()) };
        let now = jiff::Timestamp::now().as_second();
        let Ok(choice) = terminator.choose(&hello, None, now, &mut ()) else { return Ok(()) };
        let terms = terminator.agree(&hello).unwrap();
        prop_assert_eq!(terminator.rehearse(&hello, &choice), Ok(()));

        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut hello.raw.as_slice()).unwrap();
        let accepted = acceptor.accept().unwrap().unwrap();
        let mut connection = accepted.into_connection(terminator.config(&hello, &choice, None).unwrap()).unwrap();
        let mut wire = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut wire).unwrap();
        }
        let seen = answer(&wire).unwrap();
        let tls12 = terms.version == ProtocolVersion::TLSv1_2;
        let expected = Answer {
            version: terms.version,
            suite: terms.suite(choice.scheme).unwrap(),
            group: Some(terms.group),
            scheme: tls12.then_some(choice.scheme),
        };
        prop_assert_eq!(seen, expected);
    }

    /// Where there are no common terms, rustls refuses too, with each of the certificates. It checks the schemes later, and
    /// TLS 1.2's curves not at all.
    #[test]
    fn rustls_refuses_the_hellos_that_tlsgate_refuses(draft in offers(), policy in prop::sample::select(policies())) {
        let entries = CERTIFICATES.iter().map(|one| Entry { certificate: Arc::clone(one), default: false }).collect();
        let terminator =
            terminator(policy, entries).unwrap();
        let mut reader = HelloReader::default();
        reader.raw = draft.bytes().unwrap();
        let Ok(Some(hello)) = reader.advance() else { return Ok(()) };
        let refusal = match terminator.choose(&hello, None, jiff::Timestamp::now().as_second(), &mut ()) {
            Ok(_) | Err(Refusal::NoCommonScheme) => return Ok(()),
            Err(refusal) => refusal,
        };
        for certificate in CERTIFICATES.iter() {
            // Any scheme will do: rustls does not depend on it here.
            let choice = Choice {
                certificate: Arc::clone(certificate),
                scheme: SignatureScheme::ED25519,
                tier: crate::tls::certificate::select::Tier::Exact,
                valid: true,
            };
            prop_assert!(terminator.rehearse(&hello, &choice).is_err(), "{refusal:?}");
        }
    }
}
