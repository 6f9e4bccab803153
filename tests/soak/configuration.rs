//! The program's configuration in all its variants. Must not know: when they change.

use std::time::Duration;

use crate::backend::Server;
use crate::material::{INNER, Material, THROUGH};

/// The text for a generation: the record layer and the policy alternate.
pub(crate) fn text(material: &Material, generation: u64) -> String {
    let record_layer = if generation.is_multiple_of(2) { "tlsgate" } else { "rustls" };
    let (policy, more) = match generation / 2 % 3 {
        0 => ("TLS13-1-2-Res-PQ-2025-09", ""),
        1 => ("TLS13-1-2-Res-2021-06", ""),
        _ => ("own", OWN_POLICY),
    };
    let (handshake, shutdown) = (HANDSHAKE_TIMEOUT.as_secs(), SHUTDOWN_TIMEOUT.as_secs());
    // Sessions by id are kept until they expire. They have to expire as fast as they come, or their tables would still grow
    // for the most of an hour, until they are full, and hide what leaks.
    let common = format!(
        "ticket_lifetime = \"1m\"\nticket_rotation = \"1m\"\n\
         listen = \"127.0.0.1:0\"\npolicy = \"{policy}\"\ncertificates = [\"certs\"]\nbackend = \"plain\"\n\
         handshake_timeout = \"{handshake}s\"\nidle_timeout = \"15s\"\nhalf_close_timeout = \"15s\"\n"
    );
    let [plain, inner, through] = [&material.plain, &material.inner, &material.through].map(|servers| list(servers));
    format!(
        r#"
[admin]
listen = "unix:admin.sock"

[runtime]
workers = 2
record_layer = "{record_layer}"
shutdown_timeout = "{shutdown}s"

{LIMITS}
{more}

[[listener]]
name = "main"
{common}

[[listener.route]]
server_names = ["{INNER}"]
backend = "inner"

[[listener.route]]
server_names = ["{THROUGH}"]
mode = "passthrough"
backend = "through"

[[listener]]
name = "proxied"
proxy_protocol = "require"
trusted_proxies = ["127.0.0.0/8"]
{common}

[[listener]]
name = "directory"
starttls = "ldap"
{common}

[[listener]]
name = "few"
max_connections = {FEW}
{common}

[backend.plain]
servers = [{plain}]
balance = "round_robin"
health = {{ type = "tcp", {CHECKED} }}

[backend.inner]
servers = [{inner}]
tls = {{ ca = "ca.pem", server_name = "server.test" }}
health = {{ type = "tls", ca = "ca.pem", server_name = "server.test", {CHECKED} }}

[backend.through]
servers = [{through}]
health = {{ type = "tcp", {CHECKED} }}
"#
    )
}

fn list(servers: &[Server]) -> String {
    let quoted: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address)).collect();
    quoted.join(", ")
}

/// The number of addresses that it listens on.
pub(crate) const LISTENERS: usize = 4;
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);
/// `max_connections` of the listener "few".
pub(crate) const FEW: usize = 8;

/// Less than many clients that do not read would fill. They are then closed with `memory_stalled`, and newcomers are
/// refused with `memory_limit`: `verdict` explains both in such a time.
const LIMITS: &str = "[limits]\nmemory = \"56MiB\"\n";

const CHECKED: &str = "interval = \"500ms\", timeout = \"2s\"";

const OWN_POLICY: &str = r#"[policy.own]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]
cipher_order = "client"
"#;
