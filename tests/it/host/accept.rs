//! The kernel refuses to accept a connection for reasons that are not the listener's: it goes on. The errors come from
//! Debian's strace, which puts them in the place of the first results of accept4(2).

use std::fs;
use std::process::{Command, Stdio};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, certified, config};

#[test]
fn after_errors_of_accept_the_listener_goes_on() {
    for error in ["ECONNABORTED", "ENOBUFS", "ENETDOWN", "EPROTO", "EMFILE", "ENOMEM"] {
        let pki = certified();
        let path = pki.folder().join("tlsgate.toml");
        fs::write(&path, config(&[Backend::echo().address], Lines::default())).unwrap();
        let mut command = Command::new("strace");
        // With -D the program is the child, and strace its grandchild.
        command.args(["-D", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=accept4", "-e"]);
        command.arg(format!("inject=accept4:error={error}:when=1..3"));
        command.arg(PROGRAM).args(["run", "-c"]).arg(&path).stdin(Stdio::null());
        let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{error}: {log}"));
        let config = trusting(&pki.ca(), Tls::V13).into();
        for _ in 0..5 {
            let mut client = Client::silent(proxy.address("main"), &config, NAME);
            client.handshake().unwrap_or_else(|failed| panic!("{error}: {failed:?}\n{}", proxy.log()));
            client.send(b"hello").unwrap();
            assert_eq!(client.read_exact(5), b"hello", "{error}");
        }
        let lines = proxy.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
        assert!(lines <= 3, "{error}: {}", proxy.log());
    }
}
