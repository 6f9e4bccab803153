//! `bind` of HAProxy: addresses and their TLS. Must not know: what is done with connections.

use std::path::{Path, PathBuf};

use super::globals::Globals;
use super::lines::Words;
use crate::convert::certificates::{absolute, combined, folder, is_elsewhere, said};
use crate::convert::disk::Disk;
use crate::convert::job::{Certificate, ClientAuth, Maybe, Said};
use crate::convert::list::{Line, List};
use crate::convert::place;
use crate::convert::tls::{Tls, Version};

/// A line of `bind`, read.
#[derive(Debug, Clone)]
pub(super) struct Bind {
    pub(super) line: Line,
    pub(super) listen: Vec<Said<String>>,
    pub(super) name: Option<String>,
    pub(super) ssl: bool,
    pub(super) tls: Tls,
    pub(super) certificates: Vec<Said<Certificate>>,
    pub(super) strict: Maybe<()>,
    pub(super) alpn: Maybe<Vec<String>>,
    pub(super) client_auth: Option<ClientAuth>,
    pub(super) trusted_proxies: Maybe<Vec<String>>,
    pub(super) socket_mode: Maybe<String>,
    pub(super) tickets: Maybe<bool>,
    pub(super) ticket_keys: Maybe<String>,
    pub(super) max_connections: Maybe<u64>,
    /// Lines of lists of certificates with options of their own.
    pub(super) lines: Vec<Own>,
}

/// Certificates of a list, with the options of their line.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) line: Line,
    /// For which names they are. Not empty.
    pub(super) names: Vec<String>,
    pub(super) certificates: Vec<Said<Certificate>>,
    /// As they are written, until the whole line of `bind` is read.
    pub(super) options: Vec<String>,
    pub(super) tls: Tls,
    pub(super) client_auth: Option<ClientAuth>,
}

/// What a line is read with.
pub(super) struct Binding<'a> {
    pub(super) folder: &'a Path,
    pub(super) disk: &'a dyn Disk,
    pub(super) globals: &'a Globals,
    pub(super) list: &'a mut List,
}

