//! `tlsgate probe`: what it reports about other servers and about tlsgate, compared with sslscan's report and with what
//! the test has put in the middle.

mod agreement;
mod clients;
mod garbage;
mod grade;
mod impostor;
mod path;
mod policies;
mod real;
mod refused;
mod same;
mod servers;

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::proxy::PROGRAM;
use crate::support::tool;

/// The server name that is asked for.
const NAME: &str = "probe.test";

/// What a probe printed.
struct Probed {
    code: i32,
    out: String,
    err: String,
}

impl Probed {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl std::fmt::Debug for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// Probes the server at that address for [`NAME`]. All waits are short unless `more` sets them.
fn probe(address: SocketAddr, more: &[&str]) -> Probed {
    let address = address.to_string();
    let output = tool::run(PROGRAM, &[&["probe", &address, "--sni", NAME, "--timeout", "30s"], more].concat(), b"");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Probed { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["probe"][..],
        &["probe", "a.test"],
        &["probe", "127.0.0.1:0"],
        &["probe", "127.0.0.1:1", "--sni", "127.0.0.1"],
        &["probe", "127.0.0.1:1", "--expect-policy", "none-such"],
        &["probe", "127.0.0.1:1", "--same-as", "b"],
        &["probe", "127.0.0.1:1", "--assume-sole-key"],
        &["probe", "127.0.0.1:1", "--timeout", "10"],
        &["probe", "127.0.0.1:1", "--hello", "file"],
        &["probe", "127.0.0.1:1", "--markdown"],
        &["probe", "127.0.0.1:1", "--clients", "--markdown", "--format", "json"],
        &["probe", "127.0.0.1:1", "--clients", "--same-as", "127.0.0.1:1"],
        &["probe", "127.0.0.1:1", "--clients", "--expect-policy", "TLS13-1-3-2021-06"],
        &["probe", "127.0.0.1:1", "--starttls", "nntp"],
    ] {
        let output = tool::run(PROGRAM, arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", tool::shown(&output));
    }
}
