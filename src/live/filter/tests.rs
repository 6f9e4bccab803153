use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::observe::access::record::{ClientCertificate, Record};
use crate::observe::metrics::Metrics;

/// A connection whose record is changed so.
pub(crate) fn row(change: impl FnOnce(&mut Record)) -> Row {
    let client = Address::Tcp(([192, 0, 2, 7], 50_000).into());
    let mut record = Record {
        time: Timestamp::UNIX_EPOCH,
        connection_id: ConnectionId { run: 0x1a2b_3c4d, number: 1 },
        listener: "ldaps".into(),
        client: client.clone(),
        ja4: Ja4::parse("t13d1516h2_8daaf6152771_e5627efa2ab1").map(Box::new),
        peer: client,
        server_name: "LDAP.test".into(),
        route: Some("default".into()),
        labels: Default::default(),
        mode: Some("terminate"),
        client_protocols: None,
        tls: None,
        certificate: None,
        client_certificate: Some(Box::new(ClientCertificate {
            subject: "CN=a b".into(),
            verified: true,
            key_sha256: [7; 32],
        })),
        backend: Some("directory".into()),
        backend_address: Address::parse("10.0.0.1:389"),
        connect_time: None,
        tls_handshake_time: None,
        end: None,
    };
    change(&mut record);
    Row::new(record, Metrics::new().unwrap().traffic("ldaps"))
}

fn fits(row: &Row, conditions: &[(&str, &str)]) -> bool {
    let mut filter = Filter::default();
    for (key, value) in conditions {
        filter.add(key, value).unwrap().unwrap();
    }
    assert_eq!(filter.is_empty(), conditions.is_empty());
    filter.matches(row, row.accepted + Duration::from_secs(600))
}

#[test]
fn every_condition_has_to_hold() {
    let row = row(|_| ());
    assert!(fits(&row, &[]));
    let pin = pin(&[7; 32]);
    for (key, hit, miss) in [
        ("id", "1a2b3c4d-00000001", "1a2b3c4d-00000002"),
        ("listener", "ldaps", "LDAPS"),
        ("route", "default", "apps"),
        ("client", "192.0.2.7", "192.0.2.8"),
        ("client", "192.0.2.0/24", "192.0.3.0/24"),
        ("client", "::ffff:192.0.2.7", "2001:db8::/32"),
        ("client", "::ffff:192.0.0.0/104", "::ffff:10.0.0.0/104"),
        ("server_name", "ldap.TEST", "test"),
        ("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1", "t13d1516h1_8daaf6152771_e5627efa2ab1"),
        ("backend", "directory", "other"),
        ("server", "10.0.0.1:389", "10.0.0.1:390"),
        ("client_certificate", "CN=a b", "CN=a"),
        ("client_certificate", pin.as_str(), "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("older_than", "10m", "10m 1s"),
    ] {
        assert!(fits(&row, &[(key, hit)]), "{key}={hit}");
        assert!(!fits(&row, &[(key, miss)]), "{key}={miss}");
        assert!(!fits(&row, &[(key, hit), ("listener", "none")]), "{key}");
    }
    assert!(!fits(&row, &[("certificate", "a.crt")]), "none was chosen");
}

#[test]
fn what_is_not_known_yet_matches_nothing_but_its_absence() {
    let row = row(|record| {
        record.server_name = "-".into();
        (record.route, record.backend, record.backend_address, record.client_certificate) = (None, None, None, None);
        record.ja4 = None;
        record.client = Address::Unix("/x".into());
    });
    for (key, value) in [
        ("route", "default"),
        ("ja4", "t00i000000_000000000000_000000000000"),
        ("backend", "-"),
        ("server", "unix:/x"),
        ("client", "::/0"),
        ("client", "0.0.0.0/0"),
    ] {
        assert!(!fits(&row, &[(key, value)]), "{key}={value}");
    }
    assert!(fits(&row, &[("server_name", "-")]));
}

#[test]
fn a_certificate_is_named_by_its_path_or_its_hash() {
    assert_eq!(served(&"0aF0".repeat(16)), Named::Hash([[0x0a, 0xf0]; 16].concat().try_into().unwrap()));
    for text in ["a.crt", &"g".repeat(64), &"a".repeat(63), ""] {
        assert_eq!(served(text), Named::Text(text.to_owned()));
    }
}

#[test]
fn what_is_wrong_is_reported_with_what_was_found_and_expected() {
    for (key, value) in [
        ("id", "7"),
        ("id", "1a2b3c4d-"),
        ("listener", ""),
        ("client", "10.0.0.0/33"),
        ("client", "host"),
        ("ja4", "t13d1516h2"),
        ("server", "10.0.0.1"),
        ("older_than", "10"),
        ("older_than", "-1s"),
        ("client_certificate", "sha256/AAAA"),
    ] {
        let mut filter = Filter::default();
        let fault = filter.add(key, value).unwrap().unwrap_err();
        assert!(fault.starts_with(&format!("{key}: found {value:?}, expected ")), "{fault}");
    }
    assert_eq!(Filter::default().add("port", "1"), None);
    for key in Filter::KEYS {
        assert!(Filter::default().add(key, "").unwrap().is_err(), "{key}");
    }
}
