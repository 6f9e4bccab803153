//! "Which certificate a client gets" in the README, sentence by sentence. (That names come from SANs, and
//! `require_sni`, are seen from outside, in `names.rs` and `clients.rs`.) Must not know: how the choice is made.

use std::sync::Arc;

use rustls::SignatureScheme as S;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::certified::algorithm::{Hash, KeyType};
use tlsgate::tls::certificate::select::{Certificates, Entry, NoChoice, Tier, UnknownName};

use super::given::{Client, ECDSA_SHA256, RSA_SHA256, certificate};

const A: &[&str] = &["a.test"];

fn rsa(names: &[&str]) -> Certificate {
    Certificate { key_type: KeyType::Rsa, key_bits: 2048, ..certificate(names) }
}

fn ecdsa(key_type: KeyType, key_bits: u32) -> Certificate {
    Certificate { key_type, key_bits, ..certificate(A) }
}

/// The index of the certificate that is served, in file order.
fn served(certificates: Vec<Certificate>, client: &Client) -> Result<usize, NoChoice> {
    served_with_marks(certificates.into_iter().map(|certificate| (certificate, false)).collect(), client)
}

fn served_with_marks(certificates: Vec<(Certificate, bool)>, client: &Client) -> Result<usize, NoChoice> {
    let entry = |(certificate, default)| Entry { certificate: Arc::new(certificate), default };
    let entries: Vec<Entry> = certificates.into_iter().map(entry).collect();
    let choice = Certificates::new(entries.clone()).choose(&client.offer(), client.unknown, client.now, &mut ())?;
    Ok(entries.iter().position(|entry| Arc::ptr_eq(&entry.certificate, &choice.certificate)).unwrap())
}

fn asking(name: &str) -> Client {
    Client::asking(Some(name))
}

fn strictly(name: &str) -> Client {
    Client { unknown: UnknownName::Reject, ..asking(name) }
}

fn offering(schemes: &[S]) -> Client {
    Client { schemes: schemes.to_vec(), ..asking("a.test") }
}

fn entry(certificate: Certificate) -> Entry {
    Entry { certificate: Arc::new(certificate), default: false }
}

fn place(entries: &[Entry], certificate: &Arc<Certificate>) -> usize {
    entries.iter().position(|entry| Arc::ptr_eq(&entry.certificate, certificate)).unwrap()
}

/// Both orders, so that file order does not matter.
fn first_wins(better: impl Fn() -> Certificate, worse: impl Fn() -> Certificate, client: &Client) {
    assert_eq!(served(vec![better(), worse()], client), Ok(0));
    assert_eq!(served(vec![worse(), better()], client), Ok(1));
}

#[test]
fn names_are_lower_cased_and_one_trailing_dot_is_dropped() {
    for asked in ["a.test", "A.TesT", "a.test.", "A.TEST."] {
        assert_eq!(served(vec![certificate(A)], &strictly(asked)), Ok(0), "{asked}");
    }
    assert_eq!(served(vec![certificate(A)], &strictly("a.test..")), Err(NoChoice::UnknownName));
}

#[test]
fn idns_are_compared_as_a_labels() {
    let given = || vec![certificate(&["bücher.test"])];
    assert_eq!(served(given(), &strictly("xn--bcher-kva.test")), Ok(0));
    assert_eq!(served(given(), &strictly("XN--BCHER-KVA.test")), Ok(0));
}

#[test]
fn the_exact_name_comes_before_the_wildcard() {
    first_wins(|| certificate(A), || certificate(&["*.test"]), &asking("a.test"));
}

#[test]
fn a_wildcard_matches_one_label_and_neither_more_nor_less() {
    let given = || vec![certificate(&["*.example.com"])];
    assert_eq!(served(given(), &strictly("a.example.com")), Ok(0));
    for asked in ["a.b.example.com", "example.com", "com"] {
        assert_eq!(served(given(), &strictly(asked)), Err(NoChoice::UnknownName), "{asked}");
    }
}

#[test]
fn the_default_is_only_for_names_that_no_certificate_has() {
    let given = || vec![certificate(&["default.test"]), rsa(A)];
    assert_eq!(served(given(), &asking("nowhere.test")), Ok(0));
    assert_eq!(served(given(), &asking("a.test")), Ok(1));
}

#[test]
fn with_reject_an_unknown_name_is_refused() {
    assert_eq!(served(vec![certificate(A)], &strictly("nowhere.test")), Err(NoChoice::UnknownName));
}

