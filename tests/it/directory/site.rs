//! The common part of the tests of directories: a directory, tlsgate in front of it, and the entries in it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::ldap::{self, LdapClient};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::slapd::{SUFFIX, Slapd};

/// A directory, and tlsgate in front of it with an RSA and an ECDSA certificate.
pub(crate) struct Site {
    pub(crate) pki: Pki,
    pub(crate) slapd: Slapd,
    pub(crate) proxy: Proxy,
}

impl Site {
    pub(crate) fn new(ldif: &str) -> Self {
        Self::named(NAMES, ldif)
    }

    pub(crate) fn named(names: &[&str], ldif: &str) -> Self {
        Self::with(names, Slapd::start(ldif), None, "")
    }

    /// `extra` is for the backend, `other` another server of it.
    pub(crate) fn with(names: &[&str], slapd: Slapd, other: Option<SocketAddr>, extra: &str) -> Self {
        let pki = Pki::new();
        pki.write("certs", "rsa", names, Key::Rsa2048, &Extra::default());
        pki.write("certs", "ec", names, Key::P256, &Extra::default());
        let servers: Vec<_> = other.into_iter().chain([slapd.address]).map(|server| server.to_string()).collect();
        let config = format!(
            r#"
log = {{ level = "debug" }}

[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "directory"

[[listener]]
name = "short"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "directory"
idle_timeout = "3s"

[backend.directory]
servers = {servers:?}
{extra}
"#
        );
        let proxy = Proxy::start(pki.folder(), &config);
        Self { pki, slapd, proxy }
    }

    pub(crate) fn url(&self) -> String {
        format!("ldaps://{}", self.proxy.address("main"))
    }

    /// The directory's address, as in the access log.
    pub(crate) fn address(&self) -> Value {
        self.slapd.address.to_string().into()
    }

    pub(crate) fn connect(&self, listener: &str) -> LdapClient {
        LdapClient::connect(self.proxy.address(listener), &self.pki.ca())
    }

    /// Runs an LDAP tool against tlsgate.
    pub(crate) fn through(&self, program: &str, arguments: &[&str]) -> Output {
        ldap::run(program, &self.url(), &self.pki.ca(), arguments)
    }

    /// Runs it against the directory itself.
    pub(crate) fn around(&self, program: &str, arguments: &[&str]) -> Output {
        ldap::run(program, &self.slapd.url(), &self.pki.ca(), arguments)
    }

    pub(crate) fn both_ways(&self, program: &str, arguments: &[&str]) -> (Output, Output) {
        (self.through(program, arguments), self.around(program, arguments))
    }
}

/// Persons whose descriptions have about `size` bytes each, a third of it a picture with every byte value.
pub(crate) fn people(count: usize, size: usize) -> String {
    let mut ldif = String::new();
    for number in 0..count {
        let words: String = (0..size * 2 / 3).map(|at| char::from(b'a' + ((at * number + at) % 26) as u8)).collect();
        writeln!(ldif, "dn: cn=Person {number},{SUFFIX}\nobjectClass: inetOrgPerson\ncn: Person {number}").unwrap();
        // Base64 of bytes of every value: four characters for three bytes.
        let picture: String =
            (0..size * 4 / 9 / 4 * 4).map(|at| BASE64[(at * 7 + number) % 64]).map(char::from).collect();
        writeln!(ldif, "sn: {number}\ndescription: {words}\njpegPhoto:: {picture}\n").unwrap();
    }
    ldif
}

/// Holds an address that refuses every connection, and prevents others from listening there.
pub(crate) fn refusing(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

/// OpenLDAP's tools look for the machine's own name in a certificate if they connect to `localhost`, so they connect
/// to the address.
pub(crate) const NAMES: &[&str] = &["localhost", "127.0.0.1"];

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
