//! A real Varnish, which reads every TLV of a PROXY header and answers with what it read.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::procfs::eventually;

/// Expects a PROXY header and answers each request with one line for each field of it. Dropping it stops it.
pub(crate) struct Varnish {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Varnish {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let vcl = folder.path().join("told.vcl");
        fs::write(&vcl, VCL).unwrap();
        let name = folder.path().join("work");
        let child = Command::new("varnishd")
            .args(["-F", "-a", "127.0.0.1:0,PROXY", "-s", "malloc,8m", "-j", "none", "-n"])
            .arg(&name)
            .arg("-f")
            .arg(&vcl)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("varnishd is not installed; tests/run installs it");
        let address = eventually("varnish listens", || {
            let output = Command::new("varnishadm").arg("-n").arg(&name).arg("debug.listen_address").output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            let words: Vec<&str> = text.split_whitespace().collect();
            let [_, host, port] = words[..] else { return None };
            format!("{host}:{port}").parse().ok().filter(|address: &SocketAddr| address.port() != 0)
        });
        Self { address, child, _folder: folder }
    }
}

impl Drop for Varnish {
    fn drop(&mut self) {
        // If it were killed outright, it would leave its worker behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

const VCL: &str = r#"vcl 4.1;
import proxy;
import std;
backend none none;
sub vcl_recv { return (synth(200)); }
sub vcl_synth {
    set resp.http.Connection = "close";
    synthetic("client " + client.ip + " " + std.port(client.ip) + {"
server "} + server.ip + " " + std.port(server.ip) + {"
authority "} + proxy.authority() + {"
alpn "} + proxy.alpn() + {"
ssl "} + proxy.is_ssl() + {"
version "} + proxy.ssl_version() + {"
cipher "} + proxy.ssl_cipher() + {"
sign "} + proxy.cert_sign() + {"
key "} + proxy.cert_key() + {"
cn "} + proxy.client_cert_cn() + {"
on this connection "} + proxy.client_has_cert_conn() + {"
in this session "} + proxy.client_has_cert_sess() + {"
verify "} + proxy.ssl_verify_result() + {"
"});
    return (deliver);
}
"#;
