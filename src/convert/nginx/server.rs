//! `server` of nginx's stream module → a listener, or a route of one. Must not know: how upstreams and maps are read.

use super::blocks::Directive;
use super::{Reader, access, addresses};
use crate::convert::certificates::absolute;
use crate::convert::job::{Backend, Listener, Maybe, Said, ServerTls};
use crate::convert::list::Line;
use crate::convert::place;
use crate::convert::plain::Plain;
use crate::convert::tls::{Tls, Version};

/// A server, while it is read.
pub(super) struct Server {
    pub(super) listener: Listener,
    pub(super) tls: Tls,
    pub(super) ssl: bool,
    pub(super) preread: bool,
    pub(super) target: Maybe<String>,
    pub(super) certificates: Vec<Said<String>>,
    pub(super) keys: Vec<Said<String>>,
    pub(super) names: Vec<Said<String>>,
    pub(super) verify: Maybe<String>,
    pub(super) ca: Vec<String>,
    pub(super) crl: Vec<String>,
    /// Proxies before this one.
    pub(super) header: Option<Line>,
    pub(super) proxies: Vec<String>,
    /// Whether proxies are named, whether tlsgate can compare their addresses or not.
    pub(super) names_proxies: bool,
    pub(super) how: Backend,
    pub(super) server_tls: Option<ServerTls>,
    pub(super) verified: bool,
    pub(super) whole: bool,
    /// Where it refuses all handshakes, if it does.
    pub(super) refuses: Option<Line>,
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
            ca: Vec::new(),
            crl: Vec::new(),
            header: None,
            proxies: Vec::new(),
            names_proxies: false,
            how: Backend::default(),
            server_tls: None,
            verified: false,
            whole: true,
            refuses: None,
        };
        // nginx's default.
        server.listener.idle_timeout = Some(Said::new("10m".into(), &none));
        for one in effective {
            if !self.of_clients(one, &mut server)
                && !self.of_servers(one, &mut server)
                && !self.of_server_tls(one, &mut server)
            {
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
                // nginx verifies with both, and sends the names in the first one to clients; tlsgate sends all of them.
                server.ca.push(path());
            }
            "ssl_crl" => server.crl.push(path()),
            "ssl_password_file" => self.passphrases(one),
            "ssl_session_tickets" => server.listener.tickets = Some(Said::new(is_on, line)).filter(|_| !is_on),
            "ssl_session_timeout" => server.listener.ticket_lifetime = self.time(one),
            "ssl_session_ticket_key" => self.list.lost(line, one.shown(), TICKET_KEY),
            "ssl_reject_handshake" => server.refuses = is_on.then(|| line.clone()),
            "ssl_alpn" => server.listener.alpn = Some(Said::new(one.arguments.clone(), line)),
            "ssl_handshake_timeout" | "preread_timeout" => server.listener.handshake_timeout = self.time(one),
            "ssl_preread" => server.preread = is_on,
            "set_real_ip_from" => self.proxy(one, server),
            "proxy_timeout" => server.listener.idle_timeout = self.time(one),
            "allow" | "deny" => {}
            _ => return false,
        }
        true
    }

    fn proxy(&mut self, one: &Directive, server: &mut Server) {
        server.names_proxies = true;
        match place::prefix(one.first()) {
            Some(net) => server.proxies.push(net.to_string()),
            None => {
                self.list.security(&one.line, one.shown(), "trusted proxies of tlsgate are IP addresses and prefixes")
            }
        }
    }

    /// What concerns the servers behind. Whether it does.
    fn of_servers(&mut self, one: &Directive, server: &mut Server) -> bool {
        let Directive { name, line, .. } = one;
        let (first, is_on) = (one.first(), one.first() == "on");
        match &**name {
            "proxy_pass" => server.target = Some(Said::new(first.to_owned(), line)),
            "proxy_protocol" => server.how.proxy_protocol = is_on.then(|| Said::new("v1", line)),
            "proxy_connect_timeout" => server.how.connect_timeout = self.time(one),
            "proxy_next_upstream" if first == "off" => server.how.connect_attempts = Some(Said::new(1, line)),
            "proxy_next_upstream_tries" => {
                server.how.connect_attempts =
                    first.parse().ok().filter(|tries| *tries > 0).map(|tries| Said::new(tries, line));
            }
            "resolver" => self.resolver(one),
            "return" => self.list.lost(line, one.shown(), "tlsgate answers nothing itself"),
            "js_access" | "js_filter" | "js_preread" => {
                self.list.security(line, one.shown(), "tlsgate runs no scripts");
            }
            "limit_conn" => {
                self.list.security(
                    line,
                    one.shown(),
                    "tlsgate counts the connections of each client: write max_connections_per_client",
                );
            }
            _ => return false,
        }
        true
    }

    /// TLS to the servers. Whether it is about that.
    fn of_server_tls(&mut self, one: &Directive, server: &mut Server) -> bool {
        let Directive { name, line, .. } = one;
        let (first, is_on) = (one.first(), one.first() == "on");
        let path = || Some(absolute(first, self.folder).display().to_string());
        let tls = &mut server.server_tls;
        let is_fixed = !one.arguments.iter().any(|argument| argument.contains('$'));
        match &**name {
            "proxy_ssl" => {
                if is_on {
                    tls.get_or_insert_default().line = line.clone();
                }
            }
            "proxy_ssl_verify" => server.verified = is_on,
            "proxy_ssl_trusted_certificate" => tls.get_or_insert_default().ca = path(),
            "proxy_ssl_name" => tls.get_or_insert_default().server_name = Some(first.to_owned()),
            "proxy_ssl_certificate" | "proxy_ssl_certificate_key" | "proxy_ssl_alpn" if !is_fixed => {
                let why =
                    "tlsgate puts no variables in: TLS to the servers of a backend is the same for all connections";
                self.list.security(line, one.shown(), why);
            }
            "proxy_ssl_certificate" => tls.get_or_insert_default().cert = path(),
            "proxy_ssl_certificate_key" => tls.get_or_insert_default().key = path(),
            "proxy_ssl_alpn" => tls.get_or_insert_default().alpn.clone_from(&one.arguments),
            "proxy_ssl_password_file" => self.passphrases(one),
            "proxy_ssl_crl" => {
                self.list.security(line, one.shown(), "tlsgate reads lists of revoked certificates for clients only")
            }
            "proxy_ssl_ciphers" | "proxy_ssl_protocols" | "proxy_ssl_conf_command" => self.list.note(
                line,
                one.shown(),
                "TLS to servers has tlsgate's default policy; see policy in [backend.NAME.tls]",
            ),
            "proxy_ssl_server_name" | "proxy_ssl_session_reuse" | "proxy_ssl_verify_depth" => {
                self.list.note(
                    line,
                    one.shown(),
                    "tlsgate always sends the name that it verifies, and resumes sessions",
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
        for option in options {
            let name = option.split('=').next().unwrap_or_default();
            if !["ssl", "proxy_protocol", "ipv6only"].contains(&name) {
                let why = match name {
                    "default_server" => {
                        "in tlsgate, the first server of an address gets the clients that no name is for"
                    }
                    _ => "tlsgate does without it",
                };
                self.list.note(&one.line, option, why);
            }
        }
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

    /// nginx tries every line of the file, tlsgate its first one.
    fn passphrases(&mut self, one: &Directive) {
        let file = format!("file:{}", absolute(one.first(), self.folder).display());
        self.list.note(
            &one.line,
            one.shown(),
            "tlsgate reads the first line of the file: write a file for each passphrase",
        );
        let all = &mut self.job.passphrases.get_or_insert_with(|| Said::new(Vec::new(), &one.line)).value;
        if !all.contains(&file) {
            all.push(file);
        }
    }

    fn other(&mut self, one: &Directive) {
        match &*one.name {
            name if PLAIN.lists(name, &one.shown(), &one.line, self.list) => {}
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

/// nginx has 48 or 80 bytes in a file for each key, tlsgate the same in base64.
const TICKET_KEY: &str = "tlsgate reads such keys from one text file (ticket_keys): for each of nginx's keys a line with what \"base64 --wrap=0 FILE\" prints; the last line but one seals, where nginx takes the first key";

const PLAIN: Plain = Plain {
    unneeded: &[
        "js_import",
        "js_path",
        "preread_buffer_size",
        "proxy_buffer_size",
        "proxy_half_close",
        "proxy_requests",
        "proxy_responses",
        "proxy_socket_keepalive",
        "proxy_next_upstream",
        "proxy_next_upstream_timeout",
        "resolver_timeout",
        "server_names_hash_bucket_size",
        "server_names_hash_max_size",
        "ssl_buffer_size",
        "ssl_certificate_cache",
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
        "proxy_ssl_certificate_cache",
        "status_zone",
    ],
    log: &["access_log", "error_log", "log_format", "open_log_file_cache"],
    process: &[],
};
