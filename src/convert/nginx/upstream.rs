//! `upstream` of nginx → a backend. Must not know: who passes connections to it.

use super::Reader;
use super::address::address;
use super::blocks::Directive;
use crate::convert::job::{Backend, Said};

impl Reader<'_> {
    pub(super) fn upstream(&mut self, directive: &Directive, entries: &[Directive]) {
        let line = &directive.line;
        let name = directive.first().to_owned();
        // nginx's own default.
        let mut backend =
            Backend { name, line: line.clone(), balance: Some(Said::new("round_robin", line)), ..Backend::default() };
        for entry in entries {
            let balance = |method| Some(Said::new(method, &entry.line));
            match (&*entry.name, entry.first()) {
                ("server", _) => self.upstream_server(entry, &mut backend),
                ("least_conn", _) => backend.balance = balance("least_connections"),
                ("random", _) => backend.balance = balance("random_two"),
                ("hash", "$remote_addr" | "$binary_remote_addr") => backend.balance = balance("source_ip"),
                ("hash", _) => self.list.lost(
                    &entry.line,
                    entry.shown(),
                    "tlsgate chooses by the client's address at most (source_ip)",
                ),
                ("least_time", _) => {
                    backend.balance = balance("least_connections");
                    self.list.lost(
                        &entry.line,
                        entry.shown(),
                        "tlsgate does not measure servers' answers; it takes the one with the fewest connections",
                    );
                }
                ("zone" | "resolver_timeout", _) => {
                    self.list.note(&entry.line, entry.shown(), "tlsgate does without it")
                }
                ("resolver", _) => self.resolver(entry),
                _ => self.list.lost(&entry.line, entry.shown(), "tlsgate has nothing like it"),
            }
        }
        if self.job.backends.iter().any(|other| other.name == backend.name) {
            self.list.lost(line, directive.shown(), "another upstream has this name");
            return;
        }
        self.job.backends.push(backend);
    }

    fn upstream_server(&mut self, entry: &Directive, backend: &mut Backend) {
        let options = entry.arguments.get(1..).unwrap_or_default();
        let Some(mut server) = address(entry.first(), Some(options)) else {
            self.list.lost(&entry.line, entry.shown(), "expected an address, or a name, with a port");
            return;
        };
        for option in options {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match (key, value.parse::<u64>()) {
                ("weight", Ok(weight)) if (1..=1000).contains(&weight) => {
                    server.weight = Some(weight).filter(|weight| *weight != 1)
                }
                ("max_conns", Ok(0)) => {}
                ("max_conns", Ok(most)) => server.max_connections = Some(most),
                ("backup", _) => server.backup = true,
                ("down", _) => {
                    self.list.note(&entry.line, entry.shown(), "it is down, so it is left out");
                    return;
                }
                ("resolve" | "service", _) => {}
                ("max_fails" | "fail_timeout", _) => {
                    self.list.note(
                        &entry.line,
                        option,
                        "tlsgate passes over a server after its first failure, for fail_timeout",
                    );
                }
                ("slow_start", _) => {
                    backend.slow_start = crate::convert::time::nginx(value).map(|time| Said::new(time, &entry.line))
                }
                _ => self.list.lost(&entry.line, format!("{}: {option}", entry.first()), "tlsgate has nothing like it"),
            }
        }
        backend.servers.push(Said::new(server, &entry.line));
    }

    pub(super) fn resolver(&mut self, entry: &Directive) {
        let servers = entry.arguments.iter().filter(|argument| !argument.contains('='));
        let (plain, names): (Vec<_>, Vec<_>) = servers.partition(|server| {
            server.parse::<std::net::IpAddr>().is_ok() || server.parse::<std::net::SocketAddr>().is_ok()
        });
        if !names.is_empty() {
            self.list.lost(&entry.line, entry.shown(), "name servers of tlsgate are IP addresses");
        }
        if !plain.is_empty() {
            self.job.resolver = Some(Said::new(plain.into_iter().cloned().collect(), &entry.line));
        }
    }
}
