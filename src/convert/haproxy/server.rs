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
    /// The PROXY header of each server, and whether it is checked.
    ways: Vec<(Option<&'static str>, bool)>,
}

impl<'a> Servers<'a> {
    pub(super) fn new(folder: &'a Path, globals: &'a Globals) -> Self {
        Self { folder, globals, defaults: Vec::new(), sealed: Vec::new(), ways: Vec::new() }
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
        let (mut ssl, mut verified, mut is_off) = (false, !self.globals.unverified, None);
        let (mut header, mut checked, mut is_weightless) = (None, false, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &**option {
                "check" => checked = true,
                "no-check" => checked = false,
                "check-ssl" => checks.health.tls = ["http", "ldap"].contains(&checks.health.kind),
                "backup" => server.backup = true,
                "no-backup" => server.backup = false,
                "disabled" => is_off = Some("it is disabled, so it is left out"),
                "enabled" => is_off = None,
                "ssl" => ssl = true,
                "no-ssl" => ssl = false,
                "send-proxy" => header = Some("v1"),
                "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => header = Some("v2"),
                word if word.starts_with("no-send-proxy") => header = None,
                "no-verifyhost" => tls.server_name = None,
                flag if FLAGS.contains(&flag) => {}
                option => {
                    let value = options.next().map_or("", String::as_str);
                    match option {
                        "verify" => verified = value == "required",
                        // One of the defaults may be replaced by the server's own.
                        "weight" if value == "0" => is_weightless = true,
                        _ if self.of_tls(option, value, &mut tls, words, list) => {}
                        _ => {
                            is_weightless &= option != "weight";
                            of_server(option, value, words, &mut server, backend, checks, list);
                        }
                    }
                }
            }
        }
        let weightless = is_weightless.then_some("its weight is 0: it gets no connections, so it is left out");
        if let Some(why) = is_off.or(weightless) {
            list.note(line, words.shown(), why);
            return;
        }
        self.ways.push((header, checked));
        checks.on |= checked;
        if let Some(version) = header {
            backend.proxy_protocol.get_or_insert_with(|| Said::new(version, line));
        }
        if ssl {
            self.sealed.push((tls, verified));
        }
        backend.servers.push(Said::new(server, line));
    }

    /// Whether the option is one of TLS.
    fn of_tls(&self, option: &str, value: &str, tls: &mut ServerTls, words: &Words, list: &mut List) -> bool {
        let file = |base: &Option<String>| {
            let folder = base.as_ref().map_or_else(|| self.folder.to_owned(), |base| absolute(base, self.folder));
            Some(absolute(value, &folder).display().to_string())
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
        let first = self.ways.first();
        if self.ways.iter().any(|other| first.is_some_and(|first| first.0 != other.0)) {
            let why = "servers of one backend of tlsgate get the same PROXY header: make another backend for those that get another, or none";
            list.lost(&backend.line, format!("backend {}: send-proxy", backend.name), why);
        }
        if self.ways.iter().any(|other| first.is_some_and(|first| first.1 != other.1)) {
            list.note(
                &backend.line,
                format!("backend {}: check", backend.name),
                "tlsgate checks all servers of a backend, or none",
            );
        }
        let Some((tls, verified)) = self.sealed.first() else { return };
        let mut tls = tls.clone();
        if self.sealed.iter().any(|(other, _)| ServerTls { line: tls.line.clone(), ..other.clone() } != tls)
            || self.sealed.len() != self.ways.len()
        {
            list.lost(
                &tls.line,
                "server",
                "servers of one backend of tlsgate have the same TLS: it is that of the first one, also the name that is verified",
            );
        }
        // A single name is verified by itself.
        let alone = matches!(&*backend.servers, [one] if one.value.address.starts_with("dns:"));
        if !verified || tls.ca.is_none() {
            let why = "the servers' certificates are not verified (verify required, ca-file), which tlsgate does not do; write [backend.NAME.tls] with ca or pins";
            list.security(&tls.line, format!("backend {}: ssl", backend.name), why);
            backend.unusable = true;
        } else if tls.server_name.is_none() && !alone {
            tls.server_name = backend.servers.first().and_then(|server| host(&server.value.address));
            let why =
                "without verifyhost or sni, HAProxy verifies no name; tlsgate verifies this one: write the right one";
            list.lost(&tls.line, "server_name", why);
            if self.ways.len() > 1 {
                let why = "tlsgate verifies one name for all servers of a backend: those whose certificates do not have that of the first one cannot be reached; write a name that all of them have, or backends of their own";
                list.lost(&tls.line, format!("backend {}: server_name", backend.name), why);
            }
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

/// The IP address, or the name, of a server as tlsgate writes it.
fn host(address: &str) -> Option<String> {
    match address.strip_prefix("dns:") {
        Some(name) => name.rsplit_once(':').map(|(host, _)| host.to_owned()),
        None => address.parse::<std::net::SocketAddr>().ok().map(|address| address.ip().to_string()),
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
    "check-reuse-pool",
    "check-send-proxy",
    "check-sni-auto",
    "check-via-socks4",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "no-agent-check",
    "no-check-reuse-pool",
    "no-check-send-proxy",
    "no-check-sni-auto",
    "no-check-ssl",
    "no-renegotiate",
    "no-sni-auto",
    "no-ssl-reuse",
    "no-sslv3",
    "no-tfo",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "non-stick",
    "renegotiate",
    "sni-auto",
    "ssl-reuse",
    "stick",
    "strict-maxconn",
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
    "cc",
    "check-alpn",
    "check-pool-conn-name",
    "check-proto",
    "check-sni",
    "downinter",
    "error-limit",
    "fastinter",
    "guid",
    "hash-key",
    "healthcheck",
    "id",
    "idle-ping",
    "init-addr",
    "init-state",
    "ktls",
    "log-bufsize",
    "log-proto",
    "max-reuse",
    "maxqueue",
    "minconn",
    "namespace",
    "npn",
    "observe",
    "on-error",
    "on-marked-down",
    "on-marked-up",
    "pool-conn-name",
    "pool-low-conn",
    "pool-max-conn",
    "pool-purge-delay",
    "proto",
    "proxy-v2-options",
    "quic-cc-algo",
    "resolve-net",
    "resolve-opts",
    "resolve-prefer",
    "resolvers",
    "shard",
    "tcp-ut",
    "track",
    "ws",
];
