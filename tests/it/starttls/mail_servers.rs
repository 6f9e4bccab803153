//! `starttls = "smtp"`, `"imap"` and `"pop3"` with real clients and real servers.

use std::fs;
use std::net::SocketAddr;

use crate::support::dovecot::{Dovecot, PASSWORD, TEXT, USER};
use crate::support::exim::{Exim, Security};
use crate::support::pki::{Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, NAME, Stage, certified};
use crate::support::{reports, tool};

fn stage(protocol: &str, server: SocketAddr, backend: &str) -> Stage {
    let listener = format!("starttls = \"{protocol}\"");
    Stage::new(&[server], Lines { listener: &listener, backend, ..Lines::default() })
}

/// Runs curl, which has to use TLS and to verify the certificate.
fn curl(stage: &Stage, ca: &std::path::Path, url: &str, arguments: &[&str]) -> std::process::Output {
    let (port, ca) = (stage.address().port(), ca.display().to_string());
    let (host, resolve) = (format!("{NAME}:{port}"), format!("{NAME}:{port}:127.0.0.1"));
    let url = url.replace("HOST", &host);
    tool::run("curl", &[&["-s", "--ssl-reqd", "--cacert", &ca, "--resolve", &resolve, &url], arguments].concat(), b"")
}

fn openssl_verifies(stage: &Stage, protocol: &str) {
    let (address, ca) = (stage.address().to_string(), stage.pki.ca().display().to_string());
    let arguments = ["s_client", "-connect", &address, "-starttls", protocol, "-CAfile", &ca, "-verify_hostname", NAME];
    let shown = tool::shown(&tool::run("openssl", &arguments, b""));
    assert!(reports::verified(&shown), "{shown}");
}

/// The options of swaks for a message.
const MESSAGE: [&str; 6] = ["--from", "a@a.test", "--to", "b@b.test", "--body", "through TLS"];

/// Whether swaks delivers a message. `tls`: its options for TLS.
fn swaks(stage: &Stage, tls: &[&str]) -> bool {
    let (address, ca) = (stage.address().to_string(), stage.pki.ca().display().to_string());
    let arguments = [&["--server", &address, "--tls-ca-path", &ca][..], tls, &MESSAGE].concat();
    tool::run("swaks", &arguments, b"").status.success()
}

#[test]
fn mail_reaches_exim_only_through_tls() {
    let exim = Exim::start(Security::None, &Pki::new());
    let stage = stage("smtp", exim.address, "");
    openssl_verifies(&stage, "smtp");
    let mail = stage.pki.folder().join("mail");
    fs::write(&mail, "Subject: one\r\n\r\nwith curl\r\n").unwrap();
    let upload = ["--mail-from", "a@a.test", "--mail-rcpt", "b@b.test", "--upload-file", mail.to_str().unwrap()];
    let output = curl(&stage, &stage.pki.ca(), "smtp://HOST", &upload);
    assert!(output.status.success(), "{}", tool::shown(&output));
    let message = eventually("Exim has the message", || exim.messages().pop());
    assert!(message.contains("with curl") && message.contains("b@b.test"), "{message}");
    assert!(swaks(&stage, &["--tls", "--tls-verify"]));
    eventually("Exim has the second message", || (exim.messages().len() == 2).then_some(()));
    // In the clear, or without trust in the certificate, nothing is delivered.
    assert!(!swaks(&stage, &[]));
    assert!(!curl(&stage, &Pki::new().ca(), "smtp://HOST", &upload).status.success());
    assert_eq!(exim.messages().len(), 2);
    stage.proxy.record(|record| record["outcome"] == "starttls_refused");
}

#[test]
fn the_greeting_of_a_server_with_tls_from_the_beginning_is_kept_from_the_client() {
    for layer in ["tlsgate", "rustls"] {
        let pki = certified();
        let exim = Exim::start(Security::Implicit, &pki);
        let config = format!(
            "[runtime]\nrecord_layer = \"{layer}\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
             starttls = \"smtp\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n[backend.b]\nservers = [\"{}\"]\n\
             [backend.b.tls]\nca = \"ca.pem\"\nserver_name = \"mail.test\"\n",
            exim.address
        );
        let proxy = crate::support::proxy::Proxy::start(pki.folder(), &config);
        let (address, ca) = (proxy.address("main").to_string(), pki.ca().display().to_string());
        let tls = ["--server", &address, "--tls-ca-path", &ca, "--tls", "--tls-verify"];
        let output = tool::run("swaks", &[&tls[..], &MESSAGE].concat(), b"");
        assert!(output.status.success(), "{}", tool::shown(&output));
        eventually("Exim has the message", || exim.messages().pop());
    }
}

#[test]
fn a_mailbox_is_read_over_imap_only_through_tls() {
    let dovecot = Dovecot::start();
    let stage = stage("imap", dovecot.imap, "");
    openssl_verifies(&stage, "imap");
    let user = format!("{USER}:{PASSWORD}");
    let through = curl(&stage, &stage.pki.ca(), "imap://HOST/INBOX;MAILINDEX=1", &["--user", &user]);
    assert!(through.status.success(), "{}", tool::shown(&through));
    assert!(String::from_utf8_lossy(&through.stdout).contains(TEXT), "{}", tool::shown(&through));
    assert!(!curl(&stage, &Pki::new().ca(), "imap://HOST/INBOX", &["--user", &user]).status.success());
    // Without TLS the client sees that a login is not possible.
    let url = format!("imap://{}/INBOX", stage.address());
    assert!(!tool::run("curl", &["-s", "--user", &user, &url], b"").status.success());
}

#[test]
fn a_mailbox_is_read_over_pop3_only_through_tls() {
    let dovecot = Dovecot::start();
    let stage = stage("pop3", dovecot.pop3, "");
    openssl_verifies(&stage, "pop3");
    let user = format!("{USER}:{PASSWORD}");
    let through = curl(&stage, &stage.pki.ca(), "pop3://HOST/1", &["--user", &user]);
    assert!(through.status.success(), "{}", tool::shown(&through));
    assert!(String::from_utf8_lossy(&through.stdout).contains(TEXT), "{}", tool::shown(&through));
    assert!(!curl(&stage, &Pki::new().ca(), "pop3://HOST/1", &["--user", &user]).status.success());
    let url = format!("pop3://{}/1", stage.address());
    assert!(!tool::run("curl", &["-s", "--user", &user, &url], b"").status.success());
}

#[test]
fn fetchmail_gets_the_mail_through_stls_and_starttls() {
    let dovecot = Dovecot::start();
    for (protocol, server) in [("pop3", dovecot.pop3), ("imap", dovecot.imap)] {
        let stage = stage(protocol, server, "");
        let folder = stage.pki.folder();
        let (settings, got, port) = (folder.join("fetchmailrc"), folder.join("got"), stage.address().port());
        let text = format!(
            "poll {NAME} via 127.0.0.1 service {port} protocol {protocol} user \"{USER}\" password \"{PASSWORD}\" \
             sslproto \"TLS1.2+\" sslcertck sslcertfile \"{}\" sslcommonname \"{NAME}\" keep fetchall mda \"cat > {}\"\n",
            stage.pki.ca().display(),
            got.display()
        );
        write_private(&settings, &text);
        let home = format!("FETCHMAILHOME={}", folder.display());
        let output = tool::run("env", &[&home, "fetchmail", "-f", settings.to_str().unwrap()], b"");
        assert!(output.status.success(), "{}", tool::shown(&output));
        assert!(fs::read_to_string(got).unwrap().contains(TEXT));
        stage.proxy.record(|record| record["outcome"] == "completed");
    }
}
