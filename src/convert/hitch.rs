//! hitch.conf → a job. Must not know: how the job is written.

use std::path::{Path, PathBuf};

use super::certificates::{absolute, combined, folder, said, with_default};
use super::disk::Disk;
use super::job::{Backend, Certificate, ClientAuth, Job, Listener, Maybe, Mode, Said, Server};
use super::list::{Line, List};
use super::place;
use super::plain::Plain;
use super::time;
use super::tls::{Tls, Version};
use keys::{Entry, Value};

mod keys;

/// What the file does.
pub(super) fn job(text: &str, folder: &Path, disk: &dyn Disk, list: &mut List) -> Job {
    let entries = keys::read(text, list);
    let mut reader = Reader { folder, disk, list, job: Job::default() };
    reader.file(&entries);
    reader.job
}

struct Reader<'a> {
    folder: &'a Path,
    disk: &'a dyn Disk,
    list: &'a mut List,
    job: Job,
}

/// What applies to a frontend, or to all.
#[derive(Clone)]
struct Front {
    line: Line,
    listen: Vec<Said<String>>,
    certificates: Vec<Said<Certificate>>,
    /// `pem-dir`, and which files of it.
    folder: Maybe<PathBuf>,
    glob: Option<String>,
    globals_too: bool,
    tls: Tls,
    strict: Maybe<()>,
    client_auth: Option<ClientAuth>,
}

