//! `tlsgate explain` names the route that a connection really takes.

use super::{OWN, answers_once, config, pki};
use crate::support::backend::Backend;
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn explain_names_the_route_and_what_is_done_there() {
    let (pki, plain, echo) = (pki(), answers_once(), Backend::echo());
    let routes = [
        "name = \"vault\"\nserver_names = [\"*.pass.test\"]\nmode = \"passthrough\"\nbackend = \"echo\"",
        "server_names = [\"no.test\"]\nmode = \"reject\"",
        "name = \"mail\"\nserver_names = [\"main.test\"]\nclient_alpn = [\"imap\"]",
    ];
    let path = pki.folder().join("tlsgate.toml");
    std::fs::write(&path, config(OWN, &routes, &[("plain", plain.address), ("echo", echo.address)])).unwrap();
    let explain = |more: &[&str]| {
        let arguments = [&["explain", "-c", path.to_str().unwrap()], more].concat();
        let output = tool::run(PROGRAM, &arguments, b"");
        (output.status.code(), tool::shown(&output))
    };
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["--sni", "a.pass.test"], 0, &["route        vault: passthrough, backend echo", "PASSED ON"]),
        (&["--sni", "a.pass.test", "--tls", "1.1"], 0, &["route        vault: passthrough", "PASSED ON"]),
        (&["--sni", "no.test"], 1, &["route        no.test: reject\n", "unrecognized_name (112)"]),
        (&["--sni", "main.test"], 0, &["route        default: terminate, backend plain", "main.crt"]),
        (&["--sni", "main.test", "--alpn", "h2,imap"], 0, &["route        mail: terminate", "ALPN h2 imap"]),
        (&["--sni", "a.pass.test", "--alpn", "acme-tls/1"], 1, &["no_application_protocol (120)"]),
    ];
    for (asked, code, expected) in cases {
        let (status, printed) = explain(asked);
        assert_eq!(status, Some(code), "{asked:?}: {printed}");
        for expected in expected {
            assert!(printed.contains(expected), "{asked:?}, wanted {expected:?}: {printed}");
        }
    }
}
