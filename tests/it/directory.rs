//! LDAPS in front of a real directory, with real LDAP clients. Every client verifies the certificate.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::ldap::Offer;
use crate::support::pki::Pki;
use crate::support::slapd::{ADMIN, PASSWORD, SUFFIX, Slapd};
use crate::support::{ldap, tool};
use site::{NAMES, Site, people, refusing};

mod site;

#[test]
fn the_root_entry_is_read_without_a_bind() {
    let site = Site::new("");
    let search = ["-x", "-LLL", "-s", "base", "-b", "", "*", "+"];
    let (through, direct) = site.both_ways("ldapsearch", &search);
    assert!(through.status.success(), "{}", tool::shown(&through));
    assert!(text(&through.stdout).contains("namingContexts: dc=example,dc=com"), "{}", tool::shown(&through));
    assert_eq!(text(&through.stdout), text(&direct.stdout));
    let record = &site.proxy.records(1)[0];
    assert_eq!(record["outcome"], "completed");
    assert_eq!(record["backend.address"], site.slapd.address.to_string());
    assert!(record["chosen_cert"].as_str().unwrap().contains("certs/ec.crt"), "{record}");
}

#[test]
fn a_client_that_binds_with_the_right_password_is_known_to_the_directory() {
    let site = Site::new("");
    let (through, direct) = site.both_ways("ldapwhoami", &["-x", "-D", ADMIN, "-w", PASSWORD]);
    assert_eq!(text(&through.stdout), format!("dn:{ADMIN}\n"), "{}", tool::shown(&through));
    assert_eq!(through, direct);
}

#[test]
fn a_wrong_password_is_refused_as_the_directory_refuses_it() {
    let site = Site::new("");
    let (through, direct) = site.both_ways("ldapwhoami", &["-x", "-D", ADMIN, "-w", "wrong"]);
    assert_eq!(through.status.code(), Some(49), "{}", tool::shown(&through));
    assert_eq!(through, direct);
    assert_eq!(site.proxy.records(1)[0]["outcome"], "completed");
}

#[test]
fn a_search_of_several_megabytes_is_byte_for_byte_the_direct_one() {
    let site = Site::new(&people(3000, 2000));
    let search = ["-x", "-LLL", "-o", "ldif-wrap=no", "-b", SUFFIX, "(objectClass=*)", "*", "+"];
    let (through, direct) = site.both_ways("ldapsearch", &search);
    assert!(through.status.success(), "{}", text(&through.stderr));
    assert!(through.stdout.len() > 6_000_000, "only {} bytes", through.stdout.len());
    assert!(through.stdout == direct.stdout, "the answers differ");
    let record = &site.proxy.records(1)[0];
    assert_eq!(record["outcome"], "completed");
    assert!(record["sent_bytes"].as_u64().unwrap() > 6_000_000, "{record}");
}

#[test]
fn two_hundred_clients_at_once_are_all_served() {
    let site = Site::new(&people(20, 500));
    let search = ["-x", "-LLL", "-D", ADMIN, "-w", PASSWORD, "-b", SUFFIX];
    let expected = site.around("ldapsearch", &search);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..200).map(|_| scope.spawn(|| site.through("ldapsearch", &search))).collect();
        for client in clients {
            let output = client.join().unwrap();
            assert_eq!(output, expected, "{}", tool::shown(&output));
        }
    });
    let records = site.proxy.records(200);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
}

#[test]
fn two_hundred_connections_are_open_together_and_each_is_its_own() {
    let site = Site::new("");
    let mut clients: Vec<_> = (0..200).map(|_| site.connect("main")).collect();
    for client in clients.iter_mut().step_by(2) {
        assert_eq!(client.bind(ADMIN, PASSWORD), 0);
    }
    for (index, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.whoami(), if index % 2 == 0 { format!("dn:{ADMIN}") } else { String::new() });
        let (port, sent, received) = (client.port(), client.sent, client.received);
        client.unbind();
        let record = site.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], "completed");
        // The unbind request, seven bytes, had not been sent yet.
        assert_eq!(
            (record["received_bytes"].as_u64(), record["sent_bytes"].as_u64()),
            (Some(sent + 7), Some(received))
        );
    }
}

#[test]
fn a_client_that_trusts_another_ca_refuses() {
    let site = Site::new("");
    let other = Pki::new();
    let output = ldap::run("ldapwhoami", &site.url(), &other.ca(), &["-x"]);
    assert_eq!(output.status.code(), Some(255), "{}", tool::shown(&output));
    let record = &site.proxy.records(1)[0];
    assert_eq!(record["received_bytes"], 0, "{record}");
}

