//! stunnel.conf → a job. Must not know: how the job is written.

use std::path::Path;

use super::certificates::{absolute, combined, said};
use super::disk::Disk;
use super::job::{Backend, Certificate, Job, Listener, Mode, Route, Said, Server};
use super::list::{Line, List};
use super::place;
use super::plain::Plain;
use super::time;
use super::tls::{Tls, Version};
use auth::Auth;
use sections::{Entry, Section};

mod auth;
mod sections;

/// What the file does.
pub(super) fn job(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> Job {
    let (globals, sections) = sections::read(text, folder, disk, list);
    let mut reader = Reader { folder, disk, list, job: Job::default() };
    for section in &sections {
        reader.section(&globals, section);
    }
    if sections.is_empty() {
        reader.list.lost(
            &Line::new(1),
            "",
            "there is no service ([NAME]); services of inetd have no address to listen on",
        );
    }
    reader.job
}

struct Reader<'a> {
    folder: &'a Path,
    disk: &'a dyn Disk,
    list: &'a mut List,
    job: Job,
}

/// A service, while it is read.
struct Service {
    line: Line,
    name: String,
    tls: Tls,
    cert: Option<Said<String>>,
    key: Option<String>,
    backend: Backend,
    listener: Listener,
    client: bool,
    /// The service that this one is chosen in, by name.
    sni: Vec<(String, String, Line)>,
    /// Why the service cannot be served.
    impossible: Option<(String, Line)>,
    auth: Auth,
}

