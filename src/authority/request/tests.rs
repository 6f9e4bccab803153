use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::*;

fn request(common: Option<&str>, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut parameters =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(common) = common {
        parameters.distinguished_name.push(DnType::CommonName, common);
    }
    change(&mut parameters);
    parameters.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn names(der: &[u8], purpose: Purpose) -> Result<Vec<String>, String> {
    read(der, purpose).map(|request| request.names.iter().map(ToString::to_string).collect())
}

#[test]
fn the_names_are_those_of_the_extension_and_for_clients_the_common_name_too() {
    let with = request(Some("Web"), &["web.test", "10.0.0.1"], |_| {});
    assert_eq!(names(&with, Purpose::Server).unwrap(), ["web.test", "10.0.0.1"]);
    assert_eq!(names(&with, Purpose::Client).unwrap(), ["web.test", "10.0.0.1", "cn:Web"]);
    let without = request(Some("web.test"), &[], |_| {});
    assert_eq!(names(&without, Purpose::Server).unwrap(), ["web.test"]);
    assert_eq!(names(&without, Purpose::Client).unwrap(), ["cn:web.test"]);
    let nameless = read(&request(None, &[], |_| {}), Purpose::Server).unwrap();
    assert!(nameless.asks_only_for(&[]).unwrap_err().contains("no name"));
    assert!(names(&request(Some("no name"), &[], |_| {}), Purpose::Server).is_err());
}

#[test]
fn only_what_is_allowed_is_granted() {
    let asked = read(&request(None, &["a.test", "b.test"], |_| {}), Purpose::Server).unwrap();
    let allowed = |texts: &[&str]| {
        let names: Vec<_> = texts.iter().map(|text| Identity::parse(text, Purpose::Server).unwrap()).collect();
        asked.asks_only_for(&names)
    };
    assert_eq!(allowed(&["a.test", "b.test", "c.test"]), Ok(()));
    assert_eq!(allowed(&["*.test"]), Ok(()));
    let refused = allowed(&["a.test"]).unwrap_err();
    assert!(refused.contains("b.test") && refused.contains("allowed: a.test"), "{refused}");
    assert!(allowed(&[]).is_err());
}

#[test]
fn what_else_it_asks_for_is_reported() {
    let bold = request(None, &["a.test"], |parameters| {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    let read = read(&bold, Purpose::Server).unwrap();
    assert_eq!(read.ignored, ["to be an authority (basicConstraints CA:TRUE)"]);
}

#[test]
fn every_prefix_and_every_change_of_one_byte_is_refused() {
    let der = request(Some("a.test"), &["a.test"], |_| {});
    for length in 0..der.len() {
        assert!(read(&der[..length], Purpose::Server).is_err(), "{length}");
    }
    assert!(read(&[der.as_slice(), &[0]].concat(), Purpose::Server).is_err());
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(read(&changed, Purpose::Server).is_err(), "byte {at} of {}", der.len());
    }
}
