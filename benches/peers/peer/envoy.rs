//! Envoy: one worker, no log, no limit on connections to the backend.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::{Launch, Setting, printed};
use crate::material::NAME;

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

pub(super) fn about(program: &Path) -> String {
    let text = printed(program, &["--version"]);
    format!("envoy {}", text.trim().rsplit("version:").next().unwrap_or_default().trim())
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    let mut listeners = Vec::new();
    if let Some(many) = setting.many {
        let file = |name: &String, extension| many.pairs.join(format!("{name}.{extension}")).display().to_string();
        let pairs = many.names.iter().map(|name| certificate(file(name, "crt"), file(name, "key"))).collect();
        listeners.push(listener("ecdsa", setting.ecdsa, &[], chain(Some(tls(pairs)))));
    } else {
        for (name, address, pair) in
            [("ecdsa", setting.ecdsa, &setting.material.ecdsa), ("rsa", setting.rsa, &setting.material.rsa)]
        {
            let pair = certificate(pair.certificate.display().to_string(), pair.key.display().to_string());
            listeners.push(listener(name, address, &[], chain(Some(tls(vec![pair])))));
        }
        let mut passed = chain(None);
        passed["filter_chain_match"] = json!({ "server_names": [NAME] });
        let inspector = json!({
            "name": "tls_inspector",
            "typed_config": { "@type": format!("{EXTENSIONS}.filters.listener.tls_inspector.v3.TlsInspector") },
        });
        listeners.push(listener("passthrough", setting.passthrough, &[inspector], passed));
    }
    let config = json!({
        "stats_flush_interval": "299s",
        "static_resources": {
            "listeners": listeners,
            "clusters": [{
                "name": "backend",
                "type": "STATIC",
                "connect_timeout": "5s",
                "circuit_breakers": { "thresholds": [
                    { "max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000 },
                ] },
                "load_assignment": { "cluster_name": "backend", "endpoints": [
                    { "lb_endpoints": [{ "endpoint": { "address": socket(setting.backend) } }] },
                ] },
            }],
        },
    });
    let path = setting.folder.join("envoy.json");
    let text = serde_json::to_string_pretty(&config)?;
    fs::write(&path, &text)?;
    let workers = setting.workers.to_string();
    let arguments =
        ["-c", &path.display().to_string(), "--concurrency", &workers, "--log-level", "error", "--disable-hot-restart"];
    Ok(Launch {
        program: program.to_owned(),
        arguments: arguments.map(str::to_owned).to_vec(),
        settings: if setting.many.is_some() { "as with few, with all in one list".into() } else { text },
        passthrough: true,
        reload: None,
    })
}

fn listener(name: &str, address: std::net::SocketAddr, filters: &[Value], chain: Value) -> Value {
    json!({ "name": name, "address": socket(address), "listener_filters": filters, "filter_chains": [chain] })
}

/// Relays to the backend, after TLS if there is a `transport`.
fn chain(transport: Option<Value>) -> Value {
    let relay = json!({ "name": "relay", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy"),
        "stat_prefix": "relay",
        "cluster": "backend",
    } });
    let mut chain = json!({ "filters": [relay] });
    if let Some(transport) = transport {
        chain["transport_socket"] = transport;
    }
    chain
}

fn tls(certificates: Vec<Value>) -> Value {
    json!({ "name": "tls", "typed_config": {
        "@type": format!("{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext"),
        "common_tls_context": {
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
                "cipher_suites": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
                "ecdh_curves": ["X25519MLKEM768", "X25519", "P-256"],
            },
            "tls_certificates": certificates,
        },
    } })
}

fn certificate(chain: String, key: String) -> Value {
    json!({ "certificate_chain": { "filename": chain }, "private_key": { "filename": key } })
}

fn socket(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
