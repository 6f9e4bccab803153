//! Certificates of clients: each kind of bad one is answered with the alert that the standard names, has its own
//! outcome, and does not get through with an earlier ticket either.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, SanType};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::routes::{answers_once, config, pki, s_client};
use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::pki::Pki;
use crate::support::proxy::Proxy;
use crate::support::{reports, tool};

mod elsewhere;
mod known;
mod lists;
mod live;
mod pins;
mod tickets;

const STACKS: [&str; 2] = ["openssl", "gnutls"];
const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// CAs, lists and a proxy whose one listener asks for certificates as `client_auth` says.
pub(crate) struct Gate {
    pub(crate) pki: Pki,
    pub(crate) ca: ClientCa,
    pub(crate) middle: ClientCa,
    pub(crate) proxy: Proxy,
    backend: Backend,
}

/// Serial numbers that are on the revocation list.
const REVOKED: u64 = 66;
const REVOKED_CA: u64 = 67;

impl Gate {
    pub(crate) fn open(client_auth: &str) -> Self {
        let (pki, backend) = (pki(), answers_once());
        let ca = ClientCa::new(pki.folder(), "client-ca");
        let middle = ca.below("middle", 10);
        fs::write(pki.folder().join("ca.crl"), ca.list(&[REVOKED, REVOKED_CA], 30)).unwrap();
        fs::write(pki.folder().join("middle.crl"), middle.list(&[REVOKED], 30)).unwrap();
        let proxy = Proxy::start(pki.folder(), &Self::config(&backend, client_auth));
        Self { pki, ca, middle, proxy, backend }
    }

    fn config(backend: &Backend, client_auth: &str) -> String {
        let own = "certificates = [\"certs\"]\nbackend = \"plain\"";
        config(&format!("{own}\nclient_auth = {{ {client_auth} }}"), &[], &[("plain", backend.address)])
    }

    pub(crate) fn rewrite(&self, client_auth: &str) {
        fs::write(self.pki.folder().join("tlsgate.toml"), Self::config(&self.backend, client_auth)).unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address("main")
    }

    pub(crate) fn openssl(&self, version: &str, shown: Option<&Credentials>, more: &[&str]) -> String {
        let files = shown.map(|shown| [&shown.chain, &shown.key].map(|path| path.to_str().unwrap().to_owned()));
        let mut arguments = vec![version];
        if let Some([chain, key]) = &files {
            arguments.extend(["-cert", chain, "-cert_chain", chain, "-key", key]);
        }
        arguments.extend(more);
        s_client(self.address(), Some("main.test"), &self.pki.ca(), &arguments)
    }

    fn ask(&self, stack: &str, version: &str, shown: Option<&Credentials>) -> String {
        match stack {
            "openssl" => self.openssl(version, shown, &[]),
            _ => self.gnutls(version, shown),
        }
    }

    fn gnutls(&self, version: &str, shown: Option<&Credentials>) -> String {
        let (to, ca) = (self.address(), self.pki.ca());
        let version = version.replace("-tls1_", "+VERS-TLS1.");
        let (port, priority) = (to.port().to_string(), format!("NORMAL:-VERS-ALL:{version}"));
        let mut arguments = vec!["--port", &port, "--x509cafile", ca.to_str().unwrap(), "--sni-hostname", "main.test"];
        arguments.extend(["--verify-hostname", "main.test", "--priority", &priority]);
        let files = shown.map(|shown| [&shown.chain, &shown.key].map(|path| path.to_str().unwrap().to_owned()));
        if let Some([chain, key]) = &files {
            arguments.extend(["--x509certfile", chain, "--x509keyfile", key]);
        }
        let host = to.ip().to_string();
        arguments.push(&host);
        tool::shown(&tool::run("gnutls-cli", &arguments, b"hello\n"))
    }

    /// The newest of `count` records.
    pub(crate) fn record(&self, count: &mut usize) -> Value {
        *count += 1;
        let mut records = self.proxy.records(*count);
        assert_eq!(records.len(), *count, "{records:#?}");
        records.pop().unwrap()
    }
}

/// The purposes of the lists in [`Gate`].
pub(crate) const STRICT: &str =
    "mode = \"require\", ca = [\"client-ca.pem\", \"middle.pem\"], crl = [\"ca.crl\", \"middle.crl\"]";

