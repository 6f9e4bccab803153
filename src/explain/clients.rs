//! The ClientHellos of real clients, each with its source and date. Must not know: what they are used for.

use crate::explain::capture;

/// A client whose ClientHello is known.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The name by which users select it.
    pub name: &'static str,
    /// Which program it is, and where its ClientHello comes from.
    pub source: &'static str,
    hex: &'static str,
}

impl Client {
    /// The ClientHello in its records.
    pub fn hello(&self) -> Result<Vec<u8>, String> {
        capture::read(self.hex.as_bytes())
    }
}

/// The client of that name.
pub fn named(name: &str) -> Option<&'static Client> {
    ALL.iter().find(|client| client.name == name)
}

macro_rules! client {
    ($name:literal, $source:literal) => {
        Client { name: $name, source: $source, hex: include_str!(concat!("clients/", $name, ".hex")) }
    };
}

/// All known clients.
pub const ALL: &[Client] = &[
    client!("android12", "Android 12 without a browser, recorded by testssl.sh (version 3.0.8 of 2022)"),
    client!("chrome", "Chromium 156.0.8078.79 of Debian 12, headless, recorded on 2026-11-24"),
    client!("curl", "curl 7.88.1 with OpenSSL 3.0.19 of Debian 12, recorded on 2026-11-24"),
    client!("firefox", "Firefox 153.7.0esr of Debian 12, headless, with its own NSS, recorded on 2026-11-24"),
    client!("gnutls", "gnutls-cli 3.7.9 of Debian 12, recorded on 2026-11-24"),
    client!("java8", "Java 8u161, recorded by SSL Labs, from testssl.sh 3.0.8 of 2022"),
    client!("java11", "OpenJDK 11.0.2, recorded by SSL Labs, from testssl.sh 3.0.8 of 2022"),
    client!("java17", "OpenJDK 17.0.15 of Debian 12, an SSLSocket with every default, recorded on 2026-11-24"),
    client!("ldapsearch", "ldapsearch 2.5.13 with GnuTLS 3.7.9 of Debian 12, recorded on 2026-11-24"),
    client!("node24", "Node.js 24.19.0 with OpenSSL 3.5.7, tls.connect with every default, recorded on 2026-11-28"),
    client!("openssl1.0", "OpenSSL 1.0.2e, recorded by SSL Labs, from testssl.sh 3.0.8 of 2022"),
    client!("openssl3", "openssl s_client 3.0.19 of Debian 12, recorded on 2026-11-24"),
    client!(
        "openssl-ecdsa-only",
        "openssl s_client 3.0.19 -sigalgs ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512, recorded on 2026-11-24"
    ),
    client!(
        "openssl-rsa-only",
        "openssl s_client 3.0.19 with -sigalgs of RSA-PSS and RSA with SHA-256, SHA-384 and SHA-512, recorded on 2026-11-24"
    ),
    client!("safari15", "Safari 15.4 on macOS 12.3.1, recorded by testssl.sh (version 3.0.8 of 2022)"),
    client!(
        "windows10",
        "Schannel of Windows 10, as Internet Explorer 11 uses it, recorded by SSL Labs, from testssl.sh 3.0.8 of 2022"
    ),
];