#[test]
fn a_client_that_asks_for_a_name_without_a_certificate_refuses() {
    let site = Site::named(&["elsewhere.test"], "");
    let output = site.through("ldapwhoami", &["-x"]);
    assert_eq!(output.status.code(), Some(255), "{}", tool::shown(&output));
    assert_eq!(site.proxy.records(1)[0]["received_bytes"], 0);
}

#[test]
fn an_ldap_client_gets_the_certificate_whose_key_it_can_verify() {
    let site = Site::new("");
    let rsa = Offer {
        gnutls: "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-ECDSA-SHA384",
        openssl: "RSA-PSS+SHA256:ECDSA+SHA384",
    };
    let ecdsa =
        Offer { gnutls: "NORMAL:-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256", openssl: "ECDSA+SHA256" };
    for (offer, file) in [(&rsa, "certs/rsa.crt"), (&ecdsa, "certs/ec.crt")] {
        let output = ldap::run_offering(offer, "ldapwhoami", &site.url(), &site.pki.ca(), &["-x"]);
        assert_eq!(text(&output.stdout), "anonymous\n", "{}", tool::shown(&output));
        site.proxy.record(|record| record["chosen_cert"].as_str().unwrap().contains(file));
    }
}

#[test]
fn traffic_keeps_a_connection_alive_that_silence_would_end() {
    let site = &Site::new("");
    let mut busy = site.connect("short");
    assert_eq!(busy.bind(ADMIN, PASSWORD), 0);
    let mut silent = site.connect("short");
    assert_eq!(silent.bind(ADMIN, PASSWORD), 0);
    let port = silent.port();
    let record = thread::scope(|scope| {
        let talker = thread::current();
        let ended = scope.spawn(move || {
            let record = site.proxy.record(|record| record["client.port"] == port);
            talker.unpark();
            record
        });
        while !ended.is_finished() {
            assert_eq!(busy.whoami(), format!("dn:{ADMIN}"));
            // Sets the pace until the silent connection has ended.
            thread::park_timeout(Duration::from_millis(100));
        }
        ended.join().unwrap()
    });
    assert_eq!(busy.whoami(), format!("dn:{ADMIN}"));
    busy.unbind();
    assert_eq!(record["outcome"], "idle_timeout");
    assert_eq!(record["received_bytes"].as_u64(), Some(silent.sent));
    silent.wait_for_close();
}

#[test]
fn a_silent_connection_lives_on_where_idle_timeout_is_left_at_its_default() {
    let site = Site::new("");
    let mut patient = site.connect("main");
    assert_eq!(patient.bind(ADMIN, PASSWORD), 0);
    let mut short = site.connect("short");
    assert_eq!(short.bind(ADMIN, PASSWORD), 0);
    let port = short.port();
    // The end of the other connection is the clock: three seconds in which nothing moved on this one.
    assert_eq!(site.proxy.record(|record| record["client.port"] == port)["outcome"], "idle_timeout");
    assert_eq!(patient.whoami(), format!("dn:{ADMIN}"));
    patient.unbind();
}

#[test]
fn a_directory_server_that_is_down_is_passed_over() {
    for balance in ["round_robin", "least_connections"] {
        let down = refusing("127.0.0.1:0".parse().unwrap());
        let dead = down.local_addr().unwrap().as_socket().unwrap();
        let slapd = Slapd::start("");
        let site = Site::with(NAMES, slapd, Some(dead), &format!("balance = \"{balance}\""));
        for _ in 0..10 {
            let output = site.through("ldapwhoami", &["-x", "-D", ADMIN, "-w", PASSWORD]);
            assert_eq!(text(&output.stdout), format!("dn:{ADMIN}\n"), "{}", tool::shown(&output));
        }
        for record in site.proxy.records(10) {
            assert_eq!((&record["outcome"], &record["backend.address"]), (&"completed".into(), &site.address()));
        }
        // This is not luck: some of the ten were sent to the dead server first.
        assert!(site.proxy.log_line("cannot connect").contains(&dead.to_string()));
    }
}

#[test]
fn a_directory_server_that_stops_is_passed_over_from_then_on() {
    let second = Slapd::start("");
    let address = second.address;
    let site = Site::with(NAMES, Slapd::start(""), Some(address), "balance = \"round_robin\"");
    let whoami = || assert!(site.through("ldapwhoami", &["-x"]).status.success());
    (0..4).for_each(|_| whoami());
    let reached =
        |records: &[Value]| records.iter().filter(|record| record["backend.address"] == address.to_string()).count();
    assert_eq!(reached(&site.proxy.records(4)), 2);
    drop(second);
    let _nobody_else = refusing(address);
    (0..10).for_each(|_| whoami());
    let records = site.proxy.records(14);
    assert_eq!(reached(&records), 2);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
