//! The rules for Prometheus and their unit tests, as `promtool` judges them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{documents, list, path, text, words, yaml};
use crate::support::tool;

/// Every rule of the shipped file.
pub(super) fn all() -> Vec<Value> {
    let file = yaml("config/prometheus/tlsgate.rules.yml");
    let rules: Vec<Value> = list(&file["groups"]).iter().flat_map(|group| list(&group["rules"])).cloned().collect();
    assert!(rules.len() > 10, "only {} rules", rules.len());
    rules
}

#[test]
fn promtool_takes_the_configuration_the_rules_and_their_tests() {
    for arguments in [
        ["check", "config", "config/prometheus/prometheus.yml"],
        ["check", "rules", "config/prometheus/tlsgate.rules.yml"],
        ["test", "rules", "config/prometheus/tlsgate.rules.test.yml"],
    ] {
        let file = path(arguments[2]);
        let output = tool::run("promtool", &[arguments[0], arguments[1], file.to_str().unwrap()], b"");
        assert!(output.status.success(), "{}", tool::shown(&output));
    }
}

#[test]
fn each_alert_is_tested_both_ways() {
    let (mut fires, mut rests) = (BTreeSet::new(), BTreeSet::new());
    let file = yaml("config/prometheus/tlsgate.rules.test.yml");
    for case in list(&file["tests"]).iter().flat_map(|test| list(&test["alert_rule_test"])) {
        let into = if list(&case["exp_alerts"]).is_empty() { &mut rests } else { &mut fires };
        into.insert(words(&case["alertname"]).to_owned());
    }
    let alerts: BTreeSet<String> = all().iter().map(|rule| words(&rule["alert"]).to_owned()).collect();
    assert_eq!((&fires, &rests), (&alerts, &alerts));
}

#[test]
fn each_alert_says_how_bad_it_is_and_what_has_happened() {
    for rule in all() {
        assert!(["critical", "warning"].contains(&words(&rule["labels"]["severity"])), "{rule}");
        for text in ["summary", "description"] {
            assert!(!words(&rule["annotations"][text]).is_empty(), "{rule}");
        }
    }
}

#[test]
fn the_command_in_the_document_makes_an_object_of_them() {
    let document = text("docs/containers.md");
    let (_, command) = document.split_once("```sh,norun\n{ printf").unwrap();
    let (command, _) = command.split_once(" | kubectl apply -f -\n```").unwrap();
    let script = format!("cd \"$1\" && {{ printf{command}");
    let output = tool::run("sh", &["-c", &script, "sh", path("").to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    let made = documents(std::str::from_utf8(&output.stdout).unwrap()).remove(0);
    assert_eq!((&made["apiVersion"], &made["kind"]), (&"monitoring.coreos.com/v1".into(), &"PrometheusRule".into()));
    assert_eq!(list(&made["spec"]["groups"][0]["rules"]), all());
}
