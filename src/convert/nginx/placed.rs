//! A server of nginx that has been read → a listener, or routes of an earlier one. Must not know: directives of nginx, maps.

use std::collections::BTreeSet;
use std::path::Path;

use super::Reader;
use super::blocks::Directive;
use super::server::Server;
use crate::convert::certificates::{is_elsewhere, said};
use crate::convert::job::{Certificate, ClientAuth, Mode, Route, Said};
use crate::convert::place;

impl Reader<'_> {
    /// Makes a listener of it.
    pub(super) fn finish(&mut self, mut server: Server, directive: &Directive) {
        let line = directive.line.clone();
        if server.listener.listen.is_empty() {
            if server.whole {
                self.list.lost(&line, "server", "it listens nowhere");
            }
            return;
        }
        if let Some(line) = &server.refuses {
            // It is the answer to names that no other server of the address has.
            self.list.note(line, "ssl_reject_handshake", "such clients get the alert unrecognized_name");
            server.listener.mode = Mode::Reject;
            return self.placed(server);
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
        if !self.header(&mut server) {
            return;
        }
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
        if names.is_empty() && listener.mode == Mode::Reject {
            let why = "the first server of this address gets the clients that no name is for: write mode = \"reject\" there, with routes for its names";
            return self.list.security(&listener.line, "server", why);
        }
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
            let path = match value.split_once('$').filter(|_| !is_elsewhere(value)) {
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
        if server.ca.is_empty() {
            self.list.security(
                line,
                "ssl_verify_client",
                "there is no ssl_client_certificate, so no client is asked for a certificate",
            );
            return None;
        }
        Some(ClientAuth {
            line: line.clone(),
            required,
            ca: server.ca.clone(),
            crl: server.crl.clone(),
            names: Vec::new(),
        })
    }

    /// The proxies whose header is read. False if there are some, and none that tlsgate could know.
    fn header(&mut self, server: &mut Server) -> bool {
        let Some(line) = server.header.clone() else { return true };
        let mut trusted = std::mem::take(&mut server.proxies);
        if trusted.is_empty() && server.names_proxies {
            self.list.security(
                &line,
                "server",
                "no address of a proxy is known, so it is left out: list them in trusted_proxies",
            );
            return false;
        }
        if trusted.is_empty() {
            self.list.security(&line, "proxy_protocol", "without set_real_ip_from, a header is read from everybody; tlsgate uses the address in it: list your proxies in trusted_proxies");
            trusted = ["0.0.0.0/0", "::/0"].map(str::to_owned).to_vec();
        }
        server.listener.trusted_proxies = Some(Said::new(trusted, &line));
        true
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
}