impl Reader<'_> {
    fn section(&mut self, globals: &[Entry], section: &Section) {
        let none = Line::default();
        let mut service = Service {
            line: section.line.clone(),
            name: section.name.clone(),
            tls: Tls::new(&none, CIPHERS, false),
            cert: None,
            key: None,
            backend: Backend { name: section.name.clone(), line: section.line.clone(), ..Backend::default() },
            listener: Listener { line: section.line.clone(), ..Listener::default() },
            client: false,
            sni: Vec::new(),
            impossible: None,
            auth: Auth::default(),
        };
        // stunnel takes the servers in their order, and waits half a day; tlsgate's defaults are others.
        service.backend.balance = Some(Said::new("first", &none));
        service.listener.idle_timeout = Some(Said::new("12h".into(), &none));
        for entry in globals {
            self.entry(entry, &mut service);
        }
        let own = section.entries.iter().rfind(|entry| entry.key == "client");
        if own.map_or(service.client, |entry| is_yes(&entry.value)) {
            let why = "a client service accepts plain connections and sends TLS; listeners of tlsgate accept TLS";
            return self.list.lost(&service.line, format!("[{}]", service.name), why);
        }
        for entry in &section.entries {
            self.entry(entry, &mut service);
        }
        if let Some((why, line)) = &service.impossible {
            self.list.lost(line, format!("[{}]", service.name), why.clone());
        } else {
            self.service(service);
        }
    }

    fn entry(&mut self, entry: &Entry, service: &mut Service) {
        let Entry { key, value, line, .. } = entry;
        let path = || absolute(value, self.folder).display().to_string();
        match &**key {
            "client" => service.client = is_yes(value),
            "accept" => self.accept(entry, service),
            "connect" => self.connect(entry, service),
            "cert" => service.cert = Some(Said::new(path(), line)),
            "key" => service.key = Some(path()),
            "sslversion" | "sslversionmin" | "sslversionmax" | "options" => self.version(entry, service),
            "ciphers" => service.tls.ciphers = Said::new(value.clone(), line),
            "ciphersuites" => service.tls.suites = Said::new(value.clone(), line),
            "curve" | "curves" => service.tls.groups = Some(Said::new(value.clone(), line)),
            "cafile" => (service.auth.ca, service.auth.line) = (vec![path()], line.clone()),
            "crlfile" => service.auth.crl = vec![path()],
            "checkhost" => service.auth.names.push(format!("dns:{value}")),
            "checkemail" => service.auth.names.push(format!("email:{value}")),
            "verify" | "verifychain" | "verifypeer" | "requirecert" => service.auth.verify(key, value, line),
            "sni" => match value.split_once(':') {
                Some((parent, pattern)) if place::is_server_name(pattern) => {
                    if pattern.starts_with('*') {
                        self.list.lost(
                            line,
                            entry.shown(),
                            "a wildcard of tlsgate stands for one label: deeper names are not taken",
                        );
                    }
                    service.sni.push((parent.into(), pattern.into(), line.clone()));
                }
                _ => self.list.lost(
                    line,
                    entry.shown(),
                    "expected SERVICE:PATTERN, a name or a wildcard for its first label",
                ),
            },
            "protocol" => protocol(entry, service),
            "exec" | "pty" => {
                service.impossible = Some(("tlsgate starts no programs for connections".into(), line.clone()))
            }
            "timeoutidle" | "timeoutbusy" | "timeoutconnect" | "timeoutclose" | "sessioncachetimeout" => {
                self.time(entry, service);
            }
            "failover" if value.eq_ignore_ascii_case("rr") => {
                service.backend.balance = Some(Said::new("round_robin", line))
            }
            "failover" => service.backend.balance = Some(Said::new("first", line)),
            "sessionresume" if !is_yes(value) => service.listener.tickets = Some(Said::new(false, line)),
            _ => self.other(entry),
        }
    }

    fn time(&mut self, entry: &Entry, service: &mut Service) {
        let Some(time) = time::seconds(&entry.value) else {
            self.list.lost(&entry.line, entry.shown(), "expected a number of seconds from 1");
            return;
        };
        let Service { listener, backend, .. } = service;
        let place = match &*entry.key {
            "timeoutidle" => &mut listener.idle_timeout,
            "timeoutbusy" => &mut listener.handshake_timeout,
            "timeoutclose" => &mut listener.half_close_timeout,
            "timeoutconnect" => &mut backend.connect_timeout,
            _ => &mut listener.ticket_lifetime,
        };
        *place = Some(Said::new(time, &entry.line));
    }

    fn accept(&mut self, entry: &Entry, service: &mut Service) {
        let Entry { value, line, .. } = entry;
        let said = |address: String| Said::new(address, line);
        if value.starts_with('/') {
            service.listener.listen.push(said(format!("unix:{value}")));
            return;
        }
        // `:::443` is every address of both families.
        if let Some(port) = value.strip_prefix(":::").and_then(place::number) {
            service.listener.listen.extend(place::everywhere(port).map(said));
            return;
        }
        match place::split(value).and_then(|(host, port)| place::listen(host, port)) {
            Some(address) => service.listener.listen.push(said(address)),
            None => self.list.lost(
                line,
                entry.shown(),
                "expected an IP address and a port: tlsgate does not look up names to listen on",
            ),
        }
    }

    fn connect(&mut self, entry: &Entry, service: &mut Service) {
        let Entry { value, line, .. } = entry;
        match place::target(value) {
            Some(address) => service.backend.servers.push(Said::new(Server { address, ..Server::default() }, line)),
            None => self.list.lost(line, entry.shown(), "expected a host and a port"),
        }
    }

    fn version(&mut self, entry: &Entry, service: &mut Service) {
        let Entry { key, value, line, .. } = entry;
        let version = Version::named(value);
        let removed = value.trim_start_matches('-').strip_prefix("NO_").and_then(Version::named);
        match (&**key, version, removed) {
            ("sslversion", _, _) if value.eq_ignore_ascii_case("all") => return,
            ("sslversion", Some(version), _) => service.tls.versions = [version].into(),
            ("sslversionmin", Some(version), _) => service.tls.from(version),
            ("sslversionmin", None, _) if value.eq_ignore_ascii_case("all") => service.tls.from(Version::Tls10),
            ("sslversionmax", None, _) if value.eq_ignore_ascii_case("all") => return,
            ("sslversionmax", Some(version), _) => service.tls.up_to(version),
            ("options", _, Some(version)) if value.starts_with('-') => drop(service.tls.versions.insert(version)),
            ("options", _, Some(version)) => drop(service.tls.versions.remove(&version)),
            ("options", ..) if value == "NO_TICKET" => {
                service.listener.tickets = Some(Said::new(false, line));
                return self.list.lost(line, entry.shown(), "tlsgate resumes sessions of TLS 1.2 by id only where it has tickets too, so there is no resumption");
            }
            ("options", ..) if value == "-CIPHER_SERVER_PREFERENCE" => service.tls.server_order = false,
            ("options", ..) if value == "CIPHER_SERVER_PREFERENCE" => service.tls.server_order = true,
            ("options", ..) => {
                return self.list.note(line, entry.shown(), "an option of OpenSSL, which tlsgate does not use");
            }
            _ => return self.list.lost(line, entry.shown(), "unknown version"),
        }
        service.tls.line = line.clone();
    }

    fn service(&mut self, service: Service) {
        let Service { line, name, tls, cert, key, mut backend, mut listener, sni, auth, .. } = service;
        let certificate = cert.map(|Said { value, line }| {
            let certificate = match key {
                Some(key) if key != value => Certificate { path: value, key: Some(key), ..Certificate::default() },
                _ => combined(Path::new(&value), self.disk),
            };
            said(certificate, &line)
        });
        if certificate.is_none() {
            self.list.lost(&line, format!("[{name}]"), "it has no certificate (cert)");
            return;
        }
        let client_auth = auth.asked(self.list);
        backend.name = self.job.free_backend(&backend.name);
        let backend_name = Some(Said::new(backend.name.clone(), &backend.line));
        if backend.servers.len() < 2 {
            backend.balance = None;
        }
        if backend.servers.is_empty() {
            self.list.lost(&line, format!("[{name}]"), "it connects to nothing (connect)");
        }
        self.job.backends.push(backend);
        for (parent, pattern, line) in sni {
            let Some(parent) = self.job.listeners.iter_mut().find(|listener| listener.name == parent) else {
                self.list.lost(
                    &line,
                    format!("sni = {parent}:{pattern}"),
                    "there is no such service, or it could not be taken over",
                );
                continue;
            };
            let names = vec![pattern];
            let taken = parent.routes.iter().any(|route| route.server_names == names);
            if taken {
                self.list.note(&line, names.concat(), "an earlier service has this name");
                continue;
            }
            parent.routes.push(Route {
                line,
                server_names: names,
                mode: Mode::Terminate,
                backend: backend_name.clone(),
                certificates: certificate.iter().cloned().collect(),
                tls: tls.policy(self.list),
                client_auth: client_auth.clone(),
                ..Route::default()
            });
        }
        if listener.listen.is_empty() {
            return;
        }
        listener.name = self.job.free_name(&name);
        listener.certificates.extend(certificate);
        listener.tls = tls.policy(self.list);
        listener.client_auth = client_auth;
        listener.backend = backend_name;
        self.job.listeners.push(listener);
    }

    fn other(&mut self, entry: &Entry) {
        let Entry { key, value, line, .. } = entry;
        let text = entry.shown();
        match &**key {
            key if PLAIN.lists(key, &text, line, self.list) => {}
            "chroot" => {
                self.list.lost(line, text, "tlsgate has [process] for this; paths in a chroot must be written in full")
            }
            "libwrap" if !is_yes(value) => {}
            "libwrap" => {
                self.list.security(line, text, "tlsgate does not read hosts.allow and hosts.deny: write allow and deny")
            }
            "ident" => self.list.security(line, text, "tlsgate asks nobody who a client's user is"),
            "crlpath" | "capath" => self.list.security(line, text, "tlsgate reads files, not folders of hashes"),
            "checkip" => self.list.security(line, text, "tlsgate compares no IP addresses of clients' certificates"),
            "psksecrets" | "pskidentity" => self.list.security(line, text, "tlsgate has no pre-shared keys"),
            "redirect" => self.list.security(line, text, "tlsgate refuses clients whose certificate is not accepted"),
            "fips" if !is_yes(value) => {}
            // The value is a secret, and is not shown.
            "ticketkeysecret" | "ticketmacsecret" => {
                self.list.lost(line, &**key, "tlsgate shares keys for tickets in files (ticket_keys)")
            }
            "local" | "transparent" => self.list.lost(
                line,
                text,
                "tlsgate connects from its own address, unless the backend has a source (docs/transparent.md)",
            ),
            key if key.starts_with("ocsp") => self.list.security(
                line,
                text,
                "tlsgate does not ask for OCSP; it reads lists of revoked certificates (crl)",
            ),
            _ => self.list.lost(line, text, "tlsgate has nothing like it"),
        }
    }
}

