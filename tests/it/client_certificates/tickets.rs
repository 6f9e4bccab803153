//! A ticket, or a session by id, does not bypass a check: it opens only while everything that it was issued under is
//! unchanged.

use std::fs;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, Tls12Resumption};

use super::{Gate, STRICT, exchange};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::reports;

/// How a client resumes: a version, and OpenSSL's option for clients that know no tickets.
const WAYS: [(&str, &[&str]); 3] = [("-tls1_2", &[]), ("-tls1_3", &[]), ("-tls1_2", &["-no_ticket"])];

/// The same client as rustls has it.
fn rustls(gate: &Gate, (version, more): (&str, &[&str]), shown: &Credentials) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&super::rustls(gate, version, shown));
    let how = if more.is_empty() { Tls12Resumption::SessionIdOrTickets } else { Tls12Resumption::SessionIdOnly };
    config.resumption = Resumption::in_memory_sessions(16).tls12_resumption(how);
    Arc::new(config)
}

#[test]
fn a_session_is_resumed_and_its_owner_is_still_known() {
    let gate = Gate::open(STRICT);
    let good = gate.ca.issue("good", &Kind::default());
    let mut count = 0;
    for way @ (version, more) in WAYS {
        let session = gate.pki.folder().join(format!("{version}{}.session", more.len()));
        let file = session.to_str().unwrap();
        for (keep, resumed) in [("-sess_out", false), ("-sess_in", true), ("-sess_in", true)] {
            let printed = gate.openssl(version, Some(&good), &[more, &[keep, file]].concat());
            assert_eq!(reports::resumed(&printed), resumed, "{way:?}: {printed}");
            let record = gate.record(&mut count);
            assert_eq!(record["tls.resumed"], resumed, "{record:#}");
            let logged = (&record["tls.client.subject"], &record["tls.client.verified"]);
            assert_eq!(logged, (&"CN=alice".into(), &true.into()), "{record:#}");
        }
        let config = rustls(&gate, way, &good);
        for resumed in [false, true, true] {
            assert_eq!(exchange(&gate, &config), Ok(resumed), "{way:?}");
            assert_eq!(gate.record(&mut count)["tls.client.subject"], "CN=alice");
        }
    }
}

#[test]
fn a_revoked_client_is_refused_at_its_next_connection_even_with_a_ticket() {
    let gate = Gate::open(STRICT);
    let alice = gate.ca.issue("alice", &Kind { serial: 21, ..Kind::default() });
    let sessions = WAYS.map(|(version, more)| gate.pki.folder().join(format!("{version}{}.session", more.len())));
    let configs = WAYS.map(|way| rustls(&gate, way, &alice));
    let mut count = 0;
    for (at, way @ (version, more)) in WAYS.into_iter().enumerate() {
        let file = sessions[at].to_str().unwrap();
        for (keep, resumed) in [("-sess_out", false), ("-sess_in", true)] {
            let printed = gate.openssl(version, Some(&alice), &[more, &[keep, file]].concat());
            assert_eq!(reports::resumed(&printed), resumed, "{way:?}: {printed}");
            assert_eq!(gate.record(&mut count)["outcome"], "completed");
            assert_eq!(exchange(&gate, &configs[at]), Ok(resumed), "{way:?}");
            gate.record(&mut count);
        }
    }
    fs::write(gate.pki.folder().join("ca.crl"), gate.ca.list(&[21], 30)).unwrap();
    // SIGHUP, the watch on the folder and the API all read it again in the same way.
    gate.proxy.signal("HUP");
    gate.proxy.log_line("client_auth: CAs, lists of revoked certificates or pins changed");
    for (at, way @ (version, more)) in WAYS.into_iter().enumerate() {
        let session = ["-sess_in", sessions[at].to_str().unwrap()];
        let printed = gate.openssl(version, Some(&alice), &[more, &session].concat());
        assert_eq!(reports::alert(&printed), Some(44), "{way:?}: {printed}");
        assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revoked");
        let refused = exchange(&gate, &configs[at]).unwrap_err();
        assert!(refused.contains("CertificateRevoked"), "{way:?}: {refused}");
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
    let sessions = WAYS.map(|(version, more)| gate.pki.folder().join(format!("{version}{}.session", more.len())));
    let mut count = 0;
    for (number, (asked, ca, names, outcome)) in steps.into_iter().enumerate() {
        if number > 0 {
            // Another name for the same file shows when the reload is done.
            let file = format!("ca-{number}.pem");
            fs::copy(gate.pki.folder().join(ca), gate.pki.folder().join(&file)).unwrap();
            gate.rewrite(&format!("{asked}, ca = \"{file}\"{names}"));
            gate.proxy.log_line(&file);
        }
        for ((version, more), session) in WAYS.into_iter().zip(&sessions) {
            let file = session.to_str().unwrap();
            let connect = |keep| gate.openssl(version, Some(&alice), &[more, &[keep, file]].concat());
            if session.exists() {
                let printed = connect("-sess_in");
                assert!(
                    reports::session(&printed).is_none_or(|session| !session.resumed),
                    "{version}, {more:?}, {asked}: {printed}"
                );
                assert_eq!(gate.record(&mut count)["outcome"], outcome, "{version}, {more:?}, {asked}: {printed}");
            }
            let printed = connect("-sess_out");
            let record = gate.record(&mut count);
            assert_eq!(record["outcome"], outcome, "{version}, {more:?}, {asked}: {printed}");
            if outcome == "completed" {
                assert!(reports::resumed(&connect("-sess_in")), "{version}, {more:?}, {asked}");
                assert_eq!(gate.record(&mut count)["outcome"], "completed");
            }
        }
    }
}
