//! One port, several ways: by server name and ALPN a connection is terminated, passed through or refused.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::tool;

mod alpn;
mod ends;
mod explained;
mod hellos;
mod old;
mod one_port;
mod splice;
mod swap;
mod weighted;

/// A proxy with one listener, `main`, that has a certificate for `main.test` if `own` says so.
pub(crate) fn start(pki: &Pki, listener: &str, routes: &[&str], backends: &[(&str, SocketAddr)]) -> Proxy {
    Proxy::start(pki.folder(), &config(listener, routes, backends))
}

pub(crate) fn config(listener: &str, routes: &[&str], backends: &[(&str, SocketAddr)]) -> String {
    let routes: String = routes.iter().map(|route| format!("[[listener.route]]\n{route}\n")).collect();
    let backends: String = backends
        .iter()
        .map(|(name, server)| format!("[backend.{name}]\nservers = [\"{server}\"]\nconnect_attempts = 1\n"))
        .collect();
    format!("[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n{listener}\n{routes}\n{backends}")
}

/// A listener that terminates what no route takes, and echoes.
pub(crate) const OWN: &str = "certificates = [\"certs\"]\nbackend = \"plain\"";

pub(crate) fn pki() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "main", &["main.test", "*.main.test"], Key::P256, &Extra::default());
    pki
}

/// OpenSSL's client, once, with one line to send.
pub(crate) fn s_client(to: SocketAddr, name: Option<&str>, ca: &Path, more: &[&str]) -> String {
    let to = to.to_string();
    let mut arguments = vec!["s_client", "-ign_eof", "-connect", &to, "-CAfile", ca.to_str().unwrap()];
    match name {
        Some(name) => arguments.extend(["-servername", name]),
        None => arguments.push("-noservername"),
    }
    arguments.extend(more);
    tool::shown(&tool::run("openssl", &arguments, b"hello\n"))
}

/// Reads some bytes, sends them back, and ends.
pub(crate) fn answers_once() -> crate::support::backend::Backend {
    crate::support::backend::Backend::start(|mut stream| {
        let mut request = [0; 100];
        let count = stream.read(&mut request)?;
        stream.write_all(&request[..count])
    })
}
