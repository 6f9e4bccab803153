//! A health check, as far as it can be validated without opening a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::validate::revocation::{self, Home, Lists};
use crate::config::values::health::{CheckType, Pinned, StatusRange};
use crate::tls::trust::servers::Pin;

/// `[backend.NAME.health]`, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub here: Located<()>,
    pub kind: CheckType,
    pub interval: Duration,
    pub timeout: Duration,
    pub rise: u32,
    pub fall: u32,
    /// At most this is added to each interval, so that checks spread out. A tenth of the interval unless set.
    pub jitter: Duration,
    pub port: Option<u16>,
    pub tls: Option<Tls>,
    pub http: Option<Http>,
    pub bind: Option<Bind>,
}

impl Health {
    /// The files that are read for it.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls.iter().flat_map(|tls| tls.ca.iter().chain(&tls.lists.files));
        tls.chain(self.bind.as_ref().map(|bind| &bind.password_file)).map(|file| file.value.as_path())
    }
}

/// TLS of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether TLS begins with StartTLS in LDAP (RFC 4511 section 4.14), and not with the connection.
    pub start_tls: bool,
    pub ca: Option<Located<PathBuf>>,
    /// The lists by which certificates below `ca` are judged.
    pub lists: Lists,
    pub pins: Vec<Pin>,
    pub server_name: Option<ServerName<'static>>,
    /// Without it, any certificate is accepted.
    pub verify: bool,
}

/// The request of an HTTP check, and which answers are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    pub path: String,
    pub host: Option<String>,
    pub status: Vec<StatusRange>,
    pub body: Option<String>,
}

/// The simple bind of an LDAP check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub dn: String,
    pub password_file: Located<PathBuf>,
}

pub(super) fn validated(health: file::health::Health, home: Home<'_>, errors: &mut Vec<ConfigError>) -> Option<Health> {
    let kind = health.kind.as_ref()?.value;
    let found = errors.len();
    misplaced(&health, kind, errors);
    let tls = tls(&health, kind, home, errors);
    let http = http(&health, kind, errors);
    let bind = match (health.bind_dn, health.password_file) {
        (Some(dn), Some(file)) => {
            paths::secret(file, home.folder, errors).map(|password_file| Bind { dn: dn.value, password_file })
        }
        (Some(alone), None) => {
            errors.push(alone.error("is given without a password (expected password_file as well)"));
            None
        }
        (None, Some(alone)) => {
            errors.push(alone.error("is given without the name to bind as (expected bind_dn as well)"));
            None
        }
        (None, None) => None,
    };
    (errors.len() == found).then(|| Health {
        here: health.here,
        kind,
        interval: health.interval.value,
        timeout: health.timeout.value,
        rise: count(health.rise.value),
        fall: count(health.fall.value),
        // A tenth spreads the checks of many servers that became known at the same time.
        jitter: health.jitter.map_or(health.interval.value / 10, |jitter| jitter.value),
        port: health.port.map(|port| port.value.0),
        tls,
        http,
        bind,
    })
}

/// Reports keys that have no effect on a check of this type.
fn misplaced(health: &file::health::Health, kind: CheckType, errors: &mut Vec<ConfigError>) {
    fn first<T>(list: Option<&Vec<Located<T>>>) -> Option<Located<()>> {
        list?.first().map(Located::place)
    }
    let (http, ldap) = (kind == CheckType::Http, kind == CheckType::Ldap);
    let tls = kind == CheckType::Tls || is_on(health.tls.as_ref()) || is_on(health.start_tls.as_ref());
    let keys = [
        (health.tls.as_ref().map(Located::place), http || ldap, "the types \"http\" and \"ldap\""),
        (health.start_tls.as_ref().map(Located::place), ldap, "the type \"ldap\""),
        (health.ca.as_ref().map(Located::place), tls, TLS),
        (first(health.revocation.crl.as_ref()), tls, TLS),
        (first(health.pins.as_ref()), tls, TLS),
        (health.server_name.as_ref().map(Located::place), tls, TLS),
        (health.verify.as_ref().map(Located::place), tls, TLS),
        (health.method.as_ref().map(Located::place), http, HTTP),
        (health.path.as_ref().map(Located::place), http, HTTP),
        (health.host.as_ref().map(Located::place), http, HTTP),
        (first(health.status.as_ref()), http, HTTP),
        (health.body.as_ref().map(Located::place), http, HTTP),
        (health.bind_dn.as_ref().map(Located::place), ldap, LDAP),
        (health.password_file.as_ref().map(Located::place), ldap, LDAP),
    ];
    let wrong = keys.into_iter().filter_map(|(place, right, users)| Some((place?, right, users))).filter(|key| !key.1);
    errors.extend(wrong.map(|(place, _, users)| place.error(format!("is only for {users}"))));
}

