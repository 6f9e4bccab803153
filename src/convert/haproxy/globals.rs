//! `global` of HAProxy, as far as it says how TLS is done. Must not know: frontends and backends.

use super::lines::Words;
use crate::convert::job::Said;
use crate::convert::list::{Line, List};
use crate::convert::tls::Tls;

/// What applies to every `bind`.
#[derive(Debug, Clone)]
pub(super) struct Globals {
    pub(super) tls: Tls,
    /// Words of `ssl-default-bind-options`: those with a value have it in the same text.
    pub(super) bind_options: Vec<Said<String>>,
    pub(super) crt_base: Option<String>,
    pub(super) ca_base: Option<String>,
    /// Whether servers are not verified unless they say so.
    pub(super) unverified: bool,
}

impl Globals {
    pub(super) fn new() -> Self {
        // HAProxy's default is that of OpenSSL.
        let tls = Tls::new(&Line::default(), "DEFAULT", true);
        Self { tls, bind_options: Vec::new(), crt_base: None, ca_base: None, unverified: false }
    }

    pub(super) fn read(&mut self, words: &Words, list: &mut List) {
        let line = &words.line;
        let value = || Said::new(words.at(1).to_owned(), line);
        match words.at(0) {
            "ssl-default-bind-ciphers" => self.tls.ciphers = value(),
            "ssl-default-bind-ciphersuites" => self.tls.suites = value(),
            "ssl-default-bind-curves" => self.tls.groups = Some(value()),
            "ssl-default-bind-options" => self.options(words, list),
            "crt-base" => self.crt_base = Some(value().value),
            "ca-base" => self.ca_base = Some(value().value),
            "ssl-server-verify" => self.unverified = words.at(1) == "none",
            "log" | "log-tag" | "log-send-hostname" => {
                list.note(line, words.shown(), "the logs of tlsgate are set in [log]")
            }
            "stats" => list.lost(line, words.shown(), "tlsgate has [admin] for this"),
            "user" | "group" | "uid" | "gid" | "chroot" => {
                list.note(line, words.shown(), "tlsgate has [process] for this")
            }
            "maxconn" => list.note(
                line,
                words.shown(),
                "connections are limited for each listener (max_connections), and by memory and descriptors",
            ),
            "ssl-default-bind-sigalgs" | "ssl-default-bind-client-sigalgs" => {
                list.lost(
                    line,
                    words.shown(),
                    "tlsgate signs in every scheme that its certificates and the client have in common",
                );
            }
            word if word.starts_with("ssl-default-server-") => list.note(
                line,
                words.shown(),
                "TLS to servers has tlsgate's default policy; see policy in [backend.NAME.tls]",
            ),
            "setenv" | "presetenv" => list.lost(line, words.shown(), "variables of the environment are not put in"),
            "hard-stop-after" => list.note(line, words.shown(), "tlsgate has shutdown_timeout for this"),
            word if is_unneeded(word) => list.note(line, words.shown(), "tlsgate does without it"),
            _ => list.lost(line, words.shown(), "tlsgate has nothing like it"),
        }
    }

    fn options(&mut self, words: &Words, list: &mut List) {
        let mut options = words.after(1).iter();
        while let Some(option) = options.next() {
            match &**option {
                "ssl-min-ver" | "ssl-max-ver" => {
                    let version = options.next().and_then(|value| crate::convert::tls::Version::named(value));
                    match version {
                        Some(version) if option == "ssl-min-ver" => self.tls.from(version),
                        Some(version) => self.tls.up_to(version),
                        None => list.lost(&words.line, option, "unknown version"),
                    }
                    self.tls.line = words.line.clone();
                }
                _ => self.bind_options.push(Said::new(option.clone(), &words.line)),
            }
        }
    }
}

fn is_unneeded(word: &str) -> bool {
    let begins =
        ["tune.", "nb", "max", "cpu-", "no", "profiling.", "h1-", "h2-", "thread-", "lua-", "ssl-load-", "ssl-dh-"];
    let words = [
        "ca-base",
        "daemon",
        "master-worker",
        "mworker-max-reloads",
        "pidfile",
        "ulimit-n",
        "description",
        "node",
        "grace",
        "spread-checks",
        "busy-polling",
        "external-check",
        "insecure-fork-wanted",
        "server-state-base",
        "server-state-file",
        "unix-bind",
        "zero-warning",
        "expose-experimental-directives",
        "localpeer",
        "default-path",
        "quick",
        "quiet",
        "numa-cpu-mapping",
        "close-spread-time",
        "set-dumpable",
        "issuers-chain-path",
        "ssl-mode-async",
        "ssl-engine",
        "ssl-propquery",
        "ssl-provider",
        "ssl-provider-path",
        "ssl-security-level",
        "ssl-skip-self-issued-ca",
        "strict-limits",
        "wurfl-data-file",
        "harden.reject-privileged-ports.tcp",
    ];
    begins.iter().any(|begin| word.starts_with(begin)) || words.contains(&word)
}
