//! When two connectors are the same, and how a server without a configured name is verified.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::duplex;

use super::*;
use crate::gate::{Gate, Pace};
use crate::tls::policy::aws;

fn pair(name: &str) -> CertifiedKey {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    CertifiedKey::new(vec![certificate.der().clone()], crypto::signing_key(&key).unwrap())
}

fn name(name: &str) -> Option<ServerName<'static>> {
    Some(ServerName::try_from(name.to_owned()).unwrap())
}

#[test]
fn connectors_are_the_same_only_if_they_verify_and_send_the_same() {
    let (shown, other) = (pair("a.test"), pair("a.test"));
    let (one, two) = (shown.cert[0].clone(), other.cert[0].clone());
    let roots = |roots: &[&CertificateDer<'static>]| roots.iter().map(|root| (*root).clone()).collect::<Vec<_>>();
    let trust = |roots: Vec<_>, pins: &[u8]| Trust {
        roots,
        pins: pins.iter().map(|pin| [*pin; 32]).collect(),
        ..Trust::default()
    };
    let fixed = |protocols: &[&str]| Alpn::Fixed(protocols.iter().map(|name| name.as_bytes().to_vec()).collect());
    let (aws, own) = (&aws::policies()[0], &aws::policies()[1]);
    let trusts = [
        trust(Vec::new(), &[]),
        trust(roots(&[&one]), &[]),
        trust(roots(&[&two]), &[]),
        trust(roots(&[&one, &two]), &[]),
        trust(Vec::new(), &[1]),
        trust(roots(&[&one]), &[1, 2]),
    ];
    let alpns = [fixed(&[]), fixed(&["h2"]), fixed(&["h", "2"]), Alpn::Client];
    let mut made: Vec<Connector> = Vec::new();
    for policy in [None, Some(&**aws), Some(&**own)] {
        for trust in &trusts {
            for server_name in [None, name("a.test"), name("192.0.2.1")] {
                for certificate in [None, Some(&shown), Some(&other)] {
                    for alpn in &alpns {
                        let (server_name, alpn) = (server_name.clone(), alpn.clone());
                        let terms = Terms { policy, trust, server_name, certificate, alpn, layer: Layer::Tlsgate };
                        made.push(Connector::new(terms).unwrap());
                    }
                }
            }
        }
    }
    let different: std::collections::HashSet<_> = made.iter().map(|connector| connector.identity.0).collect();
    assert_eq!(different.len(), made.len());
    let again = |layer| {
        let (server_name, alpn) = (None, fixed(&[]));
        Connector::new(Terms { policy: None, trust: &trusts[0], server_name, certificate: None, alpn, layer }).unwrap()
    };
    assert!(again(Layer::Tlsgate) == made[0] && again(Layer::Rustls) != made[0]);
    assert_eq!(again(Layer::Rustls).identity, made[0].identity);
}

#[tokio::test]
async fn without_a_name_the_address_is_expected_and_without_both_nothing_is_sent() {
    let trust = Trust::default();
    let connector = |server_name| {
        let (alpn, layer) = (Alpn::Fixed(Vec::new()), Layer::Tlsgate);
        Connector::new(Terms { policy: None, trust: &trust, server_name, certificate: None, alpn, layer }).unwrap()
    };
    let address = Some(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(connector(None).name(address), name("192.0.2.1"));
    assert_eq!(connector(name("a.test")).name(address), name("a.test"));
    assert_eq!(connector(name("a.test")).name(None), name("a.test"));
    let (mut near, mut far) = duplex(64);
    let error = connector(None).connect(&mut near, None, None, Pace::alone(&Gate::default())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server has no name (expected server_name)");
    drop(near);
    let mut sent = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut far, &mut sent).await.unwrap();
    assert_eq!(sent, b"");
}