impl Binding<'_> {
    pub(super) fn bind(&mut self, words: &Words) -> Bind {
        let line = &words.line;
        let mut bind = Bind {
            line: line.clone(),
            listen: Vec::new(),
            name: None,
            ssl: false,
            tls: self.globals.tls.clone(),
            certificates: Vec::new(),
            strict: None,
            alpn: None,
            client_auth: None,
            trusted_proxies: None,
            socket_mode: None,
            tickets: None,
            ticket_keys: None,
            max_connections: None,
            lines: Vec::new(),
        };
        let both = words.after(2).iter().any(|word| word == "v4v6");
        for address in words.at(1).split(',') {
            match addresses(address, both) {
                Some(all) => bind.listen.extend(all.into_iter().map(|address| Said::new(address, line))),
                None => self.list.lost(
                    line,
                    format!("bind {address}"),
                    "expected an IP address and a port, or the path of a socket",
                ),
            }
        }
        for option in &self.globals.bind_options {
            self.version(&option.value, &option.line, None, &mut bind);
        }
        self.options(words.after(2), line, &mut bind);
        // What a line of a list does not say is as in the whole of `bind`.
        for mut own in std::mem::take(&mut bind.lines) {
            let mut whole = Bind { alpn: None, ..bind.clone() };
            self.options(&own.options, &own.line, &mut whole);
            if let Some(Said { value, line }) = whole.alpn {
                self.list.lost(
                    &line,
                    format!("alpn {}", value.join(",")),
                    "routes of tlsgate have the protocols of their listener",
                );
            }
            (own.tls, own.client_auth) = (whole.tls, self.asked(whole.client_auth));
            bind.lines.push(own);
        }
        bind.client_auth = self.asked(bind.client_auth);
        bind
    }

    fn options(&mut self, options: &[String], line: &Line, bind: &mut Bind) {
        let mut options = options.iter();
        while let Some(option) = options.next() {
            if ALONE.contains(&&**option) {
                self.flag(option, line, bind);
                continue;
            }
            // All others have a value.
            let value = options.next().map_or("", String::as_str);
            self.option(option, value, line, bind);
        }
    }

    /// What clients are asked for, if they are asked at all.
    fn asked(&mut self, auth: Option<ClientAuth>) -> Option<ClientAuth> {
        auth.filter(|auth| auth.line.number > 0 && self.has_ca(auth))
    }

    fn has_ca(&mut self, auth: &ClientAuth) -> bool {
        if auth.ca.is_empty() {
            self.list.security(&auth.line, "verify", "there is no ca-file, so no client is asked for a certificate");
        }
        !auth.ca.is_empty()
    }

    fn flag(&mut self, option: &str, line: &Line, bind: &mut Bind) {
        match option {
            "ssl" => bind.ssl = true,
            "strict-sni" => bind.strict = Some(Said::new((), line)),
            "accept-proxy" => {
                let why = "HAProxy trusts a header from everybody who connects, and so does this: list your proxies in trusted_proxies";
                self.list.security(line, option, why);
                bind.trusted_proxies = Some(Said::new(["0.0.0.0/0", "::/0"].map(str::to_owned).to_vec(), line));
            }
            "prefer-client-ciphers" => bind.tls.server_order = false,
            "no-tls-tickets" => self.no_tickets(line, bind),
            "tls-tickets" => bind.tickets = None,
            "no-strict-sni" => bind.strict = None,
            "v4v6" | "v6only" => {}
            "generate-certificates" => self.list.lost(line, option, "tlsgate makes no certificates on the fly"),
            "allow-0rtt" => self.list.lost(line, option, "tlsgate accepts no early data, which can be replayed"),
            "defer-accept" | "no-ca-names" | "no-alpn" | "tfo" | "transparent" | "quic-force-retry" => {
                self.list.note(line, option, "tlsgate does without it");
            }
            other => self.version(other, line, None, bind),
        }
    }

    fn no_tickets(&mut self, line: &Line, bind: &mut Bind) {
        bind.tickets = Some(Said::new(false, line));
        let why =
            "HAProxy still resumes sessions of TLS 1.2 by id; tlsgate resumes by id only where it has tickets too";
        self.list.lost(line, "no-tls-tickets", why);
    }

    /// Options of versions, which are also global. A line without a place of its own is that of the option.
    fn version(&mut self, option: &str, line: &Line, value: Option<&str>, bind: &mut Bind) {
        let removed = option.strip_prefix("no-").and_then(Version::named);
        let only = option.strip_prefix("force-").and_then(Version::named);
        match (removed, only, option, value.map(Version::named)) {
            (Some(version), ..) => drop(bind.tls.versions.remove(&version)),
            (_, Some(version), ..) => bind.tls.versions = [version].into(),
            (_, _, "ssl-min-ver", Some(Some(version))) => bind.tls.from(version),
            (_, _, "ssl-max-ver", Some(Some(version))) => bind.tls.up_to(version),
            (_, _, "no-tls-tickets", _) => return self.no_tickets(line, bind),
            (_, _, "prefer-client-ciphers", _) => return bind.tls.server_order = false,
            (_, _, "strict-sni", _) => return bind.strict = Some(Said::new((), line)),
            _ => {
                let text = format!("{option} {}", value.unwrap_or_default());
                return self.list.lost(line, text.trim(), "tlsgate has nothing like it");
            }
        }
        bind.tls.line = line.clone();
    }

    fn option(&mut self, option: &str, value: &str, line: &Line, bind: &mut Bind) {
        let said = || Said::new(value.to_owned(), line);
        let text = || format!("{option} {value}");
        match option {
            "crt" => {
                let path = self.file(value, self.globals.crt_base.as_deref());
                self.crt(&path, line, bind);
            }
            "default-crt" => {
                let path = self.file(value, self.globals.crt_base.as_deref());
                let before = bind.certificates.len();
                self.crt(&path, line, bind);
                bind.certificates[before..].iter_mut().for_each(|certificate| certificate.value.default = true);
            }
            "crt-list" => self.crt_list(value, line, bind),
            "ca-file" if value.starts_with('@') => {
                self.list.security(line, text(), "tlsgate asks for the file of a CA of yours")
            }
            "ca-file" => {
                let ca = self.file(value, self.globals.ca_base.as_deref()).display().to_string();
                bind.client_auth.get_or_insert_default().ca.push(ca);
            }
            "ca-verify-file" => {
                let ca = self.file(value, self.globals.ca_base.as_deref()).display().to_string();
                bind.client_auth.get_or_insert_default().ca.push(ca);
                self.list.note(line, text(), "tlsgate also sends the names of these CAs to clients");
            }
            "crl-file" => {
                let crl = self.file(value, self.globals.ca_base.as_deref()).display().to_string();
                bind.client_auth.get_or_insert_default().crl.push(crl);
            }
            "verify" => {
                let auth = bind.client_auth.get_or_insert_default();
                auth.line = if value == "none" { Line::default() } else { line.clone() };
                auth.required = value == "required";
            }
            "ciphers" => bind.tls.ciphers = said(),
            "ciphersuites" => bind.tls.suites = said(),
            "curves" | "ecdhe" => bind.tls.groups = Some(said()),
            "alpn" => {
                bind.alpn = Some(Said::new(
                    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                    line,
                ))
            }
            "ssl-min-ver" | "ssl-max-ver" => self.version(option, line, Some(value), bind),
            _ => self.other(option, value, line, bind),
        }
    }

    /// Options that are not about TLS, and those that have no counterpart.
    fn other(&mut self, option: &str, value: &str, line: &Line, bind: &mut Bind) {
        let text = || format!("{option} {value}");
        match option {
            "tls-ticket-keys" => bind.ticket_keys = Some(Said::new(self.file(value, None).display().to_string(), line)),
            "mode" => bind.socket_mode = Some(Said::new(format!("{value:0>4}"), line)),
            "maxconn" => bind.max_connections = value.parse().ok().map(|most| Said::new(most, line)),
            "name" => bind.name = Some(value.to_owned()),
            "user" | "group" | "uid" | "gid" => {
                self.list.security(
                    line,
                    text(),
                    "tlsgate makes sockets for its own user: set socket_mode, and [process]",
                );
            }
            "ca-ignore-err" | "crt-ignore-err" | "accept-netscaler-cip" | "tcp-md5sig" | "client-sigalgs" => {
                self.list.security(line, text(), "tlsgate has nothing like it");
            }
            "sigalgs" => self.list.lost(
                line,
                text(),
                "tlsgate signs in every scheme that its certificates and the client have in common",
            ),
            option if UNNEEDED.contains(&option) => self.list.note(line, text(), "tlsgate does without it"),
            _ => self.list.lost(line, text(), "tlsgate has nothing like it"),
        }
    }

    /// A file or a folder. A bundle has a file for each kind of key, and is named without their endings.
    pub(super) fn crt(&mut self, path: &Path, line: &Line, bind: &mut Bind) {
        if self.disk.folder(path).is_ok() {
            bind.certificates.extend(folder(path, None, line, self.disk, self.list));
            return;
        }
        let bundled = BUNDLE.iter().map(|ending| PathBuf::from(format!("{}.{ending}", path.display())));
        let bundled: Vec<PathBuf> = bundled.filter(|file| self.disk.has_key(file).is_some()).collect();
        if self.disk.has_key(path).is_none() && !bundled.is_empty() {
            bind.certificates.extend(bundled.iter().map(|file| said(combined(file, self.disk), line)));
            return;
        }
        bind.certificates.push(said(combined(path, self.disk), line));
    }

    pub(super) fn file(&self, value: &str, base: Option<&str>) -> PathBuf {
        match base {
            Some(base) if !value.starts_with('/') && !is_elsewhere(value) => absolute(base, self.folder).join(value),
            _ => absolute(value, self.folder),
        }
    }
}

