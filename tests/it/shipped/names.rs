//! Every metric, label and value that rules, dashboard and documents name is one that the program has.

use std::collections::BTreeSet;
use std::fs;

use super::queries::{Matcher, named};
use super::scene::{self, Families, Scene};
use super::{dashboard, path, rules, text, words};

/// What Prometheus itself adds: metrics, and labels of each series.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];
const ADDED: [&str; 2] = ["job", "instance"];

#[test]
fn rules_dashboard_and_documents_name_only_what_there_is() {
    let mut families = Scene::new().families();
    families.extend(scene::families(&crate::fleet::node::metrics()));
    let known = Known { outcomes: outcomes(), families };
    let mut faults = Vec::new();
    let (mut seen, mut shown) = (0, BTreeSet::new());
    for rule in rules::all() {
        let what = format!("alert {}", words(&rule["alert"]));
        let texts = rule["annotations"].as_object().unwrap().values().map(words).collect::<Vec<_>>().join(" ");
        let used = between(&texts, "{{ $labels.", " }}");
        seen += known.judge(&what, words(&rule["expr"]), &used, &mut faults).len();
    }
    for (what, query, legend) in dashboard::queries() {
        let names = known.judge(&what, &query, &between(&legend, "{{", "}}"), &mut faults);
        seen += names.len();
        shown.extend(names);
    }
    for (document, name, labels) in documented() {
        seen += 1;
        let family = known.families.get(&name).or_else(|| known.families.get(&format!("{name}_count")));
        let is_prefix = name.ends_with('_') && known.families.keys().any(|family| family.starts_with(&name));
        match family {
            None if is_prefix => {}
            None => faults.push(format!("{document}: there is no metric {name}")),
            Some(family) => faults.extend(
                labels
                    .iter()
                    .filter(|label| !family.contains_key(*label))
                    .map(|l| format!("{document}: {name} has no label {l}")),
            ),
        }
    }
    assert!(seen > 100, "only {seen} names seen");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Of a histogram the dashboard shows what it has counted, by time.
    let missing: Vec<_> = known.families.keys().filter(|name| !shown.contains(*name)).collect();
    let missing: Vec<_> = missing.iter().filter(|name| !name.ends_with("_sum") && !name.ends_with("_count")).collect();
    assert!(missing.is_empty(), "the dashboard does not show {missing:?}");
}

struct Known {
    families: Families,
    outcomes: BTreeSet<String>,
}

impl Known {
    /// Compares a query, and the labels that a text about its result uses, with what there is. Returns its metrics.
    fn judge(&self, what: &str, query: &str, used: &[String], faults: &mut Vec<String>) -> BTreeSet<String> {
        let named = named(query);
        let mut labels: BTreeSet<&str> = ADDED.into();
        for (metric, matchers) in &named.metrics {
            let family = self.families.get(metric);
            if family.is_none() && !OF_PROMETHEUS.contains(&&**metric) {
                faults.push(format!("{what}: there is no metric {metric}"));
            }
            labels.extend(family.into_iter().flatten().map(|(label, _)| &**label));
            for matcher in matchers {
                self.matches(what, metric, matcher, faults);
            }
        }
        for label in named.labels.iter().filter(|label| !labels.contains(&***label)) {
            faults.push(format!("{what}: no metric of it has the label {label}"));
        }
        // An aggregation leaves only the labels that it names.
        let left: BTreeSet<&str> = match named.labels.is_empty() || query.contains(" on (") {
            true => labels,
            false => named.labels.iter().map(|label| &**label).collect(),
        };
        let unknown = used.iter().filter(|label| !left.contains(&***label));
        faults.extend(unknown.map(|label| format!("{what}: its text uses {label}, which is none of {left:?}")));
        named.metrics.into_iter().map(|(metric, _)| metric).filter(|metric| metric.starts_with("tlsgate_")).collect()
    }

