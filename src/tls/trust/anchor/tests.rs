//! Who may issue, and who is believed as it is.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::*;

fn certificate(fill: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a");
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    fill(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// In the middle of 2020.
const NOW: u64 = 1_592_000_000;

#[test]
fn only_cas_issue_and_all_are_believed_to_the_letter() {
    let ca = certificate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let says_no = certificate(|params| params.is_ca = IsCa::ExplicitNoCa);
    let says_nothing = certificate(|params| params.is_ca = IsCa::NoCa);
    for (der, issues) in [(&ca, true), (&says_no, false), (&says_nothing, false)] {
        let anchors = Anchors::new(vec![der.clone()]).unwrap();
        assert_eq!(anchors.issuers().is_some(), issues);
        assert!(anchors.contain(der));
        let mut changed = der.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!anchors.contain(&changed.into()));
    }
    let all = Anchors::new(vec![says_no, ca, says_nothing]).unwrap();
    assert_eq!(all.issuers().unwrap().len(), 1);
    let error = Anchors::new(vec![certificate(|_| {}), vec![0x30, 0].into()]).unwrap_err();
    assert_eq!(error.0, 1);
}

#[test]
fn what_is_believed_as_it_is_must_be_valid_and_made_for_it() {
    let plain = certificate(|_| {});
    let usable = |der: &CertificateDer<'_>, purpose, seconds| may_be_used(der, purpose, at(seconds));
    for purpose in [Purpose::Server, Purpose::Client] {
        assert_eq!(usable(&plain, purpose, NOW), Ok(()));
        assert!(matches!(usable(&plain, purpose, 1), Err(CertificateError::NotValidYetContext { .. })));
        assert!(matches!(usable(&plain, purpose, 2 * NOW), Err(CertificateError::ExpiredContext { .. })));
    }
    for (usage, server, client) in [
        (ExtendedKeyUsagePurpose::ServerAuth, true, false),
        (ExtendedKeyUsagePurpose::ClientAuth, false, true),
        (ExtendedKeyUsagePurpose::Any, true, true),
        (ExtendedKeyUsagePurpose::CodeSigning, false, false),
    ] {
        let der = certificate(|params| params.extended_key_usages = vec![usage]);
        assert_eq!(usable(&der, Purpose::Server, NOW).is_ok(), server);
        assert_eq!(usable(&der, Purpose::Client, NOW).is_ok(), client);
    }
}

#[test]
fn no_prefix_of_a_certificate_panics() {
    let whole = certificate(|_| {});
    for end in 0..whole.len() {
        let cut = CertificateDer::from(whole[..end].to_vec());
        assert!(may_be_used(&cut, Purpose::Client, at(NOW)).is_err());
        assert!(Anchors::new(vec![cut]).is_err());
    }
}
