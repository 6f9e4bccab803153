//! OpenSSL, GnuTLS and curl as clients: how each is configured, and what each reports.
//! Must not know: tlsgate.

use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::support::{reports, tool};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    OpenSsl,
    GnuTls,
    Curl,
}

pub(crate) const TOOLS: [Tool; 3] = [Tool::OpenSsl, Tool::GnuTls, Tool::Curl];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Tls11,
    Tls12,
    Tls13,
}

/// The versions that tlsgate supports.
pub(crate) const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

impl Version {
    /// As in the access log.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// A signature scheme in the names of each tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) iana: &'static str,
    openssl: &'static str,
    gnutls: &'static str,
}

/// One client. It offers `schemes` and `version` and no others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) tool: Tool,
    pub(crate) version: Version,
    pub(crate) schemes: &'a [Scheme],
    /// The server name to send, if any.
    pub(crate) name: Option<&'a str>,
    /// The name for which the certificate must be valid. curl can check only the name that it asks for, so its check is
    /// turned off if this is another.
    pub(crate) verify: &'a str,
    /// More arguments for the tool; GnuTLS takes them as the end of its priority string.
    pub(crate) more: &'a [&'a str],
}

/// A client's report of its connection.
#[derive(Debug)]
pub(crate) struct Seen {
    /// SHA-256 of the leaf it received, in upper-case hex.
    pub(crate) certificate: Option<String>,
    /// The fatal alert it received.
    pub(crate) alert: Option<u8>,
    /// Whether the client accepted chain and name.
    pub(crate) verified: bool,
    pub(crate) output: String,
}

impl Client<'_> {
    /// Connects once. `ca` is the CA that the client trusts; files that the client needs are written next to it.
    pub(crate) fn connect(&self, to: SocketAddr, ca: &Path) -> Seen {
        let ca_path = ca.to_str().unwrap();
        let output = match self.tool {
            Tool::OpenSsl => self.openssl(to, ca_path),
            Tool::GnuTls => self.gnutls(to, ca_path),
            Tool::Curl => self.curl(to, ca),
        };
        let text = tool::shown(&output);
        let verified = match self.tool {
            Tool::OpenSsl => reports::verified(&text),
            // These tools fail if anything is wrong.
            Tool::GnuTls | Tool::Curl => output.status.success(),
        };
        let leaf = CertificateDer::from_pem_slice(&output.stdout).ok();
        Seen { certificate: leaf.map(|der| sha256(&der)), alert: reports::alert(&text), verified, output: text }
    }

    fn openssl(&self, to: SocketAddr, ca: &str) -> std::process::Output {
        let (connect, sigalgs) = (to.to_string(), self.join(|scheme| scheme.openssl));
        let version = match self.version {
            Version::Tls11 => "-tls1_1",
            Version::Tls12 => "-tls1_2",
            Version::Tls13 => "-tls1_3",
        };
        let mut arguments = vec!["s_client", "-connect", &connect, "-CAfile", ca, "-verify_hostname", self.verify];
        arguments.extend([version, "-sigalgs", &sigalgs]);
        match self.name {
            Some(name) => arguments.extend(["-servername", name]),
            None => arguments.push("-noservername"),
        }
        arguments.extend(self.more);
        tool::run("openssl", &arguments, b"")
    }

    fn gnutls(&self, to: SocketAddr, ca: &str) -> std::process::Output {
        let (port, host) = (to.port().to_string(), to.ip().to_string());
        let version = self.version.shown().replace('v', "");
        let (schemes, more) = (self.join(|scheme| scheme.gnutls), self.more.concat());
        let priority = format!("NORMAL:-VERS-ALL:+VERS-{version}:-SIGN-ALL:{schemes}{more}");
        let mut arguments = vec!["--port", &port, "--x509cafile", ca, "--verify-hostname", self.verify];
        arguments.extend(["--priority", &priority, "--print-cert"]);
        match self.name {
            Some(name) => arguments.extend(["--sni-hostname", name]),
            None => arguments.push("--disable-sni"),
        }
        arguments.push(&host);
        tool::run("gnutls-cli", &arguments, b"")
    }

    /// curl has no option for signature algorithms; its OpenSSL takes them from a configuration file.
    fn curl(&self, to: SocketAddr, ca: &Path) -> std::process::Output {
        let config = tool::openssl_offering(&self.join(|scheme| scheme.openssl), ca);
        let (least, most) = match self.version {
            Version::Tls11 => ("--tlsv1.1", "1.1"),
            Version::Tls12 => ("--tlsv1.2", "1.2"),
            Version::Tls13 => ("--tlsv1.3", "1.3"),
        };
        // Without a name the URL contains the address, for which no server name is sent.
        let (url, there) = (format!("https://{}/", self.name.unwrap_or(&to.to_string())), format!("::{to}"));
        let mut arguments =
            vec![&*config, "curl", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null"];
        arguments.extend(["--write-out", "%{certs}\nstatus %{http_code}", "--cacert", ca.to_str().unwrap()]);
        arguments.extend([least, "--tls-max", most, "--connect-to", &there]);
        if self.name != Some(self.verify) {
            arguments.push("--insecure");
        }
        arguments.extend(self.more);
        arguments.push(&url);
        tool::run("env", &arguments, b"")
    }

    fn join(&self, word: impl Fn(&Scheme) -> &'static str) -> String {
        self.schemes.iter().map(word).collect::<Vec<_>>().join(":")
    }
}

/// SHA-256 in upper-case hex, as the access log writes it.
pub(crate) fn sha256(der: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// With both of GnuTLS's names for one code point, where TLS 1.2 and 1.3 have a name each.
macro_rules! scheme {
    ($name:ident, $iana:literal, $openssl:literal, $gnutls:literal) => {
        pub(crate) const $name: Scheme = Scheme { iana: $iana, openssl: $openssl, gnutls: $gnutls };
    };
}

scheme!(RSA_PKCS1_SHA256, "rsa_pkcs1_sha256", "RSA+SHA256", "+SIGN-RSA-SHA256");
scheme!(RSA_PSS_SHA256, "rsa_pss_rsae_sha256", "RSA-PSS+SHA256", "+SIGN-RSA-PSS-RSAE-SHA256");
scheme!(ECDSA_P256, "ecdsa_secp256r1_sha256", "ECDSA+SHA256", "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256");
scheme!(ECDSA_P384, "ecdsa_secp384r1_sha384", "ECDSA+SHA384", "+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP384R1-SHA384");
scheme!(ECDSA_P521, "ecdsa_secp521r1_sha512", "ECDSA+SHA512", "+SIGN-ECDSA-SHA512:+SIGN-ECDSA-SECP521R1-SHA512");
scheme!(ED25519, "ed25519", "ed25519", "+SIGN-EDDSA-ED25519");
