use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;
use crate::tls::certificate::name::Name;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Ca {
    root: Issuer<'static, KeyPair>,
    root_der: CertificateDer<'static>,
    middle: Issuer<'static, KeyPair>,
    middle_pem: String,
}

fn at(seconds: i64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
}

fn ca_params(name: &str, not_after: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (at(NOW - 900 * DAY).into(), at(not_after).into());
    params
}

impl Ca {
    fn new(middle_until: i64) -> Self {
        let (root_key, middle_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root_params = ca_params("root", NOW + 900 * DAY);
        let root_der = root_params.self_signed(&root_key).unwrap().der().clone();
        let root = Issuer::new(root_params, root_key);
        let params = ca_params("middle", middle_until);
        let middle_pem = params.signed_by(&middle_key, &root).unwrap().pem();
        Self { root, root_der, middle: Issuer::new(params, middle_key), middle_pem }
    }

    fn leaf(&self, issuer: &Issuer<'static, KeyPair>, key: &KeyPair, names: &[&str], days: (i64, i64)) -> String {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (at(NOW + days.0 * DAY).into(), at(NOW + days.1 * DAY).into());
        params.signed_by(key, issuer).unwrap().pem()
    }
}

fn wanted(names: &[&str]) -> Wanted {
    let identifier = |name: &&str| match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(Name::parse(name).unwrap()),
    };
    let identifiers: Arc<[Identifier]> = names.iter().map(identifier).collect();
    Wanted { authority: "a".into(), identifiers, key: KeyKind::EcdsaP256 }
}

const NAMES: &[&str] = &["one.example", "*.two.example", "192.0.2.7"];

fn judged(ca: &Ca, pem: &str, key: &KeyPair) -> Result<(String, Facts), String> {
    judge((pem.as_bytes(), &key.serialize_pem()), &wanted(NAMES), std::slice::from_ref(&ca.root_der), NOW)
}

#[test]
fn a_whole_certificate_is_accepted_with_its_chain() {
    let (ca, key) = (Ca::new(NOW + 100 * DAY), KeyPair::generate().unwrap());
    let leaf = ca.leaf(&ca.middle, &key, NAMES, (-1, 89));
    let (served, facts) = judged(&ca, &(leaf.clone() + &ca.middle_pem), &key).unwrap();
    let flat = |pem: &str| pem.split_whitespace().collect::<String>();
    assert_eq!(flat(&served), flat(&(leaf.clone() + &ca.middle_pem)));
    assert_eq!(facts.lifetime, Lifetime { not_before: NOW - DAY, not_after: NOW + 89 * DAY });
    assert_eq!(super::facts(served.as_bytes()), Some(facts.clone()));
    // The library that orders knows the same identifier.
    let id = instant_acme::CertificateIdentifier::try_from(&facts.der).unwrap().to_string();
    assert_eq!(facts.id.unwrap().to_string(), id);
    // In another order, and with a root: the same chain is served.
    let (turned, _) = judged(&ca, &(ca.middle_pem.clone() + &leaf), &key).unwrap();
    assert_eq!(turned, served);
}

#[test]
fn what_a_trusted_root_has_signed_itself_needs_no_chain() {
    let (ca, key) = (Ca::new(NOW + DAY), KeyPair::generate().unwrap());
    let leaf = ca.leaf(&ca.root, &key, NAMES, (-1, 89));
    assert!(judged(&ca, &leaf, &key).is_ok());
}

#[test]
fn everything_that_could_not_be_served_is_refused_with_its_reason() {
    let ca = Ca::new(NOW + 100 * DAY);
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let good = ca.leaf(&ca.middle, &key, NAMES, (-1, 89));
    let whole = |leaf: String| leaf + &ca.middle_pem;
    let refused = |pem: &str| judged(&ca, pem, &key).unwrap_err();
    for (pem, reason) in [
        (String::new(), "empty"),
        ("<html>".to_owned(), "certificate"),
        (good.clone(), "expected the chain"),
        (whole(ca.leaf(&ca.middle, &other, NAMES, (-1, 89))), "key"),
        (whole(ca.leaf(&ca.middle, &key, &["one.example", "192.0.2.7"], (-1, 89))), "*.two.example"),
        (whole(ca.leaf(&ca.middle, &key, &["one.example", "*.two.example"], (-1, 89))), "192.0.2.7"),
        (whole(ca.leaf(&ca.middle, &key, NAMES, (-90, -1))), "valid from"),
        (whole(ca.leaf(&ca.middle, &key, NAMES, (1, 90))), "valid from"),
        // Another authority's certificate in place of the issuer's.
        (good.clone() + &Ca::new(NOW + DAY).middle_pem, "did not sign"),
        (good.replace("MII", "MIJ") + &ca.middle_pem, ""),
    ] {
        let found = refused(&pem);
        assert!(found.contains(reason), "{found:?} does not contain {reason:?}");
    }
    let ended = Ca::new(NOW - DAY);
    let leaf = ended.leaf(&ended.middle, &key, NAMES, (-1, 89));
    assert!(judged(&ended, &(leaf + &ended.middle_pem), &key).unwrap_err().contains("expired"));
    let mut own = CertificateParams::new(NAMES.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    (own.not_before, own.not_after) = (at(NOW - DAY).into(), at(NOW + DAY).into());
    let own = own.self_signed(&key).unwrap().pem();
    assert!(judged(&ca, &own, &key).unwrap_err().contains("self-signed"));
}

#[test]
fn a_certificate_with_a_name_that_was_not_ordered_is_refused() {
    let (ca, key) = (Ca::new(NOW + 100 * DAY), KeyPair::generate().unwrap());
    for more in ["bank.example", "www.one.example", "*.one.example", "192.0.2.8", "f*.example"] {
        let leaf = ca.leaf(&ca.middle, &key, &[NAMES, &[more]].concat(), (-1, 89));
        let found = judged(&ca, &(leaf + &ca.middle_pem), &key).unwrap_err();
        assert!(found.contains(more) && found.contains("expected the names of the order only"), "{found}");
    }
    for (common, accepted) in
        [("ONE.example", true), ("192.0.2.7", true), ("A server of ours", true), ("bank.example", false)]
    {
        let mut params = CertificateParams::new(NAMES.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common);
        (params.not_before, params.not_after) = (at(NOW - DAY).into(), at(NOW + DAY).into());
        let leaf = params.signed_by(&key, &ca.middle).unwrap().pem();
        assert_eq!(judged(&ca, &(leaf + &ca.middle_pem), &key).is_ok(), accepted, "{common}");
    }
}

#[test]
fn no_prefix_of_a_good_answer_is_accepted() {
    let (ca, key) = (Ca::new(NOW + 100 * DAY), KeyPair::generate().unwrap());
    let leaf = ca.leaf(&ca.middle, &key, NAMES, (-1, 89));
    let whole = leaf.clone() + &ca.middle_pem;
    let end = whole.trim_end().len() - 1;
    for length in (0..end).step_by(7) {
        assert!(judged(&ca, &whole[..length], &key).is_err(), "{length} of {} bytes", whole.len());
    }
}
