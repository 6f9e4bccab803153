//! Lists of revoked certificates, and CAs that would refuse every client: found when they are loaded, and named.

use std::fs;

use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose};

use super::{Gate, REVOKED, REVOKED_CA, STRICT, VERSIONS};
use crate::routes::{config, pki};
use crate::support::check::{Checked, check};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::pki::Pki;
use crate::support::tool;

/// A serial number that is on only one of the lists.
const REVOKED_OTHER: u64 = 70;

/// The report of `check` for a listener with this `client_auth`.
fn checked(pki: &Pki, client_auth: &str) -> Checked {
    let own = format!(
        "certificates = [\"certs\"]\nbackend = \"plain\"\nclient_auth = {{ mode = \"require\", {client_auth} }}"
    );
    check(pki.folder(), &config(&own, &[], &[("plain", ([127, 0, 0, 1], 1).into())]))
}

fn write(pki: &Pki, file: &str, text: &str) {
    fs::write(pki.folder().join(file), text).unwrap();
}

/// The one error, which names key, file and these words.
fn refused(checked: &Checked, words: &[&str]) {
    assert!(!checked.ok && checked.errors.len() == 1, "{:?}", checked.errors);
    for word in words {
        assert!(checked.errors[0].contains(word), "{word}: {:?}", checked.errors);
    }
}

fn warned(checked: &Checked, words: &[&str]) {
    let found = checked.warnings.iter().any(|warning| words.iter().all(|word| warning.contains(word)));
    assert!(checked.ok && found, "{words:?}: {:?} {:?}", checked.errors, checked.warnings);
}

/// Makes the proxy ask so, with one more name for its CA, which shows when the reload is done.
fn ask(gate: &Gate, number: usize, ca: &str, crl: &str) {
    let mark = format!("mark-{number}.pem");
    fs::copy(gate.ca.file(), gate.pki.folder().join(&mark)).unwrap();
    gate.rewrite(&format!("mode = \"require\", ca = [{ca}, \"{mark}\"], crl = [{crl}]"));
    gate.proxy.log_line(&mark);
}

fn accepts(gate: &Gate, shown: &Credentials) -> bool {
    let verdicts = VERSIONS.map(|version| gate.openssl(version, Some(shown), &[]).contains("hello\n"));
    assert_eq!(verdicts[0], verdicts[1]);
    verdicts[0]
}

#[test]
fn a_list_that_no_ca_signed_is_refused_with_its_issuer_and_file() {
    let pki = pki();
    let ca = ClientCa::new(pki.folder(), "client-ca");
    let (foreign, forger) =
        (ClientCa::new(pki.folder(), "foreign"), ClientCa::named(pki.folder(), "forger", "client-ca", |_| {}));
    write(&pki, "good.crl", &ca.list(&[], 30));
    write(&pki, "foreign.crl", &foreign.list(&[], 30));
    write(&pki, "forged.crl", &forger.list(&[], 30));
    let with = |lists: &str| checked(&pki, &format!("ca = \"client-ca.pem\", crl = [{lists}]"));
    assert!(with("\"good.crl\"").ok);
    refused(&with("\"foreign.crl\""), &["client_auth: crl", "foreign.crl", "\"CN=foreign\"", "any of the CAs"]);
    refused(&with("\"good.crl\", \"foreign.crl\""), &["foreign.crl", "\"CN=foreign\""]);
    refused(
        &with("\"forged.crl\""),
        &["client_auth: crl", "forged.crl", "\"CN=client-ca\"", "not signed with the key"],
    );
    // Each is named if several are wrong, and one file may hold several.
    let both = with("\"foreign.crl\", \"forged.crl\"");
    assert_eq!(both.errors.len(), 2, "{:?}", both.errors);
    write(&pki, "all.crl", &[ca.list(&[], 30), foreign.list(&[], 30)].concat());
    refused(&with("\"all.crl\""), &["all.crl", "\"CN=foreign\""]);
    // With the CA that did sign it, nothing is wrong.
    assert!(checked(&pki, "ca = [\"client-ca.pem\", \"forger.pem\"], crl = [\"good.crl\", \"forged.crl\"]").ok);
}