/// The TLS of a check that uses it: with a CA or pins, unless verification is off.
fn tls(health: &file::health::Health, kind: CheckType, home: Home<'_>, errors: &mut Vec<ConfigError>) -> Option<Tls> {
    let start_tls = is_on(health.start_tls.as_ref());
    if start_tls && is_on(health.tls.as_ref()) {
        errors.extend(
            health.start_tls.as_ref().map(|key| key.error("cannot be combined with tls = true (expected one of them)")),
        );
    }
    if kind != CheckType::Tls && !start_tls && !is_on(health.tls.as_ref()) {
        return None;
    }
    let verify = health.verify.as_ref().is_none_or(|verify| verify.value);
    let given = health.ca.is_some() || health.pins.is_some();
    if verify && !given {
        errors.push(
            health.here.error("the server's certificate cannot be verified (expected ca, pins or verify = false)"),
        );
    }
    if let Some(verify) = health.verify.as_ref().filter(|verify| !verify.value && given) {
        errors.push(verify.error("cannot be combined with ca or pins, which would be ignored"));
    }
    let server_name = health.server_name.as_ref().and_then(|name| {
        let parsed = ServerName::try_from(name.value.clone()).ok();
        if parsed.is_none() {
            errors.push(name.error(format!("found {:?}, expected a DNS name or an IP address", name.value)));
        }
        parsed
    });
    let lists = revocation::required(health.revocation.clone(), health.ca.is_some(), home, errors);
    Some(Tls {
        start_tls,
        ca: health.ca.clone().map(|file| paths::file(file, home.folder)),
        lists,
        pins: health.pins.iter().flatten().map(|pinned: &Located<Pinned>| pinned.value.0).collect(),
        server_name,
        verify,
    })
}

fn http(health: &file::health::Health, kind: CheckType, errors: &mut Vec<ConfigError>) -> Option<Http> {
    if kind != CheckType::Http {
        return None;
    }
    let method = health.method.as_ref();
    if let Some(method) = method.filter(|method| Method::from_bytes(method.value.as_bytes()).is_err()) {
        errors.push(method.error(format!("found {:?}, expected a method such as \"GET\"", method.value)));
    }
    let path = health.path.as_ref();
    let is_path = |path: &str| path.starts_with('/') && path.parse::<PathAndQuery>().is_ok();
    if let Some(path) = path.filter(|path| !is_path(&path.value)) {
        errors.push(path.error(format!("found {:?}, expected a path such as \"/health\"", path.value)));
    }
    let host = health.host.as_ref();
    // A blank or a line break in it would change the head of the request.
    if let Some(host) = host.filter(|host| host.value.is_empty() || !host.value.bytes().all(|b| b.is_ascii_graphic())) {
        errors.push(host.error(format!("found {:?}, expected a host name", host.value)));
    }
    // Every body contains the empty text, so it would check nothing.
    if let Some(body) = health.body.as_ref().filter(|body| body.value.is_empty()) {
        errors.push(body.error("found \"\", expected a text that the body contains"));
    }
    let status: Vec<StatusRange> = health.status.iter().flatten().map(|status| status.value).collect();
    Some(Http {
        method: method.map_or_else(|| "GET".to_owned(), |method| method.value.clone()),
        path: path.map_or_else(|| "/".to_owned(), |path| path.value.clone()),
        host: host.map(|host| host.value.clone()),
        // As in HAProxy's `httpchk`, a redirect shows that the server works.
        status: if status.is_empty() { vec![StatusRange(200, 399)] } else { status },
        body: health.body.as_ref().map(|body| body.value.clone()),
    })
}

fn is_on(key: Option<&Located<bool>>) -> bool {
    key.is_some_and(|key| key.value)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const TLS: &str = "checks that use TLS (expected type = \"tls\", tls = true or start_tls = true)";
const HTTP: &str = "the type \"http\"";
const LDAP: &str = "the type \"ldap\"";
