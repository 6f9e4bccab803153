//! `bind` of HAProxy: addresses and their TLS. Must not know: what is done with connections.

use std::path::{Path, PathBuf};

use super::globals::Globals;
use super::lines::Words;
use crate::convert::certificates::{absolute, combined, said};
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
        };
        let mut options = words.after(2).iter();
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
        while let Some(option) = options.next() {
            if ALONE.contains(&&**option) {
                self.flag(option, line, &mut bind);
                continue;
            }
            // All others have a value.
            let value = options.next().map_or("", String::as_str);
            self.option(option, value, line, &mut bind);
        }
        bind.client_auth = bind.client_auth.filter(|auth| auth.line.number > 0 && self.has_ca(auth));
        bind
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
            "ca-ignore-err"
            | "crt-ignore-err"
            | "accept-netscaler-cip"
            | "tcp-md5sig"
            | "client-sigalgs" => {
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
    fn crt(&mut self, path: &Path, line: &Line, bind: &mut Bind) {
        if self.disk.folder(path).is_ok() {
            bind.certificates
                .push(said(Certificate { path: path.display().to_string(), ..Certificate::default() }, line));
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

    /// A list of files, each with options and names.
    fn crt_list(&mut self, value: &str, line: &Line, bind: &mut Bind) {
        let file = self.file(value, None);
        let text = match self.disk.text(&file) {
            Ok(text) => text,
            Err(why) => return self.list.lost(line, format!("crt-list {value}"), format!("it cannot be read: {why}")),
        };
        for (number, text) in text.lines().enumerate() {
            let here = Line { file: Some(file.display().to_string().into()), number: number + 1 };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (head, names) = match text.split_once('[') {
                Some((head, rest)) => {
                    let (options, names) = rest.split_once(']').unwrap_or((rest, ""));
                    self.list.security(&here, format!("[{options}]"), "options of one certificate: a route for its names can have a policy and client_auth of its own");
                    (head, names)
                }
                None => text.split_once(char::is_whitespace).unwrap_or((text, "")),
            };
            let path = self.file(head.trim(), self.globals.crt_base.as_deref());
            let before = bind.certificates.len();
            self.crt(&path, &here, bind);
            let (without, names): (Vec<&str>, Vec<&str>) =
                names.split_whitespace().partition(|name| name.starts_with('!'));
            if !without.is_empty() {
                self.list.lost(&here, without.join(" "), "the names of a certificate are listed; exceptions cannot be");
            }
            for certificate in &mut bind.certificates[before..] {
                certificate.value.names =
                    names.iter().filter(|name| **name != "*").map(|name| (*name).to_owned()).collect();
            }
        }
    }

    fn file(&self, value: &str, base: Option<&str>) -> PathBuf {
        match base {
            Some(base) if !value.starts_with('/') => absolute(base, self.folder).join(value),
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