#[test]
fn a_reload_with_such_a_list_changes_nothing() {
    let gate = Gate::open(STRICT);
    let good = gate.ca.issue("good", &Kind::default());
    let revoked = gate.ca.issue("revoked", &Kind { serial: REVOKED, ..Kind::default() });
    let forger = ClientCa::named(gate.pki.folder(), "forger", "client-ca", |_| {});
    write(&gate.pki, "ca.crl", &forger.list(&[], 30));
    let line = gate.proxy.log_line("ca.crl: the list of revoked certificates of");
    assert!(line.contains("CN=client-ca") && line.contains("not reloaded"), "{line}");
    assert!(accepts(&gate, &good) && !accepts(&gate, &revoked));
}

#[test]
fn a_ca_between_is_judged_by_the_list_above_it_and_has_a_list_itself() {
    let gate = Gate::open("mode = \"off\"");
    // Clients send only their own certificate: the CAs above it are in the configuration.
    let below = gate.middle.issue("below", &Kind::default());
    let revoked_below = gate.middle.issue("revoked-below", &Kind { serial: REVOKED, ..Kind::default() });
    let dead = gate.ca.below("dead", REVOKED_CA);
    write(&gate.pki, "dead.crl", &dead.list(&[], 30));
    let orphan = dead.issue("orphan", &Kind::default());
    let all = "\"client-ca.pem\", \"middle.pem\", \"dead.pem\"";
    ask(&gate, 1, all, "\"ca.crl\", \"middle.crl\", \"dead.crl\"");
    assert!(accepts(&gate, &below));
    assert!(!accepts(&gate, &revoked_below));
    assert!(!accepts(&gate, &orphan), "the CA above it is revoked");
    let record = gate.proxy.records(6).pop().unwrap();
    assert_eq!(record["outcome"], "client_certificate_revoked");
    // If no list covers the CA itself, it is trusted like any other.
    ask(&gate, 2, all, "\"middle.crl\", \"dead.crl\"");
    assert!(accepts(&gate, &below) && accepts(&gate, &orphan) && !accepts(&gate, &revoked_below));
    let report = checked(&gate.pki, "ca = [\"client-ca.pem\", \"middle.pem\"], crl = [\"middle.crl\"]");
    assert!(report.ok && report.warnings.is_empty(), "{:?}", report.warnings);
}

#[test]
fn two_cas_with_one_name_have_a_list_each() {
    let gate = Gate::open("mode = \"off\"");
    let renewed = ClientCa::named(gate.pki.folder(), "renewed", "client-ca", |_| {});
    write(&gate.pki, "renewed.crl", &renewed.list(&[REVOKED_OTHER], 30));
    let kind = |serial| Kind { serial, ..Kind::default() };
    let shown = [
        gate.ca.issue("old", &kind(1)),
        gate.ca.issue("old-revoked", &kind(REVOKED)),
        gate.ca.issue("old-other", &kind(REVOKED_OTHER)),
        renewed.issue("new", &kind(1)),
        renewed.issue("new-revoked", &kind(REVOKED_OTHER)),
        renewed.issue("new-other", &kind(REVOKED)),
    ];
    for (number, crls) in ["\"ca.crl\", \"renewed.crl\"", "\"renewed.crl\", \"ca.crl\""].into_iter().enumerate() {
        ask(&gate, number, "\"renewed.pem\"", crls);
        let accepted: Vec<bool> = shown.iter().map(|shown| accepts(&gate, shown)).collect();
        assert_eq!(accepted, [true, false, true, true, false, true], "{crls}");
    }
}

