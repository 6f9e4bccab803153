//! A job → the text of a configuration, with a comment for each line that it comes from. Must not know: what the peers write.

use std::fmt::Write as _;

use super::job::{
    Backend, Certificate, ClientAuth, Health, Job, Listener, Maybe, Mode, Policy, Route, Said, Server, ServerTls,
};
use super::list::Line;
use super::peer::Peer;

/// The whole configuration.
pub(super) fn written(job: &Job, peer: Peer, name: &str) -> String {
    let mut out = Out::default();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    out.line(&format!("# For the same job as {name}, a configuration of {}. Comments name its lines.", peer.name()));
    if let Some(Said { value, line }) = &job.resolver {
        out.head("[resolver]", line);
        out.key("nameservers", &list(value), line);
    }
    if let Some(Said { value, line }) = &job.passphrases {
        out.head("[keys]", line);
        out.key("passphrases", &list(value), line);
    }
    let policies = policies(job);
    for listener in &job.listeners {
        out.listener(listener, &policies);
    }
    for (policy, name) in &policies {
        out.policy(policy, name);
    }
    for backend in &job.backends {
        out.backend(backend);
    }
    out.text
}

/// Each policy once, with its name.
fn policies(job: &Job) -> Vec<(&Policy, String)> {
    let mut all: Vec<(&Policy, String)> = Vec::new();
    let own =
        job.listeners.iter().filter(|listener| listener.terminates()).filter_map(|listener| listener.tls.as_ref());
    let routes = job.listeners.iter().flat_map(|listener| &listener.routes).filter_map(|route| route.tls.as_ref());
    for policy in own.chain(routes) {
        if !all.iter().any(|(known, _)| same(known, policy)) {
            let number = all.len() + 1;
            all.push((policy, if number == 1 { "converted".into() } else { format!("converted-{number}") }));
        }
    }
    all
}

/// Whether two policies allow the same, wherever they come from.
fn same(one: &Policy, other: &Policy) -> bool {
    Policy { line: Line::default(), ..one.clone() } == Policy { line: Line::default(), ..other.clone() }
}

#[derive(Default)]
struct Out {
    text: String,
}

impl Out {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn head(&mut self, head: &str, line: &Line) {
        self.text.push('\n');
        self.key_free(head, line);
    }

    fn key(&mut self, key: &str, value: &str, line: &Line) {
        self.key_free(&format!("{key} = {value}"), line);
    }

    /// The text, and the line that it comes from unless that is a default of the peer.
    fn key_free(&mut self, text: &str, line: &Line) {
        let from: String = line.to_string().chars().filter(|c| !c.is_control()).collect();
        match line.number {
            0 => self.line(text),
            // Writing to a String cannot fail.
            _ => drop(writeln!(self.text, "{text}  # {from}")),
        }
    }

    fn text_key(&mut self, key: &str, value: &Maybe<String>) {
        if let Some(Said { value, line }) = value {
            self.key(key, &quoted(value), line);
        }
    }

    fn list_key(&mut self, key: &str, values: &[Said<String>]) {
        if let Some(first) = values.first() {
            let all: Vec<&String> = values.iter().map(|one| &one.value).collect();
            self.key(key, &list(&all), &first.line);
        }
    }

