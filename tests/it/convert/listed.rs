//! What is not taken over is listed with its line, and what matters most comes first.

use std::fs;
use std::process::{Command, Output};

use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;
use crate::support::tool;

fn converted(text: &str, options: &[&str]) -> Output {
    let pki = Pki::new();
    let (certificate, key) = pki.pair(&["a.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("a.pem"), &(certificate + &key));
    let file = pki.folder().join("theirs.conf");
    fs::write(&file, text).unwrap();
    Command::new(PROGRAM).arg("convert").arg(&file).args(options).output().unwrap()
}

#[test]
fn rules_that_protect_come_first_and_the_exit_code_says_that_something_is_left() {
    let output = converted(
        "global\n  nbthread 2\nfrontend f\n  mode http\n  bind 127.0.0.1:8443 ssl crt a.pem\n  http-request set-header X y\n  http-request deny if { path /x }\n  default_backend b\nbackend b\n  server s 127.0.0.1:80\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(3), "{}", tool::shown(&output));
    let list = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].contains("line 7: security: http-request deny"), "{list}");
    assert!(lines.iter().any(|line| line.contains("line 6: not taken over: http-request set-header")), "{list}");
    assert!(lines.iter().any(|line| line.contains("line 2: note: nbthread 2")), "{list}");
}

#[test]
fn what_is_taken_over_as_a_whole_ends_well() {
    let output = converted(
        "foreground = yes\n[a]\naccept = 127.0.0.1:8443\nconnect = 127.0.0.1:80\ncert = a.pem\nsslVersionMin = TLSv1.2\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{}", tool::shown(&output));
}

#[test]
fn what_clients_of_stunnel_speak_before_tls_is_taken_over() {
    for (theirs, ours) in [("pgsql", "postgres"), ("SMTP", "smtp"), ("imap", "imap"), ("pop3", "pop3")] {
        let service = "foreground = yes\n[a]\naccept = 127.0.0.1:8443\nconnect = 127.0.0.1:80\ncert = a.pem\n\
                       sslVersionMin = TLSv1.2\n";
        let output = converted(&format!("{service}protocol = {theirs}\n"), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", tool::shown(&output));
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(written.contains(&format!("starttls = \"{ours}\"")), "{written}");
    }
    let output =
        converted("[a]\naccept = 127.0.0.1:8443\nconnect = 127.0.0.1:80\ncert = a.pem\nprotocol = nntp\n", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", tool::shown(&output));
}

#[test]
fn what_is_not_there_or_of_nobody_is_a_failure() {
    let nothing = converted("global\n  daemon\n", &[]);
    assert_eq!(nothing.status.code(), Some(1), "{}", tool::shown(&nothing));
    let unclear = converted("hello\n", &[]);
    assert_eq!(unclear.status.code(), Some(2), "{}", tool::shown(&unclear));
    let wrong = converted("hello\n", &["--from", "apache"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", tool::shown(&wrong));
    let missing = converted("[a]\naccept = 127.0.0.1:8443\nconnect = 80\ncert = missing.pem\n", &[]);
    assert_eq!(missing.status.code(), Some(1), "{}", tool::shown(&missing));
    assert!(!missing.stdout.is_empty());
}

#[test]
fn servers_that_nobody_verifies_get_nothing() {
    let output = converted(
        "frontend f\n  mode tcp\n  bind 127.0.0.1:8443 ssl crt a.pem\n  default_backend b\nbackend b\n  server s 127.0.0.1:636 ssl verify none\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(1), "{}", tool::shown(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn keys_for_tickets_are_taken_over_where_tlsgate_reads_them_and_explained_elsewhere() {
    let pki = Pki::new();
    let (certificate, key) = pki.pair(&["a.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("a.pem"), &(certificate + &key));
    let key = |_| String::from_utf8(tool::run("openssl", &["rand", "-base64", "48"], b"").stdout).unwrap();
    write_private(&pki.folder().join("keys"), &[0; 3].map(key).concat());
    fs::write(pki.folder().join("binary"), [0xff; 80]).unwrap();
    let haproxy = "frontend f\n  bind 127.0.0.1:8443 ssl crt a.pem tls-ticket-keys keys\n  default_backend b\nbackend b\n  server s 127.0.0.1:80\n";
    let nginx = "stream { server { listen 127.0.0.1:8443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; ssl_session_ticket_key binary; proxy_pass 127.0.0.1:80; } }\n";
    for (text, code, written) in [(haproxy, 0, true), (nginx, 3, false)] {
        let file = pki.folder().join("theirs.conf");
        fs::write(&file, text).unwrap();
        let output = Command::new(PROGRAM).arg("convert").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", tool::shown(&output));
        let (config, list) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(config.contains("ticket_keys"), written, "{config}");
        assert_eq!(list.contains("base64 --wrap=0"), !written, "{list}");
    }
}