#[test]
fn the_newest_list_of_an_issuer_counts_wherever_it_is() {
    let gate = Gate::open("mode = \"off\"");
    write(&gate.pki, "1.crl", &gate.ca.numbered_list(1, &[], -1));
    write(&gate.pki, "2.crl", &gate.ca.numbered_list(2, &[REVOKED], 30));
    let good = gate.ca.issue("good", &Kind::default());
    let revoked = gate.ca.issue("revoked", &Kind { serial: REVOKED, ..Kind::default() });
    for (number, crls) in ["\"1.crl\", \"2.crl\"", "\"2.crl\", \"1.crl\""].into_iter().enumerate() {
        let report = checked(&gate.pki, &format!("ca = \"client-ca.pem\", crl = [{crls}]"));
        warned(&report, &["1.crl", "CN=client-ca", "another list is newer"]);
        // A list that does not count causes no warning when it is out of date.
        assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
        ask(&gate, number, "\"client-ca.pem\"", crls);
        assert!(accepts(&gate, &good) && !accepts(&gate, &revoked), "{crls}");
    }
}

#[test]
fn a_ca_without_a_list_where_others_have_one_is_warned_of() {
    let gate = Gate::open("mode = \"off\"");
    let unlisted = ClientCa::new(gate.pki.folder(), "unlisted");
    let shown = unlisted.issue("of-unlisted", &Kind::default());
    let settings = "ca = [\"client-ca.pem\", \"unlisted.pem\"], crl = \"ca.crl\"";
    let report = checked(&gate.pki, settings);
    warned(&report, &["client_auth: ca", "unlisted.pem", "no list of revoked certificates of \"CN=unlisted\""]);
    ask(&gate, 1, "\"unlisted.pem\"", "\"ca.crl\"");
    assert!(!accepts(&gate, &shown));
    let record = gate.proxy.records(2).pop().unwrap();
    assert_eq!(record["outcome"], "client_certificate_revocation_unknown");
    let alone = checked(&gate.pki, "ca = [\"client-ca.pem\", \"unlisted.pem\"]");
    assert!(alone.ok && alone.warnings.is_empty(), "{:?}", alone.warnings);
}

#[test]
fn other_faults_of_cas_are_reported() {
    let pki = pki();
    let folder = pki.folder();
    let mute = ClientCa::new(folder, "mute");
    write(&pki, "mute.crl", &mute.list(&[], 30));
    mute.certify(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    refused(&checked(&pki, "ca = \"mute.pem\", crl = \"mute.crl\""), &["mute.crl", "CN=mute", "cRLSign"]);
    ClientCa::named(folder, "no-cert-sign", "no-cert-sign", |params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign]
    });
    warned(&checked(&pki, "ca = \"no-cert-sign.pem\""), &["no-cert-sign.pem", "keyCertSign"]);
    ClientCa::named(folder, "old", "old", |params| {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    });
    warned(&checked(&pki, "ca = \"old.pem\""), &["old.pem", "\"CN=old\" expired at 2002-01-01"]);
    ClientCa::named(folder, "says-nothing", "says-nothing", |params| params.is_ca = IsCa::NoCa);
    warned(&checked(&pki, "ca = \"says-nothing.pem\""), &["says-nothing.pem", "is not a CA"]);
    let ca = ClientCa::named(folder, "ca2", "ca2", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let pin = super::pin_of(&ca.file());
    warned(
        &checked(&pki, &format!("ca = \"ca2.pem\", pins = [\"{pin}\"]")),
        &["a pin is the key of the CA \"CN=ca2\""],
    );
    // A client's certificate from a CA that is not configured.
    let leaf = ca.issue("leaf", &Kind::default());
    let file = leaf.chain.file_name().unwrap().to_str().unwrap();
    warned(&checked(&pki, &format!("ca = \"{file}\"")), &[file, "\"CN=alice\" is not a CA"]);
    // A key with which no signature can be verified.
    let weak = folder.join("weak.pem");
    let made = tool::run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-days",
            "9",
            "-subj",
            "/CN=weak",
            "-keyout",
            "/dev/null",
            "-out",
            weak.to_str().unwrap(),
        ],
        b"",
    );
    assert!(made.status.success(), "{}", tool::shown(&made));
    refused(&checked(&pki, "ca = \"weak.pem\""), &["weak.pem", "CN=weak", "RSA of 1024 bits"]);
    warned(
        &checked(&pki, "ca = [\"ca2.pem\", \"weak.pem\"]"),
        &["weak.pem", "nothing that \"CN=weak\" signed can be verified"],
    );
}
