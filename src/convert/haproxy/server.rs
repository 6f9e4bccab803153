//! `server` of HAProxy → servers of a backend, and TLS to them. Must not know: frontends.

use std::path::Path;

use super::checks::Checks;
use super::globals::Globals;
use super::lines::Words;
use crate::convert::certificates::absolute;
use crate::convert::job::{Backend, Said, Server, ServerTls};
use crate::convert::list::List;
use crate::convert::place;
use crate::convert::time;

/// The servers of one backend.
pub(super) struct Servers<'a> {
    folder: &'a Path,
    globals: &'a Globals,
    /// Words of `default-server`.
    pub(super) defaults: Vec<String>,
    /// The TLS of each server that has some.
    sealed: Vec<(ServerTls, bool)>,
    all: usize,
}

impl<'a> Servers<'a> {
    pub(super) fn new(folder: &'a Path, globals: &'a Globals) -> Self {
        Self { folder, globals, defaults: Vec::new(), sealed: Vec::new(), all: 0 }
    }

    pub(super) fn server(&mut self, words: &Words, backend: &mut Backend, checks: &mut Checks, list: &mut List) {
        let line = &words.line;
        let is_template = words.at(0) == "server-template";
        let at = if is_template { 3 } else { 2 };
        let Some(address) = address(words.at(at)) else {
            list.lost(line, words.shown(), "expected an address, or a name, with a port");
            return;
        };
        let mut server = Server { address, ..Server::default() };
        let options: Vec<String> = self.defaults.iter().chain(words.after(at + 1)).cloned().collect();
        let mut tls = ServerTls { line: line.clone(), ..ServerTls::default() };
        let (mut ssl, mut verified, mut is_off) = (false, !self.globals.unverified, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &**option {
                "check" => checks.on = true,
                "no-check" => checks.on = false,
                "check-ssl" => checks.health.tls = ["http", "ldap"].contains(&checks.health.kind),
                "backup" => server.backup = true,
                "disabled" => is_off = true,
                "ssl" => ssl = true,
                "no-ssl" => ssl = false,
                "send-proxy" => backend.proxy_protocol = Some(Said::new("v1", line)),
                "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
                    backend.proxy_protocol = Some(Said::new("v2", line))
                }
                flag if FLAGS.contains(&flag) => {}
                option => {
                    let value = options.next().map_or("", String::as_str);
                    match option {
                        "verify" => verified = value == "required",
                        _ if self.of_tls(option, value, &mut tls, words, list) => {}
                        _ => of_server(option, value, words, &mut server, backend, checks, list),
                    }
                }
            }
        }
        if is_off {
            list.note(line, words.shown(), "it is disabled, so it is left out");
            return;
        }
        self.all += 1;
        if ssl {
            self.sealed.push((tls, verified));
        }
        backend.servers.push(Said::new(server, line));
    }

    /// Whether the option is one of TLS.
    fn of_tls(&self, option: &str, value: &str, tls: &mut ServerTls, words: &Words, list: &mut List) -> bool {
        let file = |base: &Option<String>| {
            let folder = base.as_ref().map_or_else(|| self.folder.to_owned(), |base| absolute(base, self.folder));
            Some(folder.join(value).display().to_string())
        };
        match option {
            "ca-file" if value == "@system-ca" => {
                tls.ca = Some(SYSTEM.to_owned());
                list.note(
                    &words.line,
                    "ca-file @system-ca",
                    "Debian's file of the system's roots is named in its place",
                );
            }
            "ca-file" => tls.ca = file(&self.globals.ca_base),
            "crt" => {
                tls.cert = file(&self.globals.crt_base);
                tls.key.clone_from(&tls.cert);
            }
            "verifyhost" => tls.server_name = Some(value.to_owned()),
            "sni" => match value.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')')) {
                Some(name) => drop(tls.server_name.get_or_insert_with(|| name.to_owned())),
                None => list.lost(
                    &words.line,
                    format!("sni {value}"),
                    "tlsgate sends the name that it verifies, the same to all",
                ),
            },
            "alpn" => tls.alpn = value.split(',').map(str::to_owned).collect(),
            "crl-file" => list.security(
                &words.line,
                format!("crl-file {value}"),
                "tlsgate reads lists of revoked certificates for clients only",
            ),
            "ciphers" | "ciphersuites" | "curves" | "ssl-min-ver" | "ssl-max-ver" | "sigalgs" | "client-sigalgs" => {
                list.note(
                    &words.line,
                    format!("{option} {value}"),
                    "TLS to servers has tlsgate's default policy; see policy in [backend.NAME.tls]",
                );
            }
            _ => return false,
        }
        true
    }

    /// One backend has one kind of connections to its servers.
    pub(super) fn finish(self, backend: &mut Backend, list: &mut List) {
        let Some((tls, verified)) = self.sealed.first() else { return };
        let mut tls = tls.clone();
        if self.sealed.iter().any(|(other, _)| ServerTls { line: tls.line.clone(), ..other.clone() } != tls)
            || self.sealed.len() != self.all
        {
            list.lost(
                &tls.line,
                "server",
                "servers of one backend of tlsgate have the same TLS: it is that of the first one",
            );
        }
        let nameless =
            tls.server_name.is_none() && !backend.servers.iter().all(|server| server.value.address.starts_with("dns:"));
        if !verified || tls.ca.is_none() {
            let why = "the servers' certificates are not verified (verify required, ca-file), which tlsgate does not do; write [backend.NAME.tls] with ca or pins";
            list.security(&tls.line, format!("backend {}: ssl", backend.name), why);
            backend.unusable = true;
        } else if nameless {
            let ip =
                backend.servers.first().and_then(|server| server.value.address.parse::<std::net::SocketAddr>().ok());
            tls.server_name = ip.map(|address| address.ip().to_string());
            let why =
                "without verifyhost or sni, HAProxy verifies no name; tlsgate verifies this one: write the right one";
            list.lost(&tls.line, "server_name", why);
            backend.unusable = tls.server_name.is_none();
        }
        backend.tls = Some(tls);
    }
}