#[test]
fn a_client_without_a_name_gets_the_default_in_both_cases() {
    for unknown in [UnknownName::Default, UnknownName::Reject] {
        assert_eq!(served(vec![certificate(A), rsa(A)], &Client { unknown, ..Client::asking(None) }), Ok(0));
    }
}

#[test]
fn an_rsa_key_serves_a_client_that_offers_only_pss() {
    assert_eq!(served(vec![certificate(A), rsa(A)], &offering(&[S::RSA_PSS_SHA384])), Ok(1));
    assert_eq!(served(vec![certificate(A), rsa(A)], &offering(&[S::RSA_PKCS1_SHA256])), Ok(1));
    assert_eq!(served(vec![rsa(A)], &offering(&[S::RSA_PKCS1_SHA1])), Err(NoChoice::NoCommonScheme));
}

#[test]
fn a_p384_key_serves_only_a_client_that_offers_it() {
    let given = || vec![ecdsa(KeyType::EcdsaP384, 384)];
    assert_eq!(served(given(), &offering(&[S::ECDSA_NISTP384_SHA384])), Ok(0));
    let others = [S::ECDSA_NISTP256_SHA256, S::ECDSA_NISTP521_SHA512, S::ED25519, S::RSA_PSS_SHA384];
    assert_eq!(served(given(), &offering(&others)), Err(NoChoice::NoCommonScheme));
}

#[test]
fn under_tls12_the_keys_curve_must_be_among_the_clients_groups() {
    let client = |curves: Option<&[KeyType]>| Client { curves: curves.map(<[_]>::to_vec), ..asking("a.test") };
    let given = || vec![certificate(A), rsa(A)];
    assert_eq!(served(given(), &client(None)), Ok(0));
    assert_eq!(served(given(), &client(Some(&[KeyType::EcdsaP256]))), Ok(0));
    assert_eq!(served(given(), &client(Some(&[KeyType::EcdsaP384]))), Ok(1));
    // Ed25519 is not a group.
    assert_eq!(served(vec![ecdsa(KeyType::Ed25519, 256), rsa(A)], &client(Some(&[]))), Ok(0));
}

#[test]
fn a_valid_wildcard_beats_an_expired_or_future_exact_certificate() {
    let wildcard = || rsa(&["*.test"]);
    first_wins(wildcard, || Certificate { not_after: 49, ..certificate(A) }, &asking("a.test"));
    first_wins(wildcard, || Certificate { not_before: 51, ..certificate(A) }, &asking("a.test"));
}

#[test]
fn an_expired_certificate_is_used_only_where_nothing_valid_is_left() {
    let expired = || Certificate { not_after: 49, ..certificate(A) };
    first_wins(|| rsa(A), expired, &asking("a.test"));
    let only_ecdsa = offering(&[S::ECDSA_NISTP256_SHA256]);
    assert_eq!(served(vec![rsa(A), expired()], &only_ecdsa), Ok(1));
    let entries = vec![Entry { certificate: Arc::new(expired()), default: false }];
    for (now, valid) in [(-1, false), (0, true), (49, true), (50, false)] {
        let choice = Certificates::new(entries.clone()).choose(&only_ecdsa.offer(), UnknownName::Reject, now, &mut ());
        assert_eq!(choice.map(|choice| (choice.valid, choice.tier)).ok(), Some((valid, Tier::Exact)), "at {now}");
    }
}