impl Reader<'_> {
    fn file(&mut self, entries: &[Entry]) {
        let none = Line::default();
        let mut all = Front {
            line: none.clone(),
            listen: Vec::new(),
            certificates: Vec::new(),
            folder: None,
            glob: None,
            globals_too: false,
            tls: Tls::new(&none, CIPHERS, false),
            strict: None,
            client_auth: None,
        };
        let mut backend = Backend { name: "backend".into(), ..Backend::default() };
        let (mut alpn, mut handshake): (Maybe<Vec<String>>, Maybe<String>) = (None, None);
        // What applies to all may be written behind a frontend.
        for entry in entries {
            let Entry { key, value, line } = entry;
            match (&**key, value) {
                ("frontend", _) => {}
                ("backend", Value::Text(text)) => self.backend(text, line, &mut backend),
                ("backend-connect-timeout", Value::Text(text)) => {
                    backend.connect_timeout = self.seconds(entry, text);
                }
                ("ssl-handshake-timeout", Value::Text(text)) => handshake = self.seconds(entry, text),
                ("write-proxy" | "write-proxy-v2", Value::Text(text)) if is_on(text) => {
                    backend.proxy_protocol = Some(Said::new("v2", line));
                }
                ("write-proxy-v1", Value::Text(text)) if is_on(text) => {
                    backend.proxy_protocol = Some(Said::new("v1", line))
                }
                ("alpn-protos", Value::Text(text)) => alpn = alpns(text, line),
                _ if self.front(entry, &mut all) => {}
                _ => self.other(entry),
            }
        }
        self.completed(&mut all);
        if backend.servers.is_empty() {
            backend.servers.push(Said::new(Server { address: "127.0.0.1:8000".into(), ..Server::default() }, &none));
        }
        let mut fronts: Vec<Front> =
            entries.iter().filter(|entry| entry.key == "frontend").map(|entry| self.frontend(entry, &all)).collect();
        if fronts.is_empty() {
            // hitch's default.
            let listen = place::everywhere(8443).map(|address| Said::new(address, &none));
            fronts.push(Front { listen: listen.to_vec(), ..all.clone() });
        }
        self.job.backends.push(backend);
        for front in fronts.into_iter().filter(|front| !front.listen.is_empty()) {
            let listener = self.listener(front, &all);
            self.job.listeners.push(Listener { alpn: alpn.clone(), handshake_timeout: handshake.clone(), ..listener });
        }
    }

    fn frontend(&mut self, entry: &Entry, all: &Front) -> Front {
        let mut front = Front {
            line: entry.line.clone(),
            listen: Vec::new(),
            certificates: Vec::new(),
            folder: None,
            ..all.clone()
        };
        let (mut host, mut port) = ("*".to_owned(), String::new());
        match &entry.value {
            Value::Text(text) => {
                // `[HOST]:PORT+CERTIFICATE`
                let (address, certificate) = text.split_once('+').unwrap_or((text, ""));
                let (name, number) = address.rsplit_once(':').unwrap_or((address, ""));
                (host, port) = (name.to_owned(), number.to_owned());
                if !certificate.is_empty() {
                    front.certificates.push(self.certificate(certificate, &entry.line));
                }
            }
            Value::Block(entries) => {
                for inner in entries {
                    match (&*inner.key, &inner.value) {
                        ("host", Value::Text(text)) => host.clone_from(text),
                        ("port", Value::Text(text)) => port.clone_from(text),
                        ("match-global-certs", Value::Text(text)) => front.globals_too = is_on(text),
                        _ if self.front(inner, &mut front) => {}
                        _ => self.other(inner),
                    }
                }
                self.completed(&mut front);
            }
        }
        self.listen(&host, &port, &entry.line, &mut front);
        front
    }

    fn listen(&mut self, host: &str, port: &str, line: &Line, front: &mut Front) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let said = |address: String| Said::new(address, line);
        match (bare, place::number(port)) {
            ("*" | "", Some(port)) => front.listen.extend(place::everywhere(port).map(said)),
            (host, Some(port)) => match place::listen(host, port) {
                Some(address) => front.listen.push(said(address)),
                None => self.list.lost(
                    line,
                    format!("frontend {host}:{port}"),
                    "expected an IP address: tlsgate does not look up names to listen on",
                ),
            },
            (_, None) => self.list.lost(line, format!("frontend {host}:{port}"), "expected a port"),
        }
    }

    /// A key that a frontend may have too. Whether it was one.
    fn front(&mut self, entry: &Entry, front: &mut Front) -> bool {
        let Entry { key, value, line } = entry;
        match (&**key, value) {
            // hitch's own examples have an empty text for what is not set.
            ("pem-file" | "pem-dir" | "ciphers" | "ciphersuites" | "ecdh-curve", Value::Text(text))
                if text.is_empty() => {}
            ("pem-dir-glob", Value::Text(text)) => front.glob = Some(text.clone()),
            ("pem-file", Value::Text(path)) => front.certificates.push(self.certificate(path, line)),
            ("pem-file", Value::Block(entries)) => self.pair(entries, line, front),
            ("pem-dir", Value::Text(path)) => {
                front.folder = Some(Said::new(absolute(path, self.folder), line));
            }
            ("ciphers", Value::Text(text)) => front.tls.ciphers = Said::new(text.clone(), line),
            ("ciphersuites", Value::Text(text)) => front.tls.suites = Said::new(text.clone(), line),
            ("ecdh-curve", Value::Text(text)) => front.tls.groups = Some(Said::new(text.clone(), line)),
            ("prefer-server-ciphers", Value::Text(text)) => front.tls.server_order = is_on(text),
            ("tls-protos", Value::Text(text)) => {
                let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                (front.tls.line, front.tls.versions) = (line.clone(), Version::all(&names, line, self.list));
            }
            ("tls" | "ssl", Value::Text(text)) => {
                let versions = [Version::Tls10, Version::Tls11, Version::Tls12, Version::Tls13];
                if is_on(text) {
                    front.tls.line = line.clone();
                    front.tls.versions = versions.into_iter().chain((key == "ssl").then_some(Version::Ssl3)).collect();
                }
            }
            ("sni-nomatch-abort", Value::Text(text)) => {
                // A client that sends no name is served by hitch, so this is not `require_sni`.
                front.strict = is_on(text).then(|| Said::new((), line));
                if is_on(text) {
                    self.list.lost(line, "sni-nomatch-abort", "hitch still serves clients that send no name; these are refused as well: remove require_sni to serve them");
                }
            }
            ("client-verify", Value::Text(text)) => {
                let auth = front.client_auth.get_or_insert_default();
                auth.line = line.clone();
                auth.required = text == "required";
                if text == "none" {
                    front.client_auth = None;
                }
            }
            ("client-verify-ca", Value::Text(path)) => {
                let ca = absolute(path, self.folder).display().to_string();
                front.client_auth.get_or_insert_default().ca = vec![ca];
            }
            _ => return false,
        }
        true
    }

    /// The certificates of the folder come first, and the last file is the default; without files it is the folder's first.
    fn completed(&mut self, front: &mut Front) {
        let mut all = match front.folder.take() {
            Some(Said { value, line }) => folder(&value, front.glob.as_deref(), &line, self.disk, self.list),
            None => Vec::new(),
        };
        if !front.certificates.is_empty() {
            all.iter_mut().for_each(|one| one.value.default = false);
        }
        all.append(&mut front.certificates);
        if all.last().is_some_and(|last| !last.value.is_folder) && !all.iter().any(|one| one.value.default) {
            with_default(&mut all, true);
        }
        front.certificates = all;
    }

    fn pair(&mut self, entries: &[Entry], line: &Line, front: &mut Front) {
        let (mut cert, mut key) = (None, None);
        for entry in entries {
            match (&*entry.key, &entry.value) {
                ("cert", Value::Text(path)) => cert = Some(absolute(path, self.folder).display().to_string()),
                ("client-verify" | "client-verify-ca", _) => {
                    let why = "it is for one certificate, which is served without it: write a route for its names, with client_auth";
                    self.list.security(&entry.line, entry.shown(), why);
                }
                ("private-key", Value::Text(path)) => key = Some(absolute(path, self.folder).display().to_string()),
                _ => self.other(entry),
            }
        }
        match cert {
            Some(path) => front.certificates.push(said(Certificate { path, key, ..Certificate::default() }, line)),
            None => self.list.lost(line, "pem-file", "expected a file for \"cert\""),
        }
    }

    fn certificate(&mut self, path: &str, line: &Line) -> Said<Certificate> {
        said(combined(&absolute(path, self.folder), self.disk), line)
    }

    fn listener(&mut self, front: Front, all: &Front) -> Listener {
        let Front { line, listen, mut certificates, globals_too, tls, strict, client_auth, .. } = front;
        if certificates.is_empty() || globals_too {
            certificates.extend(all.certificates.iter().cloned());
        }
        let client_auth = client_auth.filter(|auth| {
            // `client-verify-ca` alone asks for nothing.
            let asks = auth.line != Line::default();
            if asks && auth.ca.is_empty() {
                self.list.security(
                    &auth.line,
                    "client-verify",
                    "there is no client-verify-ca, so no client is asked for a certificate",
                );
            }
            asks && !auth.ca.is_empty()
        });
        if certificates.is_empty() {
            self.list.lost(&line, "frontend", "it has no certificate");
        }
        Listener {
            name: self.job.free_name("hitch"),
            line,
            listen,
            tls: tls.policy(self.list),
            mode: if certificates.is_empty() { Mode::Reject } else { Mode::Terminate },
            certificates,
            strict,
            client_auth,
            backend: Some(Said::new("backend".to_owned(), &Line::default())),
            ..Listener::default()
        }
    }

    fn backend(&mut self, text: &str, line: &Line, backend: &mut Backend) {
        backend.line = line.clone();
        match place::target(text) {
            Some(address) => backend.servers = vec![Said::new(Server { address, ..Server::default() }, line)],
            None => {
                backend.unusable = true;
                self.list.lost(line, format!("backend = {text}"), "expected [HOST]:PORT or the path of a socket");
            }
        }
    }

    fn seconds(&mut self, entry: &Entry, text: &str) -> Maybe<String> {
        let time = time::seconds(text);
        if time.is_none() {
            self.list.lost(&entry.line, format!("{} = {text}", entry.key), "expected a number of seconds from 1");
        }
        time.map(|time| Said::new(time, &entry.line))
    }

    fn other(&mut self, entry: &Entry) {
        let text = entry.shown();
        match &*entry.key {
            key if PLAIN.lists(key, &text, &entry.line, self.list) => {}
            "workers" => self.list.note(&entry.line, text, "tlsgate has [runtime] for this"),
            key if key.starts_with("ocsp") => self.list.lost(&entry.line, text, "tlsgate does not staple OCSP responses"),
            "client-verify" | "client-verify-ca" => self.list.security(&entry.line, text, "expected a text"),
            "write-ip" | "proxy-proxy" if entry.is_off() => {}
            "write-proxy" | "write-proxy-v1" | "write-proxy-v2" if entry.is_off() => {}
            "write-ip" => self.list.lost(&entry.line, text, "tlsgate passes addresses on in a PROXY header only (proxy_protocol)"),
            "proxy-proxy" => self.list.security(&entry.line, text, "tlsgate reads the header itself: set proxy_protocol = \"require\" with trusted_proxies in the listener, and proxy_protocol in the backend"),
            _ => self.list.lost(&entry.line, text, "it is not known"),
        }
    }
}

fn alpns(text: &str, line: &Line) -> Maybe<Vec<String>> {
    let names: Vec<String> =
        text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty()).then(|| Said::new(names, line))
}

fn is_on(text: &str) -> bool {
    ["on", "yes", "y", "true", "t", "1"].contains(&&*text.to_ascii_lowercase())
}

/// hitch's default.
const CIPHERS: &str = "EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH";

const PLAIN: Plain = Plain {
    unneeded: &[
        "backlog",
        "backend-refresh",
        "daemon",
        "dhparam",
        "engine",
        "ssl-engine",
        "keepalive",
        "pidfile",
        "recv-bufsize",
        "ring-data-len",
        "ring-slots",
        "send-bufsize",
        "session-cache",
        "shared-cache",
        "shared-cache-if",
        "shared-cache-listen",
        "shared-cache-peer",
        "tcp-fastopen",
        "proxy-tlv",
        "proxy-authority",
        "proxy-client-cert",
        "sni-match-only",
    ],
    log: &["log-filename", "log-level", "quiet", "syslog", "syslog-facility"],
    process: &["chroot", "group", "user"],
};