/// A certificate, the alerts under TLS 1.2 and 1.3, and the outcome. GnuTLS does not even send some of them.
struct Case {
    what: &'static str,
    shown: Option<Credentials>,
    alerts: [u8; 2],
    outcome: &'static str,
    by_gnutls: bool,
}

#[test]
fn every_bad_certificate_has_its_alert_and_its_outcome() {
    let gate = Gate::open(STRICT);
    let (ca, middle) = (&gate.ca, &gate.middle);
    let folder = gate.pki.folder();
    let kind = || Kind { common_name: "mallory", ..Kind::default() };
    let stranger = ClientCa::new(folder, "stranger");
    fs::create_dir(folder.join("twin")).unwrap();
    let twin = ClientCa::new(&folder.join("twin"), "client-ca");
    let revoked_middle = ca.below("revoked-middle", REVOKED_CA);
    let unlisted = ca.below("unlisted", 11);
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let bad = |what, shown, alerts, outcome| Case { what, shown, alerts, outcome, by_gnutls: true };
    let cases = [
        // rustls has one alert for it, also under TLS 1.2, where RFC 5246 requires handshake_failure.
        bad("none", None, [116; 2], "client_certificate_missing"),
        bad(
            "expired",
            Some(ca.issue("expired", &Kind { validity: (-30, -1), ..kind() })),
            [45; 2],
            "client_certificate_expired",
        ),
        bad(
            "not yet valid",
            Some(ca.issue("early", &Kind { validity: (2, 30), ..kind() })),
            [45; 2],
            "client_certificate_expired",
        ),
        bad(
            "revoked",
            Some(ca.issue("revoked", &Kind { serial: REVOKED, ..kind() })),
            [44; 2],
            "client_certificate_revoked",
        ),
        bad(
            "revoked below a good intermediate",
            Some(middle.issue_with("revoked-below", &Kind { serial: REVOKED, ..kind() }, &[middle])),
            [44; 2],
            "client_certificate_revoked",
        ),
        bad(
            "good below a revoked intermediate",
            Some(revoked_middle.issue_with("orphan", &kind(), &[&revoked_middle])),
            [44; 2],
            "client_certificate_revoked",
        ),
        bad(
            "below an intermediate without a list",
            Some(unlisted.issue_with("unlisted-leaf", &kind(), &[&unlisted])),
            [48; 2],
            "client_certificate_revocation_unknown",
        ),
        bad(
            "signed by a CA of the same name",
            Some(twin.issue("signed-by-twin", &kind())),
            [42; 2],
            "client_certificate_invalid",
        ),
        bad(
            "made for servers",
            Some(ca.issue("server", &Kind { purpose: server, ..kind() })),
            [43; 2],
            "client_certificate_invalid",
        ),
        Case {
            what: "of another CA",
            shown: Some(stranger.issue("strange", &kind())),
            alerts: [48; 2],
            outcome: "client_certificate_unknown_ca",
            by_gnutls: false,
        },
    ];
    let mut count = 0;
    for Case { what, shown, alerts, outcome, by_gnutls } in &cases {
        for (version, alert) in VERSIONS.iter().zip(alerts) {
            let printed = gate.openssl(version, shown.as_ref(), &[]);
            assert_eq!(reports::alert(&printed), Some(*alert), "{what}, {version}: {printed}");
            let record = gate.record(&mut count);
            assert_eq!(record["outcome"], *outcome, "{what}, {version}: {record:#}");
            assert!(record.get("backend").is_none(), "{what}, {version}: {record:#}");
            let subject = shown.as_ref().map(|_| "CN=mallory");
            assert_eq!(record.get("tls.client.subject").and_then(Value::as_str), subject, "{what}: {record:#}");
            assert_eq!(record.get("tls.client.verified"), subject.map(|_| &Value::Bool(false)), "{what}: {record:#}");
            if *by_gnutls {
                let printed = gate.gnutls(version, shown.as_ref());
                assert_eq!(reports::alert(&printed), Some(*alert), "{what}, {version}: {printed}");
                assert_eq!(gate.record(&mut count)["outcome"], *outcome, "{what}, {version}");
            }
        }
    }
    let good = [ca.issue("good", &Kind::default()), middle.issue_with("good-below", &Kind::default(), &[middle])];
    for shown in &good {
        for version in VERSIONS {
            for stack in STACKS {
                let printed = gate.ask(stack, version, Some(shown));
                assert!(printed.contains("hello"), "{version}: {printed}");
                let record = gate.record(&mut count);
                let logged = (&record["outcome"], &record["tls.client.subject"], &record["tls.client.verified"]);
                // GnuTLS ends without close_notify.
                assert!(["completed", "client_truncated"].contains(&logged.0.as_str().unwrap()), "{record:#}");
                assert_eq!((logged.1, logged.2), (&"CN=alice".into(), &true.into()), "{record:#}");
            }
        }
    }
}

