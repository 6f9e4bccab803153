//! A token of a process that has given up its rights.

use std::fs;

use crate::process::upgrade::Successor;
use crate::support::pki::Key;
use crate::support::proxy::Proxy;
use crate::support::reports::verified;
use crate::support::tool;

use super::scene::{Token, config, openssl};

/// As anyone but root, the process stays who it is; the rest is the same.
#[test]
fn a_restricted_process_signs_and_so_does_the_one_that_takes_over() {
    let token = Token::with(&[("a.test", Key::Rsa2048)]);
    let is_root = nix::unistd::geteuid().is_root();
    let user = if is_root { "user = \"nobody\"\n" } else { "" };
    let with = |sandbox: &str| {
        let top = format!("[process]\n{user}sandbox = \"{sandbox}\"\nsandbox_paths = [\"hsm\"]\n");
        config(&top, &[token.source("a.test")], "", "127.0.0.1:1")
    };
    if is_root {
        let folder = token.pki.folder().to_str().unwrap().to_owned();
        assert!(tool::run("chown", &["-R", "nobody", &folder], b"").status.success());
    }
    // As much as the kernel offers.
    let all = token.check(&with("require")).0["ok"] == true;
    let path = token.configure(&with(if all { "require" } else { "auto" }));
    let mut command = std::process::Command::new(if is_root { "env" } else { "unshare" });
    if !is_root {
        command.arg("--map-root-user");
    }
    command.args([crate::support::proxy::PROGRAM, "run", "-c"]).arg(&path);
    token.equip(&mut command);
    let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{log}"));
    let line = proxy.log_line("rights given up");
    assert!(!all || line.contains("seccomp") && line.contains("Landlock"), "{line}");
    let served = || verified(&openssl(&proxy, &token.pki.ca(), "a.test", &[]));
    assert!(served());
    let successor = Successor::of(&proxy);
    assert!(served());
    let status = fs::read_to_string(format!("/proc/{}/status", successor.pid())).unwrap();
    assert!(!all || status.contains("Seccomp:\t2"), "{status}");
}
