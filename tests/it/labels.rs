//! Labels of listeners, routes and backends: which ones a connection has in the log, and where else they are shown. This
//! file: a proxy with labels everywhere.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

mod log;
mod metrics;
mod shown;

/// In which every character is one that some format escapes.
const HOSTILE: &str = r#"\"><script>alert('&')</script>{x="y"} \u202e, ü"#;

/// A proxy of which the listener `main` has a way of each kind, and `bare` has no labels at all.
struct Scene {
    pki: Pki,
    proxy: Proxy,
    door: Door,
    _backend: Backend,
}

impl Scene {
    fn new() -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        pki.write("certs", "a", &["a.test", "*.test"], Key::P256, &Extra::default());
        let proxy = Proxy::start(pki.folder(), &config(backend.address));
        let door = Door::Unix(pki.folder().join("admin.sock"));
        Self { pki, proxy, door, _backend: backend }
    }

    /// Writes the configuration with another value of `env`, and waits until it is in force.
    fn reload(&self, env: &str) {
        let path = self.pki.folder().join("tlsgate.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("env = \"prod\"", &format!("env = \"{env}\""))).unwrap();
        self.proxy.log_line(&format!("env = \"{env}\""));
    }

    /// OpenSSL's client, once.
    fn connect(&self, listener: &str, name: &str, more: &[&str]) {
        let address = self.proxy.address(listener).to_string();
        tool::run("openssl", &[&["s_client", "-connect", &address, "-servername", name], more].concat(), b"");
    }

    /// The labels of the record that `is_it` accepts.
    fn labels(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        self.proxy.record(is_it)["labels"].clone()
    }

    /// The answer of `tlsgate explain`.
    fn explained(&self, name: &str, format: &str) -> String {
        let file = self.pki.folder().join("tlsgate.toml");
        let mut command = Command::new(PROGRAM);
        command.args(["explain", "--listener", "main", "--sni", name, "--format", format, "-c"]).arg(file);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }
}

fn config(backend: SocketAddr) -> String {
    // As TOML: a basic string has the escapes of JSON.
    let hostile = json!(hostile());
    format!(
        r#"
[admin]
listen="unix:admin.sock"

[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "plain"
not_tls = "plain"
labels = {{ team = "platform", env = "prod" }}

[[listener.route]]
name = "apps"
server_names = ["apps.test"]
backend = "apps"
labels = {{ team = "apps", tier = "1" }}

[[listener.route]]
name = "through"
server_names = ["through.test"]
mode = "passthrough"
backend = "quiet"
labels = {{ team = "network" }}

[[listener.route]]
name = "gone"
server_names = ["gone.test"]
mode = "reject"

[[listener]]
name = "bare"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "quiet"

[backend.plain]
servers = ["{backend}"]
labels = {{ site = {hostile} }}

[backend.apps]
servers = ["{backend}"]
labels = {{ team = "directory" }}

[backend.quiet]
servers = ["{backend}"]
"#
    )
}

/// [`HOSTILE`], with the character that turns a text around.
fn hostile() -> String {
    HOSTILE.replace("\\u202e", "\u{202e}")
}
