//! `frontend`, and the half of `listen` that faces clients → listeners. Must not know: servers.

use std::path::Path;

use super::acl::acl;
use super::bind::{Bind, Binding};
use super::crt_list;
use super::globals::Globals;
use super::half::Front;
use super::inherited::Whole;
use super::lines::{self, Section, Words};
use super::rules::{Rules, route};
use crate::convert::certificates::with_default;
use crate::convert::disk::Disk;
use crate::convert::job::{Job, Listener, Maybe, Mode, Said};
use crate::convert::list::List;
use crate::convert::time;

pub(super) fn frontend(
    whole: &Whole<'_>,
    globals: &Globals,
    folder: &Path,
    disk: &dyn Disk,
    job: &mut Job,
    list: &mut List,
) {
    let section = whole.section;
    let mut front = Front::default();
    // Names that conditions use may be given behind them.
    whole.lines().filter(|words| words.at(0) == "acl").for_each(|words| acl(words, &mut front.acls));
    let mut binds = Vec::new();
    for words in whole.lines() {
        match words.at(0) {
            "bind" => binds.push(Binding { folder, disk, globals, list }.bind(words)),
            _ => front.line(words, section, list),
        }
    }
    if front.disabled {
        list.note(&section.line, format!("{} {}", section.kind, section.name), "it is disabled");
        return;
    }
    if section.kind == "listen" {
        front.default = front.default.or(Some(Said::new(section.name.clone(), &section.line)));
    }
    // A `listen` with servers alone is a backend.
    let is_backend = || section.kind == "listen" && whole.lines().any(|words| words.at(0).starts_with("server"));
    if binds.is_empty() && !is_backend() {
        list.lost(&section.line, format!("{} {}", section.kind, section.name), "it listens nowhere");
    }
    for bind in binds {
        front.listener(section, bind, job, list);
    }
}

impl Front {
    fn line(&mut self, words: &Words, section: &Section, list: &mut List) {
        let line = &words.line;
        let time = || time::haproxy(words.at(2)).map(|time| Said::new(time, line));
        match (words.at(0), words.at(1)) {
            ("acl", _) => {}
            ("mode", mode) => self.http = mode == "http",
            ("disabled", _) => self.disabled = true,
            ("enabled", _) => self.disabled = false,
            ("default_backend", name) => self.default = Some(Said::new(name.to_owned(), line)),
            ("use_backend", _) => self.uses.push(words.clone()),
            ("maxconn", most) => self.listener.max_connections = most.parse().ok().filter(|most| *most > 0).map(|most| Said::new(most, line)),
            ("timeout", "client") => self.times.client = time(),
            ("timeout", "server") => self.times.server = time(),
            ("timeout", "tunnel") => self.times.tunnel = time(),
            ("timeout", "client-fin") => self.times.client_fin = time(),
            ("timeout", "server-fin") => self.times.server_fin = time(),
            ("timeout", "client-hs") => self.listener.handshake_timeout = time(),
            ("timeout", "connect" | "check" | "queue") => {}
            ("timeout", _) => list.note(line, words.shown(), "it is for HTTP"),
            ("tcp-request" | "tcp-response", _) => Rules { front: self, list }.tcp(words),
            ("http-request" | "http-response" | "http-after-response" | "block" | "reqdeny", _) => {
                lines::of_http(words, list);
            }
            ("option", option) => option_of_front(words, option, list),
            ("no", _) => list.note(line, words.shown(), "tlsgate does without it"),
            (word, _) if word == "redirect" || word.starts_with("capture") || word == "compression" => {
                list.lost(line, words.shown(), "tlsgate does not read HTTP");
            }
            ("stick-table", _) => list.lost(line, words.shown(), "tlsgate has no tables; it limits what each client may do (connection_rate_per_client, handshake_failures)"),
            ("filter" | "declare" | "monitor-uri" | "monitor" | "monitor-net", _) => list.lost(line, words.shown(), "tlsgate has nothing like it (for probes: [admin])"),
            ("rate-limit", _) => list.security(line, words.shown(), "write connection_rate"),
            (word, _) if word.starts_with("log") || word == "unique-id-format" || word == "unique-id-header" => list.note(line, words.shown(), "the logs of tlsgate are set in [log]"),
            (word, _) if UNNEEDED.contains(&word) => list.note(line, words.shown(), "tlsgate does without it"),
            // The other half reports it.
            (word, _) if OF_BACKENDS.contains(&word) => {}
            (word, _) if section.kind == "listen" && !word.is_empty() => {}
            _ => list.lost(line, words.shown(), "tlsgate has nothing like it"),
        }
    }

    fn listener(&self, section: &Section, bind: Bind, job: &mut Job, list: &mut List) {
        let wanted = match &bind.name {
            Some(name) if self.uses_of(job, &section.name) => format!("{}-{name}", section.name),
            _ => section.name.clone(),
        };
        let text = format!("{} {}", section.kind, section.name);
        let mut listener = Listener { line: bind.line.clone(), name: job.free_name(&wanted), ..self.listener.clone() };
        let times = &self.times;
        listener.idle_timeout = times.tunnel.clone().or_else(|| shorter(&times.client, &times.server));
        listener.half_close_timeout = shorter(&times.client_fin, &times.server_fin);
        if !bind.ssl && !self.waits_for_hello() {
            let why = "this address accepts connections without TLS, which is not what tlsgate is for";
            list.lost(&bind.line, text, why);
            return;
        }
        if bind.listen.is_empty() {
            return;
        }
        listener.mode = if bind.ssl { Mode::Terminate } else { Mode::Passthrough };
        for words in &self.uses {
            if let Some(route) = route(words, self, bind.ssl, list) {
                listener.routes.extend(route);
            }
        }
        super::rules::distinct(&mut listener.routes, list);
        listener.backend = self.default.clone();
        if listener.backend.is_none() {
            listener.mode = Mode::Reject;
        }
        if self.http && bind.ssl {
            let why = "mode http: tlsgate relays the bytes of HTTP and does not read them; no header is added, and servers get the client's address in a PROXY header only (proxy_protocol)";
            list.lost(&section.line, text, why);
        }
        self.of_bind(&mut listener, bind, list);
        job.listeners.push(listener);
    }

