//! The description of the API fits what the API answers.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// Everything that a configuration can have in an answer. The authority is one that nothing is heard of.
fn config(server: &str) -> String {
    format!(
        r#"
[admin]
listen="unix:admin.sock"
hosts = ["admin.test"]
probes = "127.0.0.1:0"

[process]
sandbox = "auto"
sandbox_paths = ["certs"]

[limits]
memory = "512MiB"

[state]
directory = "state"

[keys]
passphrases = ["file:passphrase"]

[acme.inside]
directory = "https://127.0.0.1:1/directory"
contact = ["mailto:ops@example.com"]
eab = {{ kid = "kid-1", key_file = "eab.key" }}
profile = "short"
dns = {{ server = "127.0.0.1:1", zone = "inside.test", tsig_name = "acme", tsig_key_file = "tsig.key" }}
fallback = ["other"]

[acme.other]
directory = "https://127.0.0.1:1/other"
dns = {{ program = "/bin/true" }}

[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs", {{ acme = "inside", names = ["b.inside.test"] }}]
policy = "own"
backend = "plain"
labels = {{ team = "platform" }}
client_auth = {{ mode = "optional", ca = "ca.pem", names = ["dns:one.test"] }}
max_connections_per_client = 100
allow = ["127.0.0.0/8"]

[[listener.route]]
server_names = ["through.test"]
mode = "passthrough"
backend = "plain"
labels = {{ team = "apps" }}

[[listener.route]]
server_names = ["shared.test"]
backends = [{{ backend = "plain", weight = 3 }}, "checked"]
deny = ["192.0.2.0/24"]
deny_file = "drop.txt"
max_connections = 100
connection_rate = "100/s"
handshake_failures = {{ limit = 20, window = "1m", block = "10m" }}

[[listener.route]]
server_names = ["refused.test"]
mode = "reject"

[[listener]]
name = "directory"
listen = "127.0.0.1:0"
starttls = "ldap"
certificates = ["certs"]
backend = "checked"

[policy.own]
versions = ["TLSv1.3"]
ciphers = ["TLS_AES_128_GCM_SHA256"]

[backend.plain]
servers = ["{server}", {{ address = "127.0.0.1:1", backup = true }}]

[backend.checked]
labels = {{ site = "north" }}
servers = [{{ address = "{server}", weight = 2, max_connections = 5 }}]
tls = {{ ca = "ca.pem", server_name = "a.test" }}
health = {{ type = "ldap" }}
"#
    )
}

#[test]
fn every_answer_is_as_described() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let secrets =
        [("passphrase", "open"), ("eab.key", "c2VjcmV0LXNlY3JldC1zZWNyZXQ"), ("tsig.key", "c2VjcmV0LXNlY3JldA==")];
    for (file, text) in secrets {
        write_private(&pki.folder().join(file), text);
    }
    std::fs::write(pki.folder().join("drop.txt"), "192.0.2.7\n").unwrap();
    let _proxy = Proxy::start(pki.folder(), &config(&backend.address.to_string()));
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let description = door.get("/api/v1/openapi.json").json();
    let mut judged = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let content = &methods["get"]["responses"]["200"]["content"];
        let Some(schema) = content.get("application/json").map(|json| &json["schema"]) else { continue };
        let question = if path.ends_with("/explain") { "?listener=main&sni=a.test" } else { "" };
        let answer = door.get(&format!("{path}{question}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        judge(&description, schema, &answer.json(), path);
        judged += 1;
    }
    assert!(judged > 10, "{judged} answers");
}

/// The schemas of OpenAPI 3.1 are JSON Schema.
fn judge(description: &Value, schema: &Value, answer: &Value, what: &str) {
    let question = json!([description, schema, answer]).to_string();
    let judged = tool::run("/usr/bin/python3", &["-c", JUDGE], question.as_bytes());
    assert!(judged.status.success(), "{what}: {}", tool::shown(&judged));
}

/// Debian's `python3-jsonschema`. References lead into the description.
const JUDGE: &str = "
import json, sys, jsonschema
description, schema, answer = json.load(sys.stdin)
jsonschema.Draft202012Validator(dict(description, **schema)).validate(answer)
";