fn of_server(
    option: &str,
    value: &str,
    words: &Words,
    server: &mut Server,
    backend: &mut Backend,
    checks: &mut Checks,
    list: &mut List,
) {
    let line = &words.line;
    let number = value.parse::<u64>().ok();
    match option {
        "weight" => match number {
            Some(0) => list.lost(
                line,
                "weight 0",
                "a server without new connections is set to drain through the admin API; here it has the weight 1",
            ),
            Some(weight) => server.weight = Some(weight.min(256)).filter(|weight| *weight != 1),
            None => list.lost(line, format!("weight {value}"), "expected a number"),
        },
        "maxconn" => server.max_connections = number.filter(|most| *most > 0),
        "inter" => checks.health.interval = time::haproxy(value),
        "rise" => checks.health.rise = number,
        "fall" => checks.health.fall = number,
        "port" => checks.health.port = number,
        "slowstart" => backend.slow_start = time::haproxy(value).map(|time| Said::new(time, line)),
        "on-marked-down" if value == "shutdown-sessions" => backend.close_on_down = Some(Said::new((), line)),
        "cookie" | "redir" => list.lost(line, format!("{option} {value}"), "tlsgate does not read HTTP"),
        option if VALUES.contains(&option) => list.note(line, format!("{option} {value}"), "tlsgate does without it"),
        _ => list.lost(line, format!("{option} {value}"), "tlsgate has nothing like it"),
    }
}

/// `HOST:PORT`, a path, or the name of records.
fn address(text: &str) -> Option<String> {
    let text = text.strip_prefix("ipv4@").or(text.strip_prefix("ipv6@")).unwrap_or(text);
    if let Some(path) = text.strip_prefix("unix@").or_else(|| text.starts_with('/').then_some(text)) {
        return Some(format!("unix:{path}"));
    }
    if text.starts_with('_') && place::is_name(text) {
        return Some(format!("srv:{text}"));
    }
    let (host, port) = text.rsplit_once(':')?;
    place::server(host, port.parse().ok()?)
}

/// The system's roots, as Debian has them.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Options without a value that change nothing here.
const FLAGS: &[&str] = &[
    "allow-0rtt",
    "check-send-proxy",
    "check-via-socks4",
    "enabled",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "no-backup",
    "no-check-ssl",
    "no-send-proxy",
    "no-send-proxy-v2",
    "no-ssl-reuse",
    "no-sslv3",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "no-verifyhost",
    "non-stick",
    "ssl-reuse",
    "tfo",
    "tls-tickets",
];

const VALUES: &[&str] = &[
    "addr",
    "agent-addr",
    "agent-check",
    "agent-inter",
    "agent-port",
    "agent-send",
    "check-alpn",
    "check-proto",
    "check-sni",
    "downinter",
    "error-limit",
    "fastinter",
    "id",
    "init-addr",
    "log-proto",
    "max-reuse",
    "maxqueue",
    "minconn",
    "observe",
    "on-error",
    "on-marked-down",
    "on-marked-up",
    "pool-low-conn",
    "pool-max-conn",
    "pool-purge-delay",
    "proto",
    "resolve-net",
    "resolve-opts",
    "resolve-prefer",
    "resolvers",
    "tcp-ut",
    "track",
];
