//! Clients that are too old to be terminated can still be passed through.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::{OWN, answers_once, pki, s_client, start};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::{reports, tool};

/// An `openssl s_server` that also supports TLS 1.1 and older. Dropping it stops it.
struct OldServer {
    address: SocketAddr,
    child: Child,
}

impl OldServer {
    fn start(pki: &Pki) -> Self {
        let (cert, key) = pki.write("old", "old", &["old.test"], Key::Rsa2048, &Extra::default());
        // It cannot take over a socket: the port is free a moment before it binds; if another process was faster, try
        // another port.
        eventually("an old server", || {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut child = Command::new("openssl")
                .args(["s_server", "-accept", &address.to_string(), "-cipher", "ALL:@SECLEVEL=0", "-rev", "-quiet"])
                .arg("-cert")
                .arg(&cert)
                .arg("-key")
                .arg(&key)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let up = eventually("it listens or ends", || {
                let ended = child.try_wait().unwrap().is_some();
                let listens = std::net::TcpStream::connect(address).is_ok();
                (ended || listens).then_some(!ended)
            });
            up.then_some(Self { address, child })
        })
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_client_of_tls_1_0_or_1_1_reaches_its_own_server_and_is_refused_elsewhere() {
    let (pki, plain) = (pki(), answers_once());
    let server = OldServer::start(&pki);
    let route = "server_names = [\"old.test\"]\nmode = \"passthrough\"\nbackend = \"old\"";
    let proxy = start(&pki, OWN, &[route], &[("plain", plain.address), ("old", server.address)]);
    for version in ["-tls1", "-tls1_1"] {
        let options = [version, "-cipher", "ALL:@SECLEVEL=0"];
        let (to, ca) = (proxy.address("main").to_string(), pki.ca());
        let trusting = ["s_client", "-quiet", "-connect", &to, "-servername", "old.test", "-verify_return_error"];
        let arguments = [&trusting[..], &["-CAfile", ca.to_str().unwrap()], &options].concat();
        // The second line makes the server close.
        let printed = tool::shown(&tool::run("openssl", &arguments, b"hello\nCLOSE\n"));
        assert!(printed.contains("olleh"), "{printed}");
        let printed = s_client(proxy.address("main"), Some("main.test"), &pki.ca(), &options);
        assert_eq!(reports::alert(&printed), Some(70), "{printed}");
    }
    let records = proxy.records(4);
    let outcomes: Vec<_> = records.iter().map(|record| (&record["server.address"], &record["outcome"])).collect();
    let passed =
        records.iter().filter(|record| record["mode"] == "passthrough" && record["server.address"] == "old.test");
    assert_eq!(passed.count(), 2, "{outcomes:?}");
    let refused = records.iter().filter(|record| record["outcome"] == "no_common_version");
    assert_eq!(refused.count(), 2, "{outcomes:?}");
}