    fn of_bind(&self, listener: &mut Listener, bind: Bind, list: &mut List) {
        let Bind {
            line,
            listen,
            ssl,
            tls,
            mut certificates,
            strict,
            alpn,
            client_auth,
            trusted_proxies,
            socket_mode,
            tickets,
            ticket_keys,
            max_connections,
            lines,
            ..
        } = bind;
        listener.listen = listen;
        listener.socket_mode = socket_mode;
        listener.trusted_proxies = trusted_proxies;
        listener.max_connections = max_connections.or(listener.max_connections.take());
        if !ssl {
            return;
        }
        // The first certificate of a folder cannot be named as the default.
        if !certificates.iter().any(|one| one.value.default || one.value.is_folder) {
            with_default(&mut certificates, false);
        }
        if certificates.is_empty() && lines.is_empty() {
            list.lost(&line, "bind", "it has no certificate (crt)");
            listener.mode = Mode::Reject;
            listener.routes.clear();
        }
        listener.tls = tls.policy(list);
        if tls.server_order && tls.suites.value.contains("CHACHA20") {
            list.note(&line, "bind", "HAProxy prefers ChaCha20 for clients that prefer it; with cipher_order = \"server\" tlsgate keeps to its own order");
        }
        listener.certificates = certificates;
        if listener.backend.is_some() {
            crt_list::routes(lines, listener, list);
        }
        (listener.strict, listener.client_auth) = (strict, client_auth);
        (listener.tickets, listener.ticket_keys) = (tickets, ticket_keys);
        listener.alpn = alpn.map(|mut alpn| {
            if self.http && alpn.value.iter().any(|name| name == "h2") {
                alpn.value.retain(|name| name != "h2");
                list.lost(&alpn.line, "alpn h2", "HAProxy translates HTTP/2 for servers that have HTTP/1.1; tlsgate does not, so it is not agreed on");
            }
            alpn
        });
    }

    /// Whether there are rules for what is seen before TLS is terminated.
    fn waits_for_hello(&self) -> bool {
        let sees =
            |words: &Words| words.words.iter().any(|word| word.contains("req.ssl_") || word.contains("req_ssl_"));
        let by_name = |words: &Words| {
            words
                .words
                .iter()
                .any(|word| self.acls.get(word.trim_start_matches('!')).is_some_and(|tests| tests.iter().any(before)))
        };
        self.preread || self.uses.iter().any(|words| sees(words) || by_name(words))
    }

    fn uses_of(&self, job: &Job, name: &str) -> bool {
        job.listeners.iter().any(|listener| listener.name == name)
    }
}

fn before(test: &super::acl::Test) -> bool {
    use super::acl::Test;
    matches!(test, Test::Name { before: true, .. } | Test::Alpn { before: true, .. })
}

/// The shorter of two times: tlsgate has one for both directions.
fn shorter(one: &Maybe<String>, other: &Maybe<String>) -> Maybe<String> {
    one.iter().chain(other).min_by_key(|time| time::length(&time.value)).cloned()
}

fn option_of_front(words: &Words, option: &str, list: &mut List) {
    match option {
        "forwardfor" | "httpclose" | "http-server-close" | "http-keep-alive" | "forwarded" => {
            list.lost(&words.line, words.shown(), "tlsgate does not read HTTP")
        }
        "httplog"
        | "tcplog"
        | "dontlognull"
        | "dontlog-normal"
        | "logasap"
        | "log-separate-errors"
        | "log-health-checks" => {
            list.note(&words.line, words.shown(), "the logs of tlsgate are set in [log]");
        }
        // The other half reads them.
        option if option.ends_with("chk") || option.ends_with("-check") => {}
        _ => list.note(&words.line, words.shown(), "tlsgate does without it"),
    }
}

const UNNEEDED: &[&str] = &[
    "backlog",
    "description",
    "errorfile",
    "errorfiles",
    "errorloc",
    "errorloc302",
    "errorloc303",
    "guid",
    "id",
    "bind-process",
    "clitcpka-cnt",
    "clitcpka-idle",
    "clitcpka-intvl",
    "srvtcpka-cnt",
    "srvtcpka-idle",
    "srvtcpka-intvl",
    "email-alert",
    "max-keep-alive-queue",
];

/// Words that a frontend can only have from its defaults.
const OF_BACKENDS: &[&str] = &[
    "balance",
    "cookie",
    "default-server",
    "fullconn",
    "hash-type",
    "http-check",
    "http-reuse",
    "load-server-state-from-file",
    "persist",
    "retries",
    "retry-on",
    "server",
    "server-template",
    "source",
    "stats",
    "stick",
    "tcp-check",
    "hash-balance-factor",
    "use-server",
    "dynamic-cookie-key",
    "ignore-persist",
    "force-persist",
    "external-check",
    "dispatch",
];