#[test]
fn a_chain_that_the_client_can_verify_comes_before_one_that_it_cannot() {
    let client = Client { certificate_schemes: vec![S::RSA_PKCS1_SHA256], ..asking("a.test") };
    let signed = |by: &[&'static [S]], one| Certificate { chain_signatures: by.into(), ..one };
    first_wins(|| signed(&[RSA_SHA256], rsa(A)), || signed(&[ECDSA_SHA256], certificate(A)), &client);
    // Every signature of the chain counts; that of a root, which is not checked, is not in the list.
    first_wins(|| signed(&[], rsa(A)), || signed(&[RSA_SHA256, ECDSA_SHA256], certificate(A)), &client);
    // If several schemes fit one signature, any of them will do.
    let either: &[S] = &[S::RSA_PKCS1_SHA256, S::RSA_PSS_SHA256];
    first_wins(|| signed(&[either], rsa(A)), || signed(&[ECDSA_SHA256], certificate(A)), &client);
    // A chain that the client cannot verify is still better than none.
    assert_eq!(served(vec![signed(&[ECDSA_SHA256], certificate(A))], &client), Ok(0));
}

#[test]
fn validity_comes_before_the_chain_and_the_exact_name_too() {
    let client = Client { certificate_schemes: vec![S::RSA_PKCS1_SHA256], ..asking("a.test") };
    let good = |one| Certificate { chain_signatures: Box::new([RSA_SHA256]), ..one };
    first_wins(|| certificate(A), || good(Certificate { not_after: 49, ..certificate(A) }), &client);
    first_wins(|| certificate(A), || good(certificate(&["*.test"])), &client);
}

#[test]
fn ecdsa_and_ed25519_come_before_rsa() {
    let large_rsa = || Certificate { hash: Hash::Sha512, key_bits: 4096, not_after: 1000, ..rsa(A) };
    for (key_type, bits) in [(KeyType::EcdsaP256, 256), (KeyType::EcdsaP521, 521), (KeyType::Ed25519, 256)] {
        first_wins(|| Certificate { hash: Hash::Sha1, ..ecdsa(key_type, bits) }, large_rsa, &asking("a.test"));
    }
}

#[test]
fn ml_dsa_comes_before_all_others_for_clients_that_verify_it() {
    let lattice = || Certificate { hash: Hash::Sha1, key_bits: 1, not_after: 60, ..ecdsa(KeyType::MlDsa44, 10_496) };
    for other in [(KeyType::EcdsaP521, 521), (KeyType::Ed25519, 256), (KeyType::Rsa, 8192)] {
        let strong = || Certificate { hash: Hash::Sha512, not_after: 1000, ..ecdsa(other.0, other.1) };
        first_wins(lattice, strong, &asking("a.test"));
        // Each size is a scheme of its own.
        let schemes: Vec<S> = super::given::SCHEMES.iter().copied().filter(|scheme| *scheme != S::ML_DSA_44).collect();
        first_wins(strong, lattice, &offering(&schemes));
    }
    first_wins(|| ecdsa(KeyType::MlDsa87, 20_736), || ecdsa(KeyType::MlDsa65, 15_616), &asking("a.test"));
    // The chain decides before: whoever verifies ML-DSA in handshakes may not verify it in certificates.
    let client = Client { certificate_schemes: vec![S::ECDSA_NISTP256_SHA256], ..asking("a.test") };
    let signed = || Certificate { chain_signatures: Box::new([&[S::ML_DSA_65]]), ..lattice() };
    first_wins(|| certificate(A), signed, &client);
    first_wins(signed, || certificate(A), &asking("a.test"));
}

#[test]
fn a_stronger_hash_comes_before_a_weaker_one_and_sha1_and_md5_last() {
    let hashes = [Hash::Sha512, Hash::Sha384, Hash::Sha256, Hash::Sha1, Hash::Weakest];
    for (stronger, weaker) in hashes.iter().zip(&hashes[1..]) {
        let better = || Certificate { hash: *stronger, ..certificate(A) };
        let worse = || Certificate { hash: *weaker, not_after: 1000, ..ecdsa(KeyType::EcdsaP384, 384) };
        first_wins(better, worse, &asking("a.test"));
    }
}

#[test]
fn a_larger_key_comes_before_a_smaller_one() {
    let small = || Certificate { not_after: 1000, ..rsa(A) };
    first_wins(|| Certificate { key_bits: 3072, ..rsa(A) }, small, &asking("a.test"));
    first_wins(|| ecdsa(KeyType::EcdsaP384, 384), || certificate(A), &asking("a.test"));
}

#[test]
fn a_later_expiry_comes_before_an_earlier_one() {
    first_wins(|| Certificate { not_after: 101, ..certificate(A) }, || certificate(A), &asking("a.test"));
}

#[test]
fn file_order_decides_between_equals() {
    assert_eq!(served(vec![rsa(A), certificate(A), certificate(A)], &asking("a.test")), Ok(1));
}

#[test]
fn the_exact_name_beats_the_wildcard_also_with_rsa_against_ecdsa() {
    first_wins(|| rsa(A), || certificate(&["*.test"]), &asking("a.test"));
    // Unless the client cannot use its key.
    let client = offering(&[S::ECDSA_NISTP256_SHA256]);
    assert_eq!(served(vec![rsa(A), certificate(&["*.test"])], &client), Ok(1));
}

#[test]
fn the_default_certificates_are_those_that_are_marked() {
    let given = || vec![(certificate(A), false), (rsa(&["b.test"]), true), (certificate(&["c.test"]), true)];
    assert_eq!(served_with_marks(given(), &asking("nowhere.test")), Ok(2));
    let client = Client { server_name: None, ..offering(&[S::RSA_PSS_SHA256]) };
    assert_eq!(served_with_marks(given(), &client), Ok(1));
}

#[test]
fn where_none_is_marked_the_default_is_the_first_with_its_namesakes() {
    let renewed = || Certificate { not_after: rsa(A).not_after + 1, ..rsa(A) };
    let given = || vec![rsa(A), certificate(&["b.test"]), certificate(A), renewed()];
    assert_eq!(served(given(), &Client::asking(None)), Ok(2));
    assert_eq!(served(given(), &Client { server_name: None, ..offering(&[S::RSA_PSS_SHA256]) }), Ok(3));
    let nobody = Client { server_name: None, ..offering(&[S::ECDSA_NISTP384_SHA384]) };
    assert_eq!(served(given(), &nobody), Err(NoChoice::NoCommonScheme));
}

#[test]
fn a_known_name_without_a_usable_key_is_not_answered_with_the_default() {
    let given = || vec![(certificate(&["default.test"]), true), (rsa(A), false), (rsa(&["*.test"]), false)];
    let client = offering(&[S::ECDSA_NISTP256_SHA256]);
    assert_eq!(served_with_marks(given(), &client), Err(NoChoice::NoCommonScheme));
}

#[test]
fn without_a_name_the_address_that_the_client_connected_to_counts() {
    let bearing =
        |address: &str, names: &[&str]| Certificate { addresses: vec![address.parse().unwrap()], ..certificate(names) };
    let entries = [certificate(A), bearing("192.0.2.1", &[]), bearing("2001:db8::1", &["b.test"])].map(entry);
    let to = |address: &str, name: Option<&str>| {
        let client = Client { address: Some(address.parse().unwrap()), ..Client::asking(name) };
        let index = Certificates::new(entries.to_vec());
        let choice = index.choose(&client.offer(), client.unknown, client.now, &mut ()).unwrap();
        (place(&entries, &choice.certificate), choice.tier)
    };
    assert_eq!(to("192.0.2.1", None), (1, Tier::Address));
    assert_eq!(to("::ffff:192.0.2.1", None), (1, Tier::Address));
    assert_eq!(to("2001:db8::1", None), (2, Tier::Address));
    assert_eq!(to("192.0.2.2", None), (0, Tier::Default));
    // A name that the client does give takes precedence.
    assert_eq!(to("192.0.2.1", Some("b.test")), (2, Tier::Exact));
    assert_eq!(to("192.0.2.1", Some("unknown.test")), (0, Tier::Default));
}

#[test]
fn an_authority_is_no_default_unless_it_is_marked_or_alone() {
    let authority = || Certificate { is_ca: true, ..certificate(&["ca.test"]) };
    let nameless = Client::asking(None);
    assert_eq!(served(vec![authority(), certificate(A)], &nameless), Ok(1));
    assert_eq!(served(vec![authority()], &nameless), Ok(0));
    assert_eq!(served_with_marks(vec![(authority(), true), (certificate(A), false)], &nameless), Ok(0));
    // It is served to a client that asks for its name.
    assert_eq!(served(vec![certificate(A), authority()], &asking("ca.test")), Ok(1));
}

#[test]
fn a_certificate_that_another_always_beats_is_never_served() {
    let until = |names: &[&str], not_after| Certificate { not_after, ..certificate(names) };
    let nobodys = |certificates: Vec<Certificate>| {
        let entries: Vec<Entry> = certificates.into_iter().map(entry).collect();
        let shadowed = Certificates::new(entries.clone()).shadowed(50);
        shadowed.iter().map(|(one, other)| (place(&entries, one), place(&entries, other))).collect::<Vec<_>>()
    };
    // An old copy with the same names is never served; one that also has a name of its own is.
    assert_eq!(nobodys(vec![until(A, 90), until(A, 100)]), [(0, 1)]);
    assert_eq!(nobodys(vec![until(&["a.test", "b.test"], 90), until(A, 100)]), []);
    assert_eq!(nobodys(vec![until(&["a.test", "b.test"], 90), until(&["b.test", "a.test"], 100)]), [(0, 1)]);
    // Another kind of key serves other clients.
    assert_eq!(nobodys(vec![rsa(A), until(A, 100)]), []);
    // The preferred one, with the larger key, ends earlier.
    assert_eq!(nobodys(vec![until(A, 100), Certificate { key_bits: 512, ..until(A, 60) }]), []);
    // It is preferred, and some clients cannot verify it.
    let by_rsa = Certificate { chain_signatures: vec![RSA_SHA256].into(), ..until(A, 100) };
    assert_eq!(nobodys(vec![until(A, 90), by_rsa]), []);
}