/// The addresses of one of the parts between commas. Ports may be a range.
fn addresses(text: &str, both: bool) -> Option<Vec<String>> {
    let text = text.strip_prefix("ipv4@").or(text.strip_prefix("ipv6@")).unwrap_or(text);
    if let Some(path) = text.strip_prefix("unix@").or_else(|| text.starts_with('/').then_some(text)) {
        return Some(vec![format!("unix:{path}")]);
    }
    let (host, ports) = text.rsplit_once(':')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    let host = if host == "::" || host == "[::]" { "[::]" } else { host };
    if last < first || last - first >= MOST_PORTS {
        return None;
    }
    let mut all = Vec::new();
    for port in first..=last {
        match both && host == "[::]" {
            true => all.extend(place::everywhere(port)),
            false => all.push(place::listen(host, port)?),
        }
    }
    Some(all)
}

/// Options without a value.
const ALONE: &[&str] = &[
    "accept-proxy",
    "allow-0rtt",
    "defer-accept",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "generate-certificates",
    "no-alpn",
    "no-ca-names",
    "no-sslv3",
    "no-strict-sni",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "prefer-client-ciphers",
    "quic-force-retry",
    "ssl",
    "strict-sni",
    "tfo",
    "tls-tickets",
    "transparent",
    "v4v6",
    "v6only",
];

const UNNEEDED: &[&str] = &[
    "backlog",
    "ca-sign-file",
    "ca-sign-pass",
    "cc",
    "expose-fd",
    "guid-prefix",
    "id",
    "idle-ping",
    "interface",
    "ktls",
    "label",
    "level",
    "mss",
    "namespace",
    "nbconn",
    "nice",
    "npn",
    "proto",
    "process",
    "quic-cc-algo",
    "quic-socket",
    "severity-output",
    "shards",
    "tcp-ss",
    "tcp-ut",
    "thread",
];

/// The endings of a bundle's files.
const BUNDLE: [&str; 3] = ["rsa", "ecdsa", "dsa"];
const MOST_PORTS: u16 = 64;