    fn listener(&mut self, listener: &Listener, policies: &[(&Policy, String)]) {
        self.head("[[listener]]", &listener.line);
        self.line(&format!("name = {}", quoted(&listener.name)));
        self.list_key("listen", &listener.listen);
        self.text_key("socket_mode", &listener.socket_mode);
        if listener.terminates() {
            self.policy_of(listener.tls.as_ref(), policies);
        }
        self.certificates(&listener.certificates);
        if let Some(Said { line, .. }) = &listener.strict {
            self.key("unknown_name", "\"reject\"", line);
            self.key("require_sni", "true", line);
        }
        self.list_key("allow", &listener.allow);
        self.list_key("deny", &listener.deny);
        if let Some(Said { value, line }) = &listener.max_connections {
            self.key("max_connections", &value.to_string(), line);
        }
        if let Some(Said { value, line }) = &listener.trusted_proxies {
            self.key("proxy_protocol", "\"require\"", line);
            self.key("trusted_proxies", &list(value), line);
        }
        if let Some(Said { value, line }) = &listener.starttls {
            self.key("starttls", &quoted(value), line);
        }
        self.text_key("handshake_timeout", &listener.handshake_timeout);
        self.text_key("idle_timeout", &listener.idle_timeout);
        self.text_key("half_close_timeout", &listener.half_close_timeout);
        if let Some(Said { value, line }) = &listener.tickets {
            self.key("session_tickets", &value.to_string(), line);
        }
        self.text_key("ticket_lifetime", &listener.ticket_lifetime);
        if let Some(Said { value, line }) = &listener.ticket_keys {
            self.key("ticket_keys", &list(&[value]), line);
        }
        if let Some(Said { value, line }) = &listener.alpn {
            self.key("alpn", &list(value), line);
        }
        if listener.mode != Mode::Terminate || listener.certificates.is_empty() {
            self.line(&format!("mode = {}", quoted(listener.mode.word())));
        }
        self.text_key("backend", &listener.backend);
        self.text_key("not_tls", &listener.not_tls);
        if let Some(auth) = &listener.client_auth {
            self.head("[listener.client_auth]", &auth.line);
            for (key, value) in auth_keys(auth) {
                self.line(&format!("{key} = {value}"));
            }
        }
        for route in &listener.routes {
            self.route(route, policies);
        }
    }

    fn policy_of(&mut self, own: Option<&Policy>, policies: &[(&Policy, String)]) {
        let Some(own) = own else { return };
        if let Some((_, name)) = policies.iter().find(|(known, _)| same(known, own)) {
            self.line(&format!("policy = {}", quoted(name)));
        }
    }

    fn certificates(&mut self, certificates: &[Said<Certificate>]) {
        match certificates {
            [] => {}
            [Said { value, line }] => self.key("certificates", &format!("[{}]", source(value)), line),
            several => {
                self.line("certificates = [");
                for Said { value, line } in several {
                    self.key_free(&format!("  {},", source(value)), line);
                }
                self.line("]");
            }
        }
    }

    fn route(&mut self, route: &Route, policies: &[(&Policy, String)]) {
        self.head("[[listener.route]]", &route.line);
        if !route.server_names.is_empty() {
            self.line(&format!("server_names = {}", list(&route.server_names)));
        }
        if route.nameless {
            self.line("no_server_name = true");
        }
        if !route.client_alpn.is_empty() {
            self.line(&format!("client_alpn = {}", list(&route.client_alpn)));
        }
        self.line(&format!("mode = {}", quoted(route.mode.word())));
        self.text_key("backend", &route.backend);
        self.policy_of(route.tls.as_ref(), policies);
        self.certificates(&route.certificates);
        if let Some(auth) = &route.client_auth {
            let keys: Vec<String> = auth_keys(auth).iter().map(|(key, value)| format!("{key} = {value}")).collect();
            self.key("client_auth", &format!("{{ {} }}", keys.join(", ")), &auth.line);
        }
    }

    fn policy(&mut self, policy: &Policy, name: &str) {
        self.head(&format!("[policy.{name}]"), &policy.line);
        self.line(&format!("versions = {}", list(&policy.versions)));
        self.line(&format!("ciphers = {}", list(&policy.ciphers)));
        if let Some(groups) = &policy.groups {
            self.line(&format!("groups = {}", list(groups)));
        }
        self.line(&format!("cipher_order = {}", quoted(if policy.server_order { "server" } else { "client" })));
    }

