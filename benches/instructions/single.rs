//! Functions that need no socket.

use std::hint::black_box;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureScheme};
use tlsgate::route::index::{Match, Routes};
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::certified::algorithm::{Hash, KeyType};
use tlsgate::tls::certificate::certified::extensions::Purposes;
use tlsgate::tls::certificate::name::Name;
use tlsgate::tls::certificate::select::{Certificates, Entry, Offer, UnknownName};
use tlsgate::tls::crypto;
use tlsgate::tls::record::{Layer, Records};
use tlsgate::tls::wire::codes::framing::MAX_FRAGMENT;
use tlsgate::tls::wire::hello::reader::HelloReader;
use tlsgate::tls::wire::hello::{Hello, ja4};

use crate::{MOST, handshake, measured};

const HELLO: &[u8] = include_bytes!("../../tests/fixtures/hellos/openssl.bin");

fn read() -> Hello {
    let mut reader = HelloReader::default();
    reader.raw.extend_from_slice(HELLO);
    reader.advance().unwrap().unwrap()
}

pub(crate) fn hello(count: usize) {
    measured(|| {
        for _ in 0..count {
            black_box(read());
        }
    });
}

pub(crate) fn ja4(count: usize) {
    measured(|| {
        for _ in 0..count {
            black_box(ja4::ja4(black_box(HELLO)));
        }
    });
}

fn names(count: usize, own: &str) -> impl Iterator<Item = Name> {
    let other = |number| format!("www.site{number:06}.example.com");
    (0..count)
        .map(move |number| Name::parse(&if number == count / 2 { own.to_owned() } else { other(number) }).unwrap())
}

pub(crate) fn route(count: usize) {
    let hello = read();
    let own = hello.server_name.as_deref().unwrap();
    let matches: Vec<Match> = names(100, own).map(|name| Match { names: vec![name], ..Match::default() }).collect();
    let routes = Routes::new(&matches).unwrap();
    measured(|| {
        for _ in 0..count {
            black_box(routes.find(black_box(Some(own)), &hello.protocols));
        }
    });
}

pub(crate) fn select(count: usize) {
    let hello = read();
    let der = PrivateKeyDer::Pkcs8(rcgen::KeyPair::generate().unwrap().serialize_der().into());
    let key = Arc::new(CertifiedKey::new(Vec::new(), crypto::signing_key(&der).unwrap()));
    let entry = |name: Name| Entry { certificate: Arc::new(certificate(name, &key)), default: false };
    let certificates = Certificates::new(names(1000, hello.server_name.as_deref().unwrap()).map(entry).collect());
    let schemes = &hello.signature_schemes[..];
    measured(|| {
        for _ in 0..count {
            let server_name = black_box(hello.server_name.as_deref());
            let offer = Offer { server_name, schemes, certificate_schemes: schemes, curves: None, address: None };
            let _ = black_box(certificates.choose(&offer, UnknownName::Default, 50, &mut ()));
        }
    });
}

fn certificate(name: Name, key: &Arc<CertifiedKey>) -> Certificate {
    Certificate {
        label: "one".into(),
        key: Arc::clone(key),
        key_type: KeyType::EcdsaP256,
        key_bits: 256,
        names: vec![name],
        not_before: 0,
        addresses: Vec::new(),
        not_after: 100,
        chain_not_after: 100,
        chain_ends_first: None,
        issuer_known: true,
        is_ca: false,
        must_staple: false,
        token: None,
        purposes: Purposes { server: true, client: true },
        serial: "01".into(),
        fingerprint: [0; 32],
        hash: Hash::Sha256,
        chain_signatures: Box::new([&[SignatureScheme::ECDSA_NISTP256_SHA256]]),
        unusable_names: Vec::new(),
        remarks: Vec::new(),
    }
}

pub(crate) fn seal(count: usize) {
    let (server, _) = handshake::shaken(CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut records = server.finish(Layer::Tlsgate).unwrap().records;
    let mut slots = vec![0; records.room().stride()];
    measured(|| {
        for _ in 0..count {
            black_box(records.seal(&mut slots, MAX_FRAGMENT, &mut Vec::new()).unwrap());
        }
    });
}

pub(crate) fn open(count: usize) {
    let (server, client) = handshake::shaken(CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut sealed = sealed(&mut client.finish(Layer::Tlsgate).unwrap().records, MAX_FRAGMENT);
    let mut records = server.finish(Layer::Tlsgate).unwrap().records;
    let record = sealed.len() / MOST;
    measured(|| {
        for wire in sealed.chunks_mut(record).take(count) {
            black_box(records.open(wire, &mut Vec::new()).unwrap());
        }
    });
}

/// [`MOST`] records of that length.
pub(crate) fn sealed(records: &mut Records, length: usize) -> Vec<u8> {
    let mut sealed = Vec::new();
    for _ in 0..MOST {
        let mut slot = vec![0; records.room().stride()];
        let count = records.seal(&mut slot, length, &mut sealed).unwrap();
        sealed.extend_from_slice(&slot[..count]);
    }
    sealed
}
