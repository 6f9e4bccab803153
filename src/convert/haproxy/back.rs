//! `backend`, and the half of `listen` that faces servers → a backend. Must not know: frontends.

use std::path::Path;

use super::checks::Checks;
use super::globals::Globals;
use super::inherited::Whole;
use super::lines::{self, Section, Words};
use super::server::Servers;
use crate::convert::job::{Backend, Health, Job, Said};
use crate::convert::list::List;
use crate::convert::time;

pub(super) fn backend(whole: &Whole<'_>, globals: &Globals, folder: &Path, job: &mut Job, list: &mut List) {
    let section = whole.section;
    let mut backend = Backend { line: section.line.clone(), name: section.name.clone(), ..Backend::default() };
    // HAProxy's own default.
    backend.balance = Some(Said::new("round_robin", &section.line));
    let mut checks = Checks { health: Health { kind: "tcp", ..Health::default() }, on: false };
    let mut servers = Servers::new(folder, globals);
    for words in whole.lines() {
        match words.at(0) {
            "server" | "server-template" => servers.server(words, &mut backend, &mut checks, list),
            "default-server" => servers.defaults.extend(words.after(1).iter().cloned()),
            "option" => option(words, &mut checks, list),
            "http-check" => http_check(words, &mut checks, list),
            _ => line(words, section, &mut backend, list),
        }
    }
    servers.finish(&mut backend, list);
    if checks.on {
        if checks.health.line.number == 0 {
            checks.health.line = section.line.clone();
        }
        backend.health = Some(checks.health);
    }
    if job.backends.iter().any(|other| other.name == backend.name) {
        list.lost(&section.line, format!("{} {}", section.kind, section.name), "another backend has this name");
        return;
    }
    job.backends.push(backend);
}

fn line(words: &Words, section: &Section, backend: &mut Backend, list: &mut List) {
    let line = &words.line;
    match (words.at(0), words.at(1)) {
        ("balance", method) => {
            let method = match method.split('(').next().unwrap_or_default() {
                "roundrobin" | "static-rr" => "round_robin",
                "leastconn" => "least_connections",
                "source" => "source_ip",
                "first" => "first",
                "random" => "random_two",
                _ => {
                    return list.lost(
                        line,
                        words.shown(),
                        "tlsgate chooses by connections, in turn, by chance or by the client's address",
                    );
                }
            };
            backend.balance = Some(Said::new(method, line));
        }
        ("timeout", "connect") => {
            backend.connect_timeout = time::haproxy(words.at(2)).map(|time| Said::new(time, line))
        }
        // In `listen` and from the defaults, the half that faces clients has it.
        ("timeout", "server" | "server-fin" | "tunnel")
            if section.kind == "backend" && line.number > section.line.number =>
        {
            list.lost(line, words.shown(), "tlsgate has this time for a listener (idle_timeout, half_close_timeout)");
        }
        ("retries", count) => {
            backend.connect_attempts = count.parse().ok().map(|count: u64| Said::new(count.saturating_add(1), line));
        }
        _ => other(words, section, list),
    }
}

