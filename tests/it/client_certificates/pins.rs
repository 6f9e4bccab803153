//! Pins of clients' keys in a file: a key that is added is accepted, and one that is removed is not, also with a ticket.

use std::fs;

use super::{Gate, VERSIONS, pin_of};
use crate::support::clients_pki::Kind;
use crate::support::reports;

#[test]
fn a_key_is_accepted_as_long_as_it_is_in_the_file() {
    let gate = Gate::open("mode = \"off\"");
    let [alice, bob] = ["alice", "bob"].map(|stem| gate.ca.issue(stem, &Kind { common_name: stem, ..Kind::default() }));
    let folder = gate.pki.folder();
    let write = |text: String| {
        fs::write(folder.join("pins.new"), text).unwrap();
        fs::rename(folder.join("pins.new"), folder.join("pins.txt")).unwrap();
    };
    write(format!("# who may connect\n{} ; alice\n\n", pin_of(&alice.chain)));
    gate.rewrite("mode = \"require\", ca = \"client-ca.pem\", pins_file = \"pins.txt\"");
    gate.proxy.log_line("pins_file = [");
    let session = folder.join("session");
    let session = session.to_str().unwrap();
    let mut count = 0;
    let mut outcomes = |more: &[&str]| {
        let ask = |shown| {
            let of_versions = VERSIONS.map(|version| {
                let printed = gate.openssl(version, Some(shown), more);
                let outcome = gate.record(&mut count)["outcome"].as_str().unwrap().to_owned();
                assert_eq!(reports::alert(&printed).is_some(), outcome != "completed", "{printed}");
                outcome
            });
            assert_eq!(of_versions[0], of_versions[1]);
            of_versions[0].clone()
        };
        [&alice, &bob].map(ask)
    };
    let denied = "client_certificate_denied";
    assert_eq!(outcomes(&[]), ["completed", denied]);
    gate.openssl("-tls1_2", Some(&alice), &["-sess_out", session]);
    write(format!("{}\n", pin_of(&bob.chain)));
    gate.proxy.log_line("pins.txt: 1 entry (was 1)");
    let _ = gate.openssl("-tls1_2", Some(&alice), &["-sess_in", session]);
    let refused = gate.proxy.records(6).pop().unwrap();
    assert_eq!(refused["outcome"], denied, "an older session does not open: {refused:#}");
    // Nobody is not everybody: the list before stays.
    write("# nobody\n".to_owned());
    gate.proxy.log_line("pins.txt: found no pin, so that no client could connect");
    write("sha256/AAAA\n".to_owned());
    gate.proxy.log_line("pins.txt: line 1: found \"sha256/AAAA\", expected the SHA-256 of");
    let printed = gate.openssl("-tls1_3", Some(&bob), &[]);
    assert!(printed.contains("hello\n"), "{printed}");
}
