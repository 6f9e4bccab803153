//! `server` of nginx's stream module → a listener, or a route of one. Must not know: how upstreams and maps are read.

use std::collections::BTreeSet;
use std::path::Path;

use super::blocks::Directive;
use super::{Reader, access, addresses};
use crate::convert::certificates::{absolute, said};
use crate::convert::job::{Backend, Certificate, ClientAuth, Listener, Maybe, Mode, Route, Said, ServerTls};
use crate::convert::list::Line;
use crate::convert::place;
use crate::convert::tls::{Tls, Version};

/// A server, while it is read.
pub(super) struct Server {
    pub(super) listener: Listener,
    tls: Tls,
    ssl: bool,
    pub(super) preread: bool,
    target: Maybe<String>,
    certificates: Vec<Said<String>>,
    keys: Vec<Said<String>>,
    names: Vec<Said<String>>,
    verify: Maybe<String>,
    ca: Option<String>,
    crl: Vec<String>,
    /// Proxies before this one.
    header: Option<Line>,
    proxies: Vec<String>,
    pub(super) how: Backend,
    server_tls: Option<ServerTls>,
    verified: bool,
    whole: bool,
}

impl Reader<'_> {
    pub(super) fn server(&mut self, directive: &Directive, effective: &[&Directive]) {
        let none = Line::default();
        let mut server = Server {
            listener: Listener { line: directive.line.clone(), ..Listener::default() },
            tls: Tls::new(&none, "HIGH:!aNULL:!MD5", false),
            ssl: false,
            preread: false,
            target: None,
            certificates: Vec::new(),
            keys: Vec::new(),
            names: Vec::new(),
            verify: None,
            ca: None,
            crl: Vec::new(),
            header: None,
            proxies: Vec::new(),
            how: Backend::default(),
            server_tls: None,
            verified: false,
            whole: true,
        };
        // nginx's default.
        server.listener.idle_timeout = Some(Said::new("10m".into(), &none));
        for one in effective {
            if !self.of_clients(one, &mut server) && !self.of_servers(one, &mut server) {
                self.other(one);
            }
        }
        let rules: Vec<&Directive> =
            effective.iter().copied().filter(|one| ["allow", "deny"].contains(&&*one.name)).collect();
        access::rules(&rules, &mut server.listener, self.list);
        self.finish(server, directive);
    }

    /// What concerns clients. Whether it does.
    fn of_clients(&mut self, one: &Directive, server: &mut Server) -> bool {
        let Directive { name, line, .. } = one;
        let (first, is_on) = (one.first(), one.first() == "on");
        let path = || absolute(first, self.folder).display().to_string();
        let all = || Said::new(one.arguments.join(":"), line);
        match &**name {
            "listen" => self.listen(one, server),
            "server_name" => server.names.extend(one.arguments.iter().map(|name| Said::new(name.clone(), line))),
            "ssl_certificate" => server.certificates.push(Said::new(path(), line)),
            "ssl_certificate_key" => server.keys.push(Said::new(path(), line)),
            "ssl_protocols" => {
                server.tls.line = line.clone();
                server.tls.versions = Version::all(&one.arguments, line, self.list);
            }
            "ssl_ciphers" => server.tls.ciphers = all(),
            "ssl_ecdh_curve" => server.tls.groups = Some(all()),
            "ssl_prefer_server_ciphers" => server.tls.server_order = is_on,
            "ssl_conf_command" if first == "Ciphersuites" => {
                server.tls.suites = Said::new(one.arguments[1..].join(":"), line);
            }
            "ssl_verify_client" => server.verify = Some(Said::new(first.to_owned(), line)),
            "ssl_client_certificate" | "ssl_trusted_certificate" => {
                // With both, the first one is also sent to clients.
                if name == "ssl_client_certificate" || server.ca.is_none() {
                    server.ca = Some(path());
                }
            }
            "ssl_crl" => server.crl.push(path()),
            "ssl_password_file" => self.job.passphrases = Some(Said::new(vec![format!("file:{}", path())], line)),
            "ssl_session_tickets" => server.listener.tickets = Some(Said::new(is_on, line)).filter(|_| !is_on),
            "ssl_session_timeout" => server.listener.ticket_lifetime = self.time(one),
            "ssl_session_ticket_key" => server.listener.ticket_keys = Some(Said::new(path(), line)),
            "ssl_alpn" => server.listener.alpn = Some(Said::new(one.arguments.clone(), line)),
            "ssl_handshake_timeout" | "preread_timeout" => server.listener.handshake_timeout = self.time(one),
            "ssl_preread" => server.preread = is_on,
            "set_real_ip_from" => server.proxies.extend(place::prefix(first).map(|net| net.to_string())),
            "proxy_timeout" => server.listener.idle_timeout = self.time(one),
            "allow" | "deny" => {}
            _ => return false,
        }
        true
    }

    /// What concerns the servers behind. Whether it does.
    fn of_servers(&mut self, one: &Directive, server: &mut Server) -> bool {
        let Directive { name, line, .. } = one;
        let (first, is_on) = (one.first(), one.first() == "on");
        let path = || Some(absolute(first, self.folder).display().to_string());
        let tls = &mut server.server_tls;
        match &**name {
            "proxy_pass" => server.target = Some(Said::new(first.to_owned(), line)),
            "proxy_protocol" => server.how.proxy_protocol = is_on.then(|| Said::new("v1", line)),
            "proxy_connect_timeout" => server.how.connect_timeout = self.time(one),
            "proxy_next_upstream" if first == "off" => server.how.connect_attempts = Some(Said::new(1, line)),
            "proxy_next_upstream_tries" => {
                server.how.connect_attempts =
                    first.parse().ok().filter(|tries| *tries > 0).map(|tries| Said::new(tries, line));
            }
            "proxy_ssl" => {
                if is_on {
                    tls.get_or_insert_default().line = line.clone();
                }
            }
            "proxy_ssl_verify" => server.verified = is_on,
            "proxy_ssl_trusted_certificate" => tls.get_or_insert_default().ca = path(),
            "proxy_ssl_name" => tls.get_or_insert_default().server_name = Some(first.to_owned()),
            "proxy_ssl_certificate" => tls.get_or_insert_default().cert = path(),
            "proxy_ssl_certificate_key" => tls.get_or_insert_default().key = path(),
            "proxy_ssl_server_name" | "proxy_ssl_session_reuse" | "proxy_ssl_verify_depth" => {
                self.list.note(
                    line,
                    one.shown(),
                    "tlsgate always sends the name that it verifies, and resumes sessions",
                );
            }
            "resolver" => self.resolver(one),
            "return" | "js_access" | "js_filter" | "js_preread" | "ssl_reject_handshake" | "limit_conn" => {
                self.list.security(
                    line,
                    one.shown(),
                    "tlsgate has nothing like it (limits for each client: max_connections_per_client)",
                );
            }
            _ => return false,
        }
        true
    }

    fn listen(&mut self, one: &Directive, server: &mut Server) {
        let options = one.arguments.get(1..).unwrap_or_default();
        let has = |option: &str| options.iter().any(|one| one == option);
        if has("udp") || has("quic") {
            self.list.lost(&one.line, one.shown(), "tlsgate serves TCP only");
            server.whole = false;
            return;
        }
        server.ssl |= has("ssl");
        if has("proxy_protocol") {
            server.header = Some(one.line.clone());
        }
        match addresses(one.first(), has("ipv6only=off")) {
            Some(addresses) => {
                server.listener.listen.extend(addresses.into_iter().map(|address| Said::new(address, &one.line)));
            }
            None => self.list.lost(
                &one.line,
                one.shown(),
                "expected a port, or an IP address and a port: tlsgate does not look up names to listen on",
            ),
        }
    }

    fn finish(&mut self, mut server: Server, directive: &Directive) {
        let line = directive.line.clone();
        if server.listener.listen.is_empty() {
            if server.whole {
                self.list.lost(&line, "server", "it listens nowhere");
            }
            return;
        }
        let Some(target) = server.target.take() else {
            self.list.lost(&line, "server", "it passes connections to nothing (proxy_pass)");
            return;
        };
        if !server.ssl && !server.preread {
            let why = "it accepts connections without TLS (neither \"ssl\" nor \"ssl_preread on\"), which is not what tlsgate is for";
            self.list.lost(&line, "server", why);
            return;
        }
        server.listener.mode = if server.ssl { Mode::Terminate } else { Mode::Passthrough };
        if server.ssl {
            self.certificates(&mut server);
            if server.tls.line.number == 0 {
                self.list.note(&line, "server", "without ssl_protocols, TLS 1.2 and 1.3 are allowed as in nginx 1.27; older ones also allow TLS 1.0 and 1.1, and before 1.23.4 not 1.3");
            }
            server.listener.tls = server.tls.policy(self.list);
            server.listener.client_auth = self.client_auth(&server);
        }
        self.header(&mut server);
        self.lead_to_servers(&mut server, &target);
        self.target(&target, &mut server, 0);
        self.placed(server);
    }

    /// The listener itself, or routes of an earlier one with the same address: nginx 1.25.5 has such servers.
    fn placed(&mut self, server: Server) {
        let Server { mut listener, names, .. } = server;
        let mine: BTreeSet<String> = listener.listen.iter().map(|one| one.value.clone()).collect();
        let taken =
            self.job.listeners.iter_mut().find(|other| other.listen.iter().any(|one| mine.contains(&one.value)));
        let Some(other) = taken else {
            listener.name = self.job.free_name("stream");
            self.job.listeners.push(listener);
            return;
        };
        let names: Vec<String> =
            names.into_iter().map(|name| name.value).filter(|name| place::is_server_name(name)).collect();
        let known: BTreeSet<&String> = other.routes.iter().flat_map(|route| &route.server_names).collect();
        let names: Vec<String> = names.into_iter().filter(|name| !known.contains(name)).collect();
        if names.is_empty() {
            self.list.lost(
                &listener.line,
                "server",
                "another server listens on the same address, and this one has no name that it could be chosen by",
            );
            return;
        }
        if !listener.routes.is_empty() || !listener.allow.is_empty() || !listener.deny.is_empty() {
            self.list.security(&listener.line, "server", "as a route of the first server with this address it has neither routes nor rules for addresses of its own");
        }
        other.routes.push(Route {
            line: listener.line,
            server_names: names,
            mode: listener.mode,
            backend: listener.backend,
            certificates: listener.certificates,
            tls: listener.tls,
            client_auth: listener.client_auth,
            ..Route::default()
        });
    }

    fn certificates(&mut self, server: &mut Server) {
        if server.certificates.len() != server.keys.len() {
            self.list.lost(&server.listener.line, "ssl_certificate", "each certificate needs its ssl_certificate_key");
        }
        for (certificate, key) in server.certificates.iter().zip(&server.keys) {
            let Said { value, line } = certificate;
            if value.starts_with("data:") || value.contains("/data:") {
                self.list.lost(line, "ssl_certificate data:…", "tlsgate reads certificates from files");
                continue;
            }
            let path = match value.split_once('$') {
                Some((folder, _)) => {
                    let folder = Path::new(folder);
                    let folder = if folder.as_os_str().to_string_lossy().ends_with('/') {
                        Some(folder)
                    } else {
                        folder.parent()
                    };
                    let why = "a variable chooses the file: all files of the folder are served, each for the names that it has";
                    self.list.note(line, value, why);
                    Certificate {
                        path: folder.unwrap_or(Path::new("/")).display().to_string(),
                        ..Certificate::default()
                    }
                }
                None => Certificate { path: value.clone(), key: Some(key.value.clone()), ..Certificate::default() },
            };
            server.listener.certificates.push(said(path, line));
        }
        if let [_, second, ..] = &mut *server.listener.certificates {
            let why = "nginx chooses among the certificates of one server by the client's ciphers and schemes alone; tlsgate chooses by name first, and prefers ECDSA for clients that can use both";
            self.list.note(&second.line, "ssl_certificate", why);
            server.listener.certificates.iter_mut().for_each(|certificate| certificate.value.default = true);
        }
        if server.listener.certificates.is_empty() {
            server.listener.mode = Mode::Reject;
            self.list.lost(&server.listener.line, "server", "it has no certificate");
        }
    }

    fn client_auth(&mut self, server: &Server) -> Option<ClientAuth> {
        let Said { value, line } = server.verify.as_ref()?;
        let required = match &**value {
            "off" => return None,
            "on" => true,
            "optional" => false,
            _ => {
                self.list.security(
                    line,
                    format!("ssl_verify_client {value}"),
                    "tlsgate accepts no certificate that it cannot verify; no client is asked for one",
                );
                return None;
            }
        };
        let Some(ca) = server.ca.clone() else {
            self.list.security(
                line,
                "ssl_verify_client",
                "there is no ssl_client_certificate, so no client is asked for a certificate",
            );
            return None;
        };
        Some(ClientAuth { line: line.clone(), required, ca: vec![ca], crl: server.crl.clone(), names: Vec::new() })
    }

    fn header(&mut self, server: &mut Server) {
        let Some(line) = server.header.clone() else { return };
        let mut trusted = std::mem::take(&mut server.proxies);
        if trusted.is_empty() {
            self.list.security(&line, "proxy_protocol", "without set_real_ip_from, a header is read from everybody; tlsgate uses the address in it: list your proxies in trusted_proxies");
            trusted = ["0.0.0.0/0", "::/0"].map(str::to_owned).to_vec();
        }
        server.listener.trusted_proxies = Some(Said::new(trusted, &line));
    }

    /// TLS to the servers.
    fn lead_to_servers(&mut self, server: &mut Server, target: &Said<String>) {
        let Some(mut tls) = server.server_tls.take().filter(|tls| tls.line.number > 0) else { return };
        if !server.verified || tls.ca.is_none() {
            let why = "the servers' certificates are not verified (proxy_ssl_verify, proxy_ssl_trusted_certificate), which tlsgate does not do; write [backend.NAME.tls] with ca or pins";
            self.list.security(&tls.line, "proxy_ssl on", why);
            server.how.unusable = true;
        }
        // nginx verifies the name in proxy_pass by default.
        let host = target.value.rsplit_once(':').map_or(&*target.value, |(host, _)| host);
        tls.server_name.get_or_insert_with(|| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        server.how.tls = Some(tls);
    }

    fn other(&mut self, one: &Directive) {
        match &*one.name {
            name if UNNEEDED.contains(&name) => self.list.note(&one.line, one.shown(), "tlsgate does without it"),
            "access_log" | "error_log" | "log_format" | "open_log_file_cache" => {
                self.list.note(&one.line, one.shown(), "the logs of tlsgate are set in [log]");
            }
            "ssl_stapling" | "ssl_stapling_file" | "ssl_stapling_verify" | "ssl_stapling_responder"
                if one.first() == "off" => {}
            name if name.starts_with("ssl_stapling") => {
                self.list.lost(&one.line, one.shown(), "tlsgate does not staple OCSP responses")
            }
            name if name.starts_with("ssl_ocsp") => self.list.security(
                &one.line,
                one.shown(),
                "tlsgate does not ask for OCSP; it reads lists of revoked certificates (crl)",
            ),
            "limit_conn_zone" | "limit_conn_log_level" => {
                self.list.note(&one.line, one.shown(), "limits of tlsgate need no zone (max_connections_per_client)");
            }
            "proxy_upload_rate" | "proxy_download_rate" => {
                self.list.lost(&one.line, one.shown(), "tlsgate does not limit the rate of bytes")
            }
            "proxy_bind" => self.list.lost(
                &one.line,
                one.shown(),
                "tlsgate connects from its own address; servers get the client's in a PROXY header (proxy_protocol)",
            ),
            _ => self.list.lost(&one.line, one.shown(), "tlsgate has nothing like it"),
        }
    }
}

const UNNEEDED: &[&str] = &[
    "preread_buffer_size",
    "proxy_buffer_size",
    "proxy_half_close",
    "proxy_requests",
    "proxy_responses",
    "proxy_socket_keepalive",
    "proxy_next_upstream",
    "proxy_next_upstream_timeout",
    "resolver_timeout",
    "ssl_buffer_size",
    "ssl_dhparam",
    "ssl_early_data",
    "ssl_session_cache",
    "ssl_verify_depth",
    "tcp_nodelay",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "ssl_conf_command",
    "status_zone",
];