    fn matches(&self, what: &str, metric: &str, (label, operator, value): &Matcher, faults: &mut Vec<String>) {
        let Some(family) = self.families.get(metric) else { return };
        if value.starts_with('$') {
            if !family.contains_key(label) && !ADDED.contains(&&**label) {
                faults.push(format!("{what}: {metric} has no label {label}"));
            }
            return;
        }
        let Some(values) = family.get(label) else {
            return faults.push(format!("{what}: {metric} has no label {label}"));
        };
        // A shortage on the machine itself cannot be had in a test.
        let of_events = if metric.starts_with("tlsgate_backend_connect") {
            BTreeSet::from(["local".into()])
        } else {
            self.outcomes.clone()
        };
        let alternatives: Vec<&str> = if operator.ends_with('~') { value.split('|').collect() } else { vec![value] };
        for wanted in alternatives {
            let fits = |value: &String| match wanted.strip_suffix(".*").filter(|_| operator.ends_with('~')) {
                Some(beginning) => value.starts_with(beginning),
                None => wanted.strip_prefix(".*").map_or(value == wanted, |end| value.ends_with(end)),
            };
            if !values.iter().chain(&of_events).any(fits) {
                faults.push(format!("{what}: {label} of {metric} is never {wanted}"));
            }
        }
    }
}

/// Every name of a metric in a document, with the labels behind it.
fn documented() -> Vec<(String, String, Vec<String>)> {
    let folders = [path(""), path("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("tlsgate_") {
            let rest = &text[at..];
            let (name, rest) = rest.split_at(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap());
            // A package's file has a version there.
            if name.strip_prefix("tlsgate_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                continue;
            }
            let within = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(within, _)| within);
            let labels = within.split(',').map(|label| label.split(['=', '!']).next().unwrap().trim().to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            found.push((file.file_name().unwrap().display().to_string(), name.to_owned(), labels));
        }
    }
    found
}

/// The words for how a connection ended, as the program has them.
fn outcomes() -> BTreeSet<String> {
    let source = text("src/observe/outcome.rs");
    let (_, body) = source.split_once("pub enum Outcome {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let variants = body.lines().map(str::trim).filter_map(|line| line.strip_suffix(','));
    let variants = variants.filter(|line| line.chars().all(char::is_alphanumeric));
    let outcomes: BTreeSet<String> = variants.map(snake).collect();
    assert!(outcomes.len() > 40 && outcomes.contains("internal_error"), "{outcomes:?}");
    outcomes
}

fn snake(variant: &str) -> String {
    let mut word = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

fn between(text: &str, before: &str, after: &str) -> Vec<String> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().trim().to_owned()).collect()
}

#[test]
fn the_document_lists_every_alert_and_no_other() {
    let document = text("docs/operations.md");
    let alerts: BTreeSet<String> = rules::all().iter().map(|rule| words(&rule["alert"]).to_owned()).collect();
    let listed: Vec<String> =
        between(&document, "| `Tlsgate", "`").iter().map(|name| format!("Tlsgate{name}")).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), alerts);
    assert_eq!(listed.len(), alerts.len(), "an alert is listed twice");
}

#[test]
fn a_value_that_never_occurs_is_a_fault() {
    let metrics = "tlsgate_x_total{reason=\"not_tls\"} 1\ntlsgate_x_total{reason=\"other\"} 1\n";
    let known = Known { families: super::scene::families(metrics), outcomes: BTreeSet::from(["hello_closed".into()]) };
    let judged = |query: &str, used: &[&str]| {
        let mut faults = Vec::new();
        let used: Vec<String> = used.iter().map(|label| (*label).to_owned()).collect();
        known.judge("it", query, &used, &mut faults);
        faults.len()
    };
    for (query, used, count) in [
        ("rate(tlsgate_x_total{reason=\"other\"}[5m])", &["reason", "job"][..], 0),
        ("sum by (reason) (tlsgate_x_total{reason!~\"hello_.*|not_tls\"})", &["reason"], 0),
        ("tlsgate_x_total{reason=~\".*_tls\"}", &[], 0),
        ("tlsgate_x_total{reason=\"never\"}", &[], 1),
        ("tlsgate_x_total{reason=~\"never.*|other\"}", &[], 1),
        ("tlsgate_x_total{cause=\"other\"}", &[], 1),
        ("tlsgate_y_total", &[], 1),
        ("sum by (cause) (tlsgate_x_total)", &[], 1),
        ("sum by (reason) (tlsgate_x_total)", &["job"], 1),
        ("tlsgate_x_total", &["cause"], 1),
    ] {
        assert_eq!(judged(query, used), count, "{query}");
    }
}
