//! A real Prometheus reads the metrics of a real tlsgate, evaluates the shipped rules, and answers every query of the
//! dashboard.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::scene::Scene;
use super::{dashboard, list, path, rules, text, words};
use crate::support::http::Door;
use crate::support::procfs::{eventually, listens};

/// Dropping it stops it.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Prometheus {
    fn watching(door: &Door) -> Self {
        let Door::Tcp(target) = door else { panic!("Prometheus reads over TCP") };
        let folder = TempDir::new().unwrap();
        let rules = path("config/prometheus/tlsgate.rules.yml");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{ job_name: tlsgate, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"
        );
        fs::write(&config, text).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=error"])
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus is not installed; tests/run installs it");
        let address = eventually("Prometheus listens", || listens(child.id()));
        let prometheus = Self { address, child, _folder: folder };
        eventually("Prometheus is ready", || prometheus.get("/-/ready").map(drop));
        prometheus
    }

    /// The answer, if its status is 200. With HTTP/1.0 it comes in one piece.
    fn get(&self, path: &str) -> Option<String> {
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        let answer = Door::Tcp(self.address).raw(request.as_bytes());
        (answer.status == 200).then_some(answer.body)
    }

    fn data(&self, path: &str) -> Value {
        let body = self.get(path).unwrap_or_else(|| panic!("it refuses {path}"));
        serde_json::from_str::<Value>(&body).unwrap()["data"].clone()
    }

    fn query(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        list(&self.data(&format!("/api/v1/query?query={encoded}"))["result"]).to_vec()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_query_of_the_dashboard_has_an_answer_and_every_rule_is_evaluated() {
    let scene = Scene::new();
    let prometheus = Prometheus::watching(&scene.door);
    // Only nodes of a fleet have those; `fleet::node` looks at them.
    for (what, query, _) in dashboard::queries().into_iter().filter(|(_, query, _)| !query.contains("tlsgate_fleet_")) {
        let query = chosen(&query);
        // How often the configuration was loaded is 1 and stays so.
        let query = query.strip_suffix(" > 0").filter(|_| what.starts_with("annotation")).unwrap_or(&query);
        eventually(&format!("an answer for {what}: {query}"), || (!prometheus.query(query).is_empty()).then_some(()));
    }
    let evaluated = eventually("all rules are evaluated", || {
        let groups = prometheus.data("/api/v1/rules")["groups"].clone();
        let rules = list(&groups[0]["rules"]).to_vec();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert_eq!(evaluated.len(), rules::all().len());
    for rule in &evaluated {
        assert_eq!((&rule["health"], &rule["type"]), (&"ok".into(), &"alerting".into()), "{rule:#}");
    }
    // One that has to fire, with texts in which every label has its value.
    let soon = eventually("the alert of a certificate that ends soon", || {
        let alerts = list(&prometheus.data("/api/v1/alerts")["alerts"]).to_vec();
        alerts.into_iter().find(|alert| alert["labels"]["alertname"] == "TlsgateCertificateExpires")
    });
    assert_eq!(soon["state"], "firing");
    let summary = words(&soon["annotations"]["summary"]);
    assert!(summary.contains("certs/") && summary.contains("127.0.0.1:"), "{summary}");
}

#[test]
fn the_queries_in_the_document_add_labels_to_other_metrics() {
    let scene = Scene::new();
    let prometheus = Prometheus::watching(&scene.door);
    let document = text("docs/operations.md");
    let queries: Vec<&str> = between(&document, "```promql\n", "\n```");
    let expected = [("team", "directory"), ("site", "berlin")];
    assert_eq!(queries.len(), expected.len(), "{queries:?}");
    for (query, (label, value)) in queries.into_iter().zip(expected) {
        let answer = eventually(query, || Some(prometheus.query(query)).filter(|answer| !answer.is_empty()));
        let labels: Vec<_> = answer.iter().map(|one| &one["metric"]).collect();
        assert_eq!(labels, [&serde_json::json!({ label: value })], "{query}");
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// A query as Grafana sends it where everything is chosen.
fn chosen(query: &str) -> String {
    let mut query = query.to_owned();
    for (variable, value) in [("$__rate_interval", "30s"), ("$__interval", "30s")] {
        query = query.replace(variable, value);
    }
    for variable in ["$job", "$instance", "$listener", "$backend"] {
        query = query.replace(variable, ".*");
    }
    assert!(!query.contains('$'), "{query}");
    query
}