#[test]
fn names_and_pins_decide_which_client_is_admitted() {
    let gate = Gate::open("mode = \"off\"");
    let text = |text: &str| text.try_into().unwrap();
    let named = |stem: &str, common_name, names| gate.ca.issue(stem, &Kind { common_name, names, ..Kind::default() });
    let web = named("web", "web", vec![SanType::URI(text("spiffe://example.org/web/1"))]);
    let host = named("host", "host", vec![SanType::DnsName(text("a.clients.test"))]);
    let mail = named("mail", "mail", vec![SanType::Rfc822Name(text("bob@example.com"))]);
    let bare = named("bare", "bare", Vec::new());
    let all = [&web, &host, &mail, &bare];
    let pin = |shown: &Credentials| format!("\"{}\"", pin_of(&shown.chain));
    let rules: [(String, [bool; 4]); 8] = [
        ("names = [\"uri:spiffe://example.org/web/*\"]".into(), [true, false, false, false]),
        ("names = [\"dns:*.clients.test\", \"email:bob@EXAMPLE.com\"]".into(), [false, true, true, false]),
        ("names = [\"cn:bare\", \"dns:b.clients.test\"]".into(), [false, false, false, true]),
        (format!("pins = [{}]", pin(&mail)), [false, false, true, false]),
        (format!("pins = [{}, {}]", pin(&mail), pin(&web)), [true, false, true, false]),
        (format!("names = \"cn:web\", pins = [{}, {}]", pin(&mail), pin(&web)), [true, false, false, false]),
        ("names = [\"uri:spiffe://example.com/*\"]".into(), [false; 4]),
        ("names = []".into(), [true; 4]),
    ];
    let mut count = 0;
    for (number, (rule, expected)) in rules.iter().enumerate() {
        // Another name for the same file shows when the reload is done.
        let ca = format!("ca-{number}.pem");
        fs::copy(gate.ca.file(), gate.pki.folder().join(&ca)).unwrap();
        let rule = if rule == "names = []" { String::new() } else { format!(", {rule}") };
        gate.rewrite(&format!("mode = \"require\", ca = \"{ca}\"{rule}"));
        gate.proxy.log_line(&ca);
        for (shown, expected) in all.iter().zip(expected) {
            for version in VERSIONS {
                let printed = gate.openssl(version, Some(shown), &[]);
                let outcome = gate.record(&mut count)["outcome"].clone();
                match expected {
                    true => {
                        assert_eq!((printed.contains("hello\n"), &outcome), (true, &"completed".into()), "{printed}")
                    }
                    false => {
                        assert_eq!(reports::alert(&printed), Some(49), "{rule} {shown:?}: {printed}");
                        assert_eq!(outcome, "client_certificate_denied");
                    }
                }
            }
        }
    }
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_bad() {
    let gate = Gate::open(&STRICT.replace("require", "optional"));
    let good = gate.ca.issue("good", &Kind::default());
    let revoked = gate.ca.issue("revoked", &Kind { serial: REVOKED, ..Kind::default() });
    let mut count = 0;
    for version in VERSIONS {
        for (shown, subject) in [(None, None), (Some(&good), Some("CN=alice"))] {
            for stack in STACKS {
                let printed = gate.ask(stack, version, shown);
                assert!(printed.contains("hello"), "{version}: {printed}");
                let record = gate.record(&mut count);
                assert_eq!(record.get("tls.client.subject").and_then(Value::as_str), subject, "{record:#}");
            }
        }
        for stack in STACKS {
            let printed = gate.ask(stack, version, Some(&revoked));
            assert_eq!(reports::alert(&printed), Some(44), "{version}: {printed}");
            assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revoked");
        }
    }
}

#[test]
fn a_list_that_is_out_of_date_counts_as_the_configuration_says() {
    let gate = Gate::open("mode = \"off\"");
    fs::write(gate.pki.folder().join("old.crl"), gate.ca.list(&[REVOKED], -1)).unwrap();
    let good = gate.ca.issue("good", &Kind::default());
    let revoked = gate.ca.issue("revoked", &Kind { serial: REVOKED, ..Kind::default() });
    let old = "mode = \"require\", ca = \"client-ca.pem\", crl = \"old.crl\"";
    gate.rewrite(old);
    let line = gate.proxy.log_line("is out of date since");
    assert!(
        line.contains("old.crl: the list of revoked certificates of \\\"CN=client-ca\\\"") || line.contains("old.crl"),
        "{line}"
    );
    let mut count = 0;
    for version in VERSIONS {
        assert_eq!(reports::alert(&gate.openssl(version, Some(&good), &[])), Some(48));
        assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revocation_unknown");
    }
    gate.rewrite(&format!("{old}, crl_expired = \"ignore\""));
    gate.proxy.log_line("crl_expired = \"ignore\"");
    for version in VERSIONS {
        assert!(gate.openssl(version, Some(&good), &[]).contains("hello\n"));
        assert_eq!(gate.record(&mut count)["outcome"], "completed");
        assert_eq!(reports::alert(&gate.openssl(version, Some(&revoked), &[])), Some(44));
        assert_eq!(gate.record(&mut count)["outcome"], "client_certificate_revoked");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_and_the_old_ones_go_on() {
    let gate = Gate::open(STRICT);
    let good = gate.ca.issue("good", &Kind::default());
    let crl = gate.pki.folder().join("ca.crl");
    fs::write(&crl, "-----BEGIN X509 CRL-----\nMII").unwrap();
    gate.proxy.log_line("ca.crl: is cut short");
    assert!(gate.openssl("-tls1_3", Some(&good), &[]).contains("hello\n"));
    fs::write(&crl, fs::read(gate.ca.file()).unwrap()).unwrap();
    gate.proxy.log_line("ca.crl: is not valid PEM: there is no list of revoked certificates");
    // In DER, as CAs publish it.
    let pem = gate.ca.list(&[1], 30);
    let der = rustls::pki_types::CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    fs::write(&crl, &der).unwrap();
    let mut printed = String::new();
    while reports::alert(&printed) != Some(44) {
        printed = gate.openssl("-tls1_3", Some(&good), &[]);
    }
    fs::write(gate.ca.file(), "nothing").unwrap();
    gate.proxy.log_line("client-ca.pem: holds no certificate");
}

fn pin_of(certificate: &Path) -> String {
    use base64::Engine;
    let der = CertificateDer::from_pem_file(certificate).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let hash = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, parsed.public_key().raw);
    format!("sha256/{}", base64::engine::general_purpose::STANDARD.encode(hash))
}

/// A rustls client with a certificate of its own; it keeps its sessions.
pub(crate) fn rustls(gate: &Gate, version: &str, shown: &Credentials) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(gate.pki.ca()).unwrap()).unwrap();
    let version = match version {
        "-tls1_2" => &rustls::version::TLS12,
        _ => &rustls::version::TLS13,
    };
    let chain = CertificateDer::pem_file_iter(&shown.chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&shown.key).unwrap();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// Sends a line, and returns whether the session was resumed, or how the connection ended instead.
pub(crate) fn exchange(gate: &Gate, config: &Arc<ClientConfig>) -> Result<bool, String> {
    let mut client = Client::silent(gate.address(), config, "main.test");
    let spoken = client.handshake().and_then(|()| client.send(b"hello"));
    spoken.map_err(|error| error.to_string())?;
    let mut buffer = [0; 16];
    let count = client.read(&mut buffer).map_err(|ending| format!("{ending:?}"))?;
    assert_eq!(&buffer[..count], b"hello");
    // The ticket comes with the answer, and at the latest before the end.
    let _ = client.read(&mut buffer);
    Ok(client.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed))
}