/// What has no counterpart.
fn other(words: &Words, section: &Section, list: &mut List) {
    let line = &words.line;
    match (words.at(0), words.at(1)) {
        ("stick" | "stick-table", _) => list.lost(
            line,
            words.shown(),
            "tlsgate has no tables; balance = \"source_ip\" keeps a client with its server",
        ),
        (
            "cookie"
            | "http-request"
            | "http-response"
            | "http-send-name-header"
            | "compression"
            | "redirect"
            | "stats",
            _,
        ) if section.kind == "backend" || words.at(0) == "cookie" || words.at(0) == "stats" => {
            lines::of_http(words, list);
        }
        ("tcp-check" | "external-check", _) => list.lost(
            line,
            words.shown(),
            "servers are checked by accepting a connection (see [backend.NAME.health] for more)",
        ),
        ("source", _) => list.lost(line, words.shown(), "write it as source of the backend (docs/transparent.md)"),
        ("use-server" | "dispatch" | "retry-on" | "fullconn" | "hash-balance-factor", _) => {
            list.lost(line, words.shown(), "tlsgate has nothing like it");
        }
        ("tcp-request" | "tcp-response", _) if section.kind == "backend" => {
            list.security(line, words.shown(), "tlsgate decides before it chooses a backend")
        }
        (
            "mode" | "disabled" | "enabled" | "timeout" | "maxconn" | "no" | "acl" | "bind" | "default_backend"
            | "use_backend",
            _,
        ) => {}
        (
            "hash-type"
            | "http-reuse"
            | "persist"
            | "load-server-state-from-file"
            | "description"
            | "id"
            | "guid"
            | "email-alert",
            _,
        ) => {
            list.note(line, words.shown(), "tlsgate does without it");
        }
        (word, _) if word.starts_with("log") || word.starts_with("error") => {
            list.note(line, words.shown(), "the logs of tlsgate are set in [log]")
        }
        // The other half has it, or it is from the defaults.
        _ if section.kind == "listen" && OF_FRONTENDS.contains(&words.at(0)) => {}
        (word, _) if OF_FRONTENDS.contains(&word) => {}
        _ => list.lost(line, words.shown(), "tlsgate has nothing like it"),
    }
}

fn option(words: &Words, checks: &mut Checks, list: &mut List) {
    let line = &words.line;
    let health = &mut checks.health;
    let kind = match words.at(1) {
        "tcp-check" | "external-check" => "tcp",
        "ldap-check" => "ldap",
        "ssl-hello-chk" => "tls",
        "httpchk" => {
            let (method, path) = match words.after(2) {
                [] => (None, None),
                [path] => (None, Some(path)),
                [method, path, ..] => (Some(method), Some(path)),
            };
            // HAProxy asks with OPTIONS by default.
            health.method = method.cloned().or_else(|| Some("OPTIONS".into()));
            health.path = path.cloned();
            "http"
        }
        "mysql-check" | "pgsql-check" | "redis-check" | "smtpchk" | "spop-check" => {
            list.lost(
                line,
                words.shown(),
                "tlsgate checks with TCP, TLS, HTTP and LDAP: these servers are checked by accepting a connection",
            );
            "tcp"
        }
        "allbackups" => return list.lost(line, words.shown(), "tlsgate uses all backups together already"),
        _ => return,
    };
    (health.kind, health.line) = (kind, line.clone());
}

fn http_check(words: &Words, checks: &mut Checks, list: &mut List) {
    let health = &mut checks.health;
    match (words.at(1), words.at(2)) {
        ("expect", "status") => {
            health.status = words.at(3).split(',').map(str::to_owned).collect();
        }
        ("send", _) => {
            let mut rest = words.after(2).iter();
            while let Some(word) = rest.next() {
                let value = |rest: &mut std::slice::Iter<'_, String>| rest.next().cloned();
                match &**word {
                    "meth" => health.method = value(&mut rest),
                    "uri" => health.path = value(&mut rest),
                    "hdr" => match (rest.next().map(|name| name.to_ascii_lowercase()).as_deref(), rest.next()) {
                        (Some("host"), Some(host)) => health.host = Some(host.clone()),
                        _ => list.lost(&words.line, words.shown(), "tlsgate sends no other header than Host"),
                    },
                    "ver" => drop(rest.next()),
                    _ => list.lost(&words.line, words.shown(), "tlsgate has nothing like it"),
                }
            }
        }
        _ => list.lost(&words.line, words.shown(), "tlsgate has nothing like it"),
    }
}

const OF_FRONTENDS: &[&str] = &[
    "backlog",
    "capture",
    "clitcpka-cnt",
    "clitcpka-idle",
    "clitcpka-intvl",
    "declare",
    "filter",
    "http-after-response",
    "http-request",
    "http-response",
    "max-keep-alive-queue",
    "monitor",
    "monitor-net",
    "monitor-uri",
    "rate-limit",
    "srvtcpka-cnt",
    "srvtcpka-idle",
    "srvtcpka-intvl",
    "tcp-request",
    "tcp-response",
    "unique-id-format",
    "unique-id-header",
    "compression",
    "redirect",
    "bind-process",
];