/// What is spoken before TLS, by clients or with servers.
fn protocol(entry: &Entry, service: &mut Service) {
    let Entry { value, line, .. } = entry;
    match &*value.to_ascii_lowercase() {
        "proxy" => service.backend.proxy_protocol = Some(Said::new("v1", line)),
        "pgsql" => service.listener.starttls = Some(Said::new("postgres", line)),
        "smtp" => service.listener.starttls = Some(Said::new("smtp", line)),
        "imap" => service.listener.starttls = Some(Said::new("imap", line)),
        "pop3" => service.listener.starttls = Some(Said::new("pop3", line)),
        _ => {
            let why = format!("its clients ask for TLS in a protocol that tlsgate does not speak ({})", entry.shown());
            service.impossible = Some((why, line.clone()));
        }
    }
}

fn is_yes(value: &str) -> bool {
    value.eq_ignore_ascii_case("yes")
}

/// stunnel's default.
const CIPHERS: &str = "HIGH:!aNULL:!SSLv2:!DH:!kDHEPSK";

const PLAIN: Plain = Plain {
    unneeded: &[
        "compression",
        "config",
        "delay",
        "dh",
        "foreground",
        "logid",
        "pid",
        "renegotiation",
        "reset",
        "rndbytes",
        "rndfile",
        "rndoverwrite",
        "service",
        "sessioncachesize",
        "sessionresume",
        "socket",
        "stack",
        "securitylevel",
        "retry",
    ],
    log: &["debug", "log", "output", "syslog"],
    process: &["setgid", "setuid"],
};
