//! The cost of a look-up with 25, 1,000 and 100,000 certificates (two keys for each name), for one hot name and for
//! random names out of all. Prints; asserts nothing about time. Must not know: how the index works.
//!
//! `cargo bench --bench select`. Sizes are measured in turn, A B C C B A, and the figures are medians of all rounds.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::certified::algorithm::{Hash, KeyType};
use tlsgate::tls::certificate::certified::extensions::Purposes;
use tlsgate::tls::certificate::name::Name;
use tlsgate::tls::certificate::select::{Certificates, Entry, Offer, UnknownName};
use tlsgate::tls::crypto;
use tlsgate::tls::policy::SCHEMES;

const SIZES: [usize; 3] = [25, 1_000, 100_000];
/// Look-ups in one round.
const BATCH: usize = 20_000;
/// Times A B C C B A, so that each size has twice as many rounds.
const TURNS: usize = 25;
const NOW: i64 = 50;

/// The names to look up: from the number of names, the next one.
struct Questions {
    what: &'static str,
    next: fn(usize, &mut Random) -> String,
}

const QUESTIONS: [Questions; 6] = [
    Questions { what: "one hot exact name", next: |names, _| name(names / 4 * 2, "www") },
    Questions { what: "one hot wildcard name", next: |names, _| name(names / 4 * 2 + 1, "www") },
    Questions { what: "one hot unknown name", next: |_, _| "www.nobody.example.net".into() },
    Questions { what: "random exact names", next: |names, random| name(random.below(names) / 2 * 2, "www") },
    Questions { what: "random exact and wildcard", next: |names, random| name(random.below(names), "www") },
    Questions {
        what: "random unknown names",
        next: |_, random| format!("www.nobody{:06}.net", random.below(1_000_000)),
    },
];

fn main() {
    let listeners = SIZES.map(listener);
    println!(
        "ns per look-up: median of {} rounds of {BATCH} (quartiles) xRATIO to {} certificates",
        2 * TURNS,
        SIZES[0]
    );
    for questions in &QUESTIONS {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut rounds: [Vec<f64>; SIZES.len()] = Default::default();
        for turn in 0..=TURNS {
            for size in (0..SIZES.len()).chain((0..SIZES.len()).rev()) {
                let (names, certificates) = &listeners[size];
                // New names each time, so that random ones stay as cold in the cache as they would be.
                let taken = round(certificates, &ask(questions, *names, &mut random));
                // The first turn is for warming up.
                if turn > 0 {
                    rounds[size].push(taken);
                }
            }
        }
        report(questions.what, &mut rounds);
    }
}

/// One round: nanoseconds for one look-up.
fn round(certificates: &Certificates, asked: &[[u8; WIDTH]]) -> f64 {
    let began = Instant::now();
    for name in asked {
        let name = std::str::from_utf8(&name[1..=usize::from(name[0])]).unwrap();
        let offer = Offer {
            server_name: Some(black_box(name)),
            schemes: SCHEMES,
            certificate_schemes: SCHEMES,
            curves: None,
            address: None,
        };
        let _ = black_box(certificates.choose(&offer, UnknownName::Default, NOW, &mut ()));
    }
    began.elapsed().as_nanos() as f64 / asked.len() as f64
}

fn report(what: &str, rounds: &mut [Vec<f64>; SIZES.len()]) {
    let mut line = format!("{what:<28}");
    let mut base = None;
    for (size, taken) in SIZES.iter().zip(rounds) {
        taken.sort_by(f64::total_cmp);
        let at = |quarter: usize| taken[(taken.len() - 1) * quarter / 4];
        let ratio = at(2) / *base.get_or_insert(at(2));
        write!(line, " | {size:>6}: {:>5.0} ({:.0}-{:.0}) x{ratio:.2}", at(2), at(1), at(3)).unwrap();
    }
    println!("{line}");
}

/// A length and a name.
const WIDTH: usize = 32;

/// The names are adjacent in memory and are read in order, so that reading the question always costs the same;
/// in the proxy, the name is in the cache already, since the ClientHello was just read.
fn ask(questions: &Questions, names: usize, random: &mut Random) -> Vec<[u8; WIDTH]> {
    let mut ask_one = || {
        let name = (questions.next)(names, random);
        let mut slot = [0; WIDTH];
        slot[0] = u8::try_from(name.len()).unwrap();
        slot[1..=name.len()].copy_from_slice(name.as_bytes());
        slot
    };
    (0..BATCH).map(|_| ask_one()).collect()
}

/// The name with that number. The even ones are in certificates as they are, the odd ones as wildcards.
fn name(number: usize, host: &str) -> String {
    format!("{host}.site{number:06}.example.com")
}

/// That many certificates, an ECDSA and an RSA one for each name; and the number of names.
fn listener(size: usize) -> (usize, Certificates) {
    let der = PrivateKeyDer::Pkcs8(rcgen::KeyPair::generate().unwrap().serialize_der().into());
    let key = Arc::new(CertifiedKey::new(Vec::new(), crypto::signing_key(&der).unwrap()));
    let certificate = |place: usize| {
        let number = place / 2;
        let (key_type, key_bits) =
            if place.is_multiple_of(2) { (KeyType::EcdsaP256, 256) } else { (KeyType::Rsa, 2048) };
        let named = name(number, if number.is_multiple_of(2) { "www" } else { "*" });
        Certificate {
            label: named.as_str().into(),
            key: Arc::clone(&key),
            key_type,
            key_bits,
            names: vec![Name::parse(&named).unwrap()],
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
    };
    let entries = (0..size).map(|place| Entry { certificate: Arc::new(certificate(place)), default: false }).collect();
    (size / 2, Certificates::new(entries))
}

/// xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or(0)
    }
}