    fn backend(&mut self, backend: &Backend) {
        let name = bare(&backend.name);
        self.head(&format!("[backend.{name}]"), &backend.line);
        match &*backend.servers {
            [Said { value, line }] => self.key("servers", &format!("[{}]", server(value)), line),
            several => {
                self.line("servers = [");
                for Said { value, line } in several {
                    self.key_free(&format!("  {},", server(value)), line);
                }
                self.line("]");
            }
        }
        if let Some(Said { value, line }) = &backend.balance {
            self.key("balance", &quoted(value), line);
        }
        self.text_key("connect_timeout", &backend.connect_timeout);
        if let Some(Said { value, line }) = &backend.connect_attempts {
            self.key("connect_attempts", &value.to_string(), line);
        }
        if let Some(Said { value, line }) = &backend.proxy_protocol {
            self.key("proxy_protocol", &quoted(value), line);
        }
        self.text_key("slow_start", &backend.slow_start);
        if let Some(Said { line, .. }) = &backend.close_on_down {
            self.key("on_down", "\"close\"", line);
        }
        if let Some(tls) = &backend.tls {
            self.head(&format!("[backend.{name}.tls]"), &tls.line);
            for (key, value) in tls_keys(tls) {
                self.line(&format!("{key} = {value}"));
            }
        }
        if let Some(health) = &backend.health {
            self.head(&format!("[backend.{name}.health]"), &health.line);
            for (key, value) in health_keys(health) {
                self.line(&format!("{key} = {value}"));
            }
        }
    }
}

fn auth_keys(auth: &ClientAuth) -> Vec<(&'static str, String)> {
    let mut keys = vec![("mode", quoted(if auth.required { "require" } else { "optional" })), ("ca", list(&auth.ca))];
    for (key, values) in [("crl", &auth.crl), ("names", &auth.names)] {
        if !values.is_empty() {
            keys.push((key, list(values)));
        }
    }
    keys
}

fn tls_keys(tls: &ServerTls) -> Vec<(&'static str, String)> {
    let texts = [("ca", &tls.ca), ("server_name", &tls.server_name), ("cert", &tls.cert), ("key", &tls.key)];
    let mut keys: Vec<_> = texts.iter().filter_map(|(key, value)| Some((*key, quoted(value.as_ref()?)))).collect();
    if !tls.alpn.is_empty() {
        keys.push(("alpn", list(&tls.alpn)));
    }
    keys
}

fn health_keys(health: &Health) -> Vec<(&'static str, String)> {
    let mut keys = vec![("type", quoted(health.kind))];
    keys.extend(health.interval.as_ref().map(|interval| ("interval", quoted(interval))));
    let numbers = [("rise", health.rise), ("fall", health.fall), ("port", health.port)];
    keys.extend(numbers.iter().filter_map(|(key, number)| Some((*key, (*number)?.to_string()))));
    if health.tls {
        keys.push(("tls", "true".into()));
    }
    if health.tls || health.kind == "tls" {
        keys.push(("verify", "false".into()));
    }
    let texts = [("method", &health.method), ("path", &health.path), ("host", &health.host)];
    keys.extend(texts.iter().filter_map(|(key, value)| Some((*key, quoted(value.as_ref()?)))));
    if !health.status.is_empty() {
        let all: Vec<String> =
            health.status.iter().map(|one| if one.contains('-') { quoted(one) } else { one.clone() }).collect();
        keys.push(("status", format!("[{}]", all.join(", "))));
    }
    keys
}

fn source(certificate: &Certificate) -> String {
    let Certificate { path, key, names, default, is_folder: _ } = certificate;
    if key.is_none() && names.is_empty() && !default {
        return quoted(path);
    }
    let mut text = format!("{{ cert = {}, key = {}", quoted(path), quoted(key.as_ref().unwrap_or(path)));
    if !names.is_empty() {
        let _ = write!(text, ", names = {}", list(names));
    }
    if *default {
        text.push_str(", default = true");
    }
    text + " }"
}

fn server(server: &Server) -> String {
    let Server { address, weight, backup, max_connections } = server;
    if weight.is_none() && !backup && max_connections.is_none() {
        return quoted(address);
    }
    let mut text = format!("{{ address = {}", quoted(address));
    if let Some(weight) = weight {
        let _ = write!(text, ", weight = {weight}");
    }
    if *backup {
        text.push_str(", backup = true");
    }
    if let Some(most) = max_connections {
        let _ = write!(text, ", max_connections = {most}");
    }
    text + " }"
}

fn list<T: AsRef<str>>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("[{}]", values.join(", "))
}

/// A key of a table: without quotes where TOML allows that.
fn bare(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if plain { name.to_owned() } else { quoted(name) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
