//! The admin server as its clients see it, with a real configuration behind it: every complete request has one answer, with
//! a status that the description of the API has, and with JSON where it says so.
#![no_main]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tlsgate::acme::keeper::Keeper;
use tlsgate::admin::{Admin, Counted, Keepers, MOST_CONNECTIONS};
use tlsgate::config;
use tlsgate::config::located::ConfigError;
use tlsgate::config::validate::Config;
use tlsgate::lists::keeper::Keeper as Lists;
use tlsgate::live::registry::Registry;
use tlsgate::net::address::Address;
use tlsgate::net::listen::Listening;
use tlsgate::pressure::Pressure;
use tlsgate::reload::build::{Origin, Ready};
use tlsgate::reload::control::Command;
use tlsgate::reload::sockets::Sockets;
use tlsgate::reload::{Cause, Reloader};
use tokio::runtime;
use tokio::sync::mpsc;

#[path = "shared/http.rs"]
mod http;

use http::{Answered, Asked, exchange};

static SERVER: LazyLock<SocketAddr> = LazyLock::new(started);
static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/admin/view/openapi.json")).expect("JSON"));

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    // The answer comes when the process drains, and this one goes on.
    if bytes.windows(6).any(|part| part == b"/drain") {
        return;
    }
    if choice & 1 == 1 {
        // As it is, in whatever pieces of whatever requests; there may be no answer.
        exchange(*SERVER, bytes, true);
        return;
    }
    let Some(mut asked) = Asked::of(bytes) else { return };
    if choice & 2 == 0 {
        asked.lines.insert(1, format!("Authorization: Bearer {TOKEN}").into_bytes());
    }
    if choice & 4 == 0 {
        asked.lines.insert(1, b"Host: localhost".to_vec());
    }
    // The beginning of HTTP/2 is not answered.
    let is_http2 = asked.lines[0].starts_with(b"PRI ");
    match asked.send(*SERVER) {
        Some(answered) => check(&asked, &answered),
        None => assert!(is_http2, "no answer to {:?}", String::from_utf8_lossy(&asked.lines[0])),
    }
});

fn check(asked: &Asked, answered: &Answered) {
    let (method, path) = asked.target();
    let status = answered.status;
    // What is no HTTP, or too long for it, is refused before it is known what it asks for.
    let is_documented = matches!(status, 400 | 414 | 431) || documented(method, path, status) || is_of_page(path);
    assert!(is_documented, "{method} {path}: {status} {:?}", String::from_utf8_lossy(&answered.body));
    if answered.field("content-type") == Some("application/json") && method != "HEAD" {
        let body: Value = serde_json::from_slice(&answered.body).expect("JSON");
        let is_error = status >= 400 && !path.ends_with("/readyz");
        assert!(!is_error || body.is_object(), "{method} {path}: {body}");
    }
}

/// Whether a path is that of the page for people, which the description does not have.
fn is_of_page(path: &str) -> bool {
    matches!(path, "/" | "/sign-in" | "/sign-out") || path.starts_with("/assets/") || path.starts_with("/change/")
}

/// Whether the description has this status for this request. What it does not have is not found, and its other methods
/// are not allowed.
fn documented(method: &str, path: &str, status: u16) -> bool {
    // Methods are compared with their case (RFC 9110 section 9.1).
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase());
    let method = if method == "HEAD" { "get".into() } else { method.to_ascii_lowercase() };
    let mut known = false;
    for (pattern, item) in DESCRIPTION["paths"].as_object().expect("paths") {
        let (pattern_parts, parts) = (pattern.split('/'), path.split('/'));
        let fits = pattern_parts.clone().count() == parts.clone().count()
            && pattern_parts.zip(parts).all(|(expected, found)| expected.starts_with('{') || expected == found);
        if fits {
            known = true;
            if let Some(operation) = item.get(&method).filter(|_| is_method) {
                // A name that is not UTF-8 is that of nothing.
                let is_nameless = pattern.contains('{') && status == 404;
                return is_nameless || operation["responses"].get(status.to_string()).is_some();
            }
        }
    }
    // The host is looked at first.
    status == 421 || status == 404 || known && status == 405
}

/// Starts everything, which lives as long as the process.
fn started() -> SocketAddr {
    let folder = folder();
    let config = config::parse(CONFIG, &folder).expect("a configuration");
    let first = Ready::first(config.clone()).expect("a state");
    let mut reloader = Reloader::start(Origin::Program, first, |_| Nowhere).expect("a state");
    let (control, mut commands) = reloader.control();
    let keeper = Keeper::start(Arc::default(), Default::default(), None, None).expect("a thread");
    let lists = Lists::start(Arc::default(), mpsc::channel(1).0).expect("a thread");
    let listening = |_, endpoint: &tlsgate::net::endpoint::Endpoint| {
        Ok(vec![Listening::bind(endpoint.address().expect("an address"), 0o600)?])
    };
    let counted = Counted { exposition: Box::new(|_, _| "# none\n".into()), totals: Box::new(Default::default) };
    let admin = Admin::open(&config.admin, listening, MOST_CONNECTIONS, counted);
    let admin = admin.expect("a socket").expect("an admin server");
    admin.ready(
        control,
        Keepers { acme: keeper.handle(), lists: lists.handle(), fleet: None },
        Arc::new(Pressure::default()),
        Arc::new(Registry::new(1, 1)),
    );
    let address = admin.bound().next().expect("a socket").2.address().expect("an address");
    std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            while let Some(command) = commands.recv().await {
                // The other one is a drain, which no input asks for.
                if let Command::Reload(reply) = command {
                    reloader.begin(Cause::Command);
                    let _ = reply.send(Arc::new(reloader.finished().await));
                }
            }
        });
    });
    Box::leak(Box::new((admin, keeper, lists)));
    match address {
        Address::Tcp(address) => address,
        Address::Unix(_) => unreachable!("the configuration has another one"),
    }
}

/// A folder with the token and one certificate. What an earlier run has left there is removed.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tlsgate-fuzz-admin-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("certs")).expect("a folder");
    let key = rcgen::KeyPair::from_pem(include_str!("shared/authority.key")).expect("a key");
    let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).expect("parameters");
    let certificate = params.self_signed(&key).expect("a certificate");
    for (name, text) in
        [("token", TOKEN.to_owned()), ("certs/a.crt", certificate.pem()), ("certs/a.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    folder
}

/// Listens nowhere.
struct Nowhere;

impl Sockets for Nowhere {
    type Prepared = ();

    fn prepare(&mut self, _: &Config) -> Result<(), Vec<ConfigError>> {
        Ok(())
    }

    fn commit(&mut self, (): ()) {}

    fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        Vec::new()
    }
}

const TOKEN: &str = "0123456789abcdef";
const CONFIG: &str = r#"
[admin]
listen = "127.0.0.1:0"
hosts = ["tlsgate"]
token_file = "token"

[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "web"

[backend.web]
servers = ["127.0.0.1:1", "127.0.0.1:2"]
"#;
