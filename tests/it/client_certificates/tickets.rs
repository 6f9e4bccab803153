//! A ticket does not bypass a check: it opens only while everything that it was issued under is unchanged.

use std::fs;

use super::{Gate, STRICT, VERSIONS, exchange, rustls};
use crate::support::clients_pki::{ClientCa, Kind};
use crate::support::reports;

#[test]
fn a_session_is_resumed_and_its_owner_is_still_known() {
    let gate = Gate::open(STRICT);
    let good = gate.ca.issue("good", &Kind::default());
    let mut count = 0;
    for version in VERSIONS {
        let session = gate.pki.folder().join(format!("{version}.session"));
        let file = session.to_str().unwrap();
        for (keep, resumed) in [("-sess_out", false), ("-sess_in", true), ("-sess_in", true)] {
            let printed = gate.openssl(version, Some(&good), &[keep, file]);
            assert_eq!(reports::resumed(&printed), resumed, "{version}: {printed}");
            let record = gate.record(&mut count);
            assert_eq!(record["tls.resumed"], resumed, "{record:#}");
            let logged = (&record["tls.client.subject"], &record["tls.client.verified"]);
            assert_eq!(logged, (&"CN=alice".into(), &true.into()), "{record:#}");
        }
        let config = rustls(&gate, version, &good);
        for resumed in [false, true, true] {
            assert_eq!(exchange(&gate, &config), Ok(resumed), "{version}");
            assert_eq!(gate.record(&mut count)["tls.client.subject"], "CN=alice");
        }
    }
}

#[test]
fn a_revoked_client_is_refused_at_its_next_connection_even_with_a_ticket() {
    let gate = Gate::open(STRICT);
    let alice = gate.ca.issue("alice", &Kind { serial: 21, ..Kind::default() });
    let sessions = VERSIONS.map(|version| gate.pki.folder().join(format!("{version}.session")));
    let configs = VERSIONS.map(|version| rustls(&gate, version, &alice));
    let mut count = 0;
    for (at, version) in VERSIONS.into_iter().enumerate() {
        let file = sessions[at].to_str().unwrap();
        for (keep, resumed) in [("-sess_out", false), ("-sess_in", true)] {
            let printed = gate.openssl(version, Some(&alice), &[keep, file]);
            assert_eq!(reports::resumed(&printed), resumed, "{version}: {printed}");
            assert_eq!(gate.record(&mut count)["outcome"], "completed");
            assert_eq!(exchange(&gate, &configs[at]), Ok(resumed), "{version}");
            gate.record(&mut count);
        }
    }
    fs::write(gate.pki.folder().join("ca.crl"), gate.ca.list(&[21], 30)).unwrap();
    // SIGHUP, the watch on the folder and the API all read it again in the same way.
    gate.proxy.signal("HUP");
    gate.proxy.log_line("client_auth: CAs or lists of revoked certificates changed");
    for (at, version) in VERSIONS.into_iter().enumerate() {
        let printed = gate.openssl(version, Some(&alice), &["-sess_in", sessions[at].to_str().unwrap()]);
        assert_eq!(reports::alert(&printed), Some(44), "{version}: {printed}");
        assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revoked");
        let refused = exchange(&gate, &configs[at]).unwrap_err();
        assert!(refused.contains("CertificateRevoked"), "{version}: {refused}");
        assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revoked");
    }
}

#[test]
fn a_ticket_opens_no_more_once_anything_else_is_asked_for() {
    let gate = Gate::open("mode = \"off\"");
    let alice = gate.ca.issue("alice", &Kind::default());
    ClientCa::new(gate.pki.folder(), "other");
    fs::write(gate.pki.folder().join("both.pem"), {
        let ca = |name: &str| fs::read_to_string(gate.pki.folder().join(name)).unwrap();
        ca("client-ca.pem") + &ca("other.pem")
    })
    .unwrap();
    // Each step differs from the one before in one thing. The last column: the outcome for the certificate itself.
    let steps = [
        ("mode = \"off\"", "client-ca.pem", "", "completed"),
        ("mode = \"require\"", "client-ca.pem", "", "completed"),
        ("mode = \"optional\"", "client-ca.pem", "", "completed"),
        ("mode = \"optional\"", "both.pem", "", "completed"),
        ("mode = \"optional\"", "both.pem", ", names = \"cn:alice\"", "completed"),
        ("mode = \"optional\"", "other.pem", ", names = \"cn:alice\"", "client_certificate_unknown_ca"),
    ];
    let sessions = VERSIONS.map(|version| gate.pki.folder().join(format!("{version}.session")));
    let mut count = 0;
    for (number, (asked, ca, names, outcome)) in steps.into_iter().enumerate() {
        if number > 0 {
            // Another name for the same file shows when the reload is done.
            let file = format!("ca-{number}.pem");
            fs::copy(gate.pki.folder().join(ca), gate.pki.folder().join(&file)).unwrap();
            gate.rewrite(&format!("{asked}, ca = \"{file}\"{names}"));
            gate.proxy.log_line(&file);
        }
        for (version, session) in VERSIONS.into_iter().zip(&sessions) {
            let file = session.to_str().unwrap();
            if session.exists() {
                let printed = gate.openssl(version, Some(&alice), &["-sess_in", file]);
                assert!(
                    reports::session(&printed).is_none_or(|session| !session.resumed),
                    "{version}, {asked}: {printed}"
                );
                assert_eq!(gate.record(&mut count)["outcome"], outcome, "{version}, {asked}: {printed}");
            }
            let printed = gate.openssl(version, Some(&alice), &["-sess_out", file]);
            let record = gate.record(&mut count);
            assert_eq!(record["outcome"], outcome, "{version}, {asked}: {printed}");
            if outcome == "completed" {
                assert!(reports::resumed(&gate.openssl(version, Some(&alice), &["-sess_in", file])), "{asked}");
                assert_eq!(gate.record(&mut count)["outcome"], "completed");
            }
        }
    }
}
