//! LDAP clients: OpenLDAP's tools, and a minimal one that can hold a connection. Both verify the certificate.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{PATIENCE, tool};

/// Runs an LDAP tool that ignores the machine's configuration and requires a valid certificate. Its TLS offer is
/// the default of its library, which is GnuTLS in Debian 12 and OpenSSL in Debian 13.
pub(crate) fn run(program: &str, url: &str, ca: &Path, arguments: &[&str]) -> Output {
    run_with(&[], program, url, ca, arguments)
}

/// The signature schemes to offer, in the syntax of both libraries.
pub(crate) struct Offer {
    /// A priority string.
    pub(crate) gnutls: &'static str,
    pub(crate) openssl: &'static str,
}

/// The same, offering these signature schemes alone.
pub(crate) fn run_offering(offer: &Offer, program: &str, url: &str, ca: &Path, arguments: &[&str]) -> Output {
    let found = tool::run("sh", &["-c", &format!("ldd \"$(command -v {program})\"")], b"");
    if String::from_utf8_lossy(&found.stdout).contains("libgnutls") {
        return run_with(&[&format!("LDAPTLS_CIPHER_SUITE={}", offer.gnutls)], program, url, ca, arguments);
    }
    // libldap has no setting for it; OpenSSL takes it from a configuration file.
    let config = tool::openssl_offering(offer.openssl, ca);
    run_with(&[&config], program, url, ca, arguments)
}

fn run_with(more: &[&str], program: &str, url: &str, ca: &Path, arguments: &[&str]) -> Output {
    let ca = format!("LDAPTLS_CACERT={}", ca.display());
    let environment = ["LDAPCONF=/dev/null", "LDAPRC=none", "LDAPTLS_REQCERT=demand", &ca];
    tool::run("env", &[&environment[..], more, &[program, "-H", url], arguments].concat(), b"")
}

/// An LDAPS connection that verifies the server's certificate.
pub(crate) struct LdapClient {
    stream: StreamOwned<ClientConnection, TcpStream>,
    messages: u8,
    /// The LDAP bytes sent and received so far.
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl LdapClient {
    pub(crate) fn connect(address: SocketAddr, ca: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        Self { stream, messages: 0, sent: 0, received: 0 }
    }

    /// Its address, which identifies it in the access log.
    pub(crate) fn port(&self) -> u16 {
        self.stream.sock.local_addr().unwrap().port()
    }

    /// A simple bind (RFC 4511 section 4.2). Returns the result code.
    pub(crate) fn bind(&mut self, dn: &str, password: &str) -> u8 {
        let request = [tlv(0x02, &[3]), tlv(0x04, dn.as_bytes()), tlv(0x80, password.as_bytes())].concat();
        let answer = self.ask(&tlv(0x60, &request));
        field(&answer, 0x61, 0x0a)[0]
    }

    /// "Who am I?" (RFC 4532).
    pub(crate) fn whoami(&mut self) -> String {
        let answer = self.ask(&tlv(0x77, &tlv(0x80, b"1.3.6.1.4.1.4203.1.11.3")));
        String::from_utf8(field(&answer, 0x78, 0x8b)).unwrap()
    }

    /// Unbinds and sends close_notify; the directory's close_notify must come back.
    pub(crate) fn unbind(mut self) {
        self.send(&tlv(0x42, &[]));
        self.stream.conn.send_close_notify();
        self.stream.flush().unwrap();
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
    }

    /// Waits for the other side to close, in any way.
    pub(crate) fn wait_for_close(mut self) {
        if let Ok(count) = self.stream.read(&mut [0]) {
            assert_eq!(count, 0, "unexpected bytes");
        }
    }

    fn send(&mut self, operation: &[u8]) {
        self.messages = self.messages % 100 + 1;
        let message = tlv(0x30, &[&tlv(0x02, &[self.messages]), operation].concat());
        self.stream.write_all(&message).unwrap();
        self.sent += message.len() as u64;
    }

    /// The operation of the answer, with its tag.
    fn ask(&mut self, operation: &[u8]) -> Vec<u8> {
        self.send(operation);
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        assert!(head[0] == 0x30 && head[1] < 0x80, "not a short LDAP message: {head:02x?}");
        let mut message = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut message).unwrap();
        self.received += (head.len() + message.len()) as u64;
        assert_eq!(message[..3], [0x02, 1, self.messages], "an answer to something else");
        message.split_off(3)
    }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    assert!(value.len() < 0x80, "longer than a test needs");
    [&[tag, value.len() as u8], value].concat()
}

/// The value of the first field with that tag, in an answer with this one.
fn field(answer: &[u8], kind: u8, tag: u8) -> Vec<u8> {
    assert_eq!(answer[0], kind, "not the expected kind of answer: {answer:02x?}");
    let mut rest = &answer[2..];
    while rest[0] != tag {
        rest = &rest[2 + usize::from(rest[1])..];
    }
    rest[2..][..usize::from(rest[1])].to_vec()
}
