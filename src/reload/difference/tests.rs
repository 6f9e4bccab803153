//! Every key of the configuration: that it is shown, and that a reload reports a change of it.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Value as Toml;

use super::*;
use crate::config::decode::outline::{Outline, Shape};
use crate::config::file::File;
use crate::config::{self, shown};
use keys::{BASE, KEYS, OTHERWISE};

mod keys;

/// The configuration with these keys set.
fn configured(keys: &[(&str, &str)]) -> Table {
    let mut file: toml::Table = BASE.parse().unwrap();
    for (path, value) in keys {
        let (place, key) = path.rsplit_once('.').unwrap();
        let (section, rest) = place.split_once('.').unwrap_or((place, ""));
        let section = file.entry(section).or_insert_with(|| Toml::Table(toml::Table::new()));
        let place =
            rest.split('.').filter(|name| !name.is_empty()).fold(section, |place, name| match name.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[name],
            });
        let place = place.as_table_mut().unwrap();
        match *value {
            "" => drop(place.remove(key)),
            value => {
                drop(place.insert(key.to_owned(), format!("x = {value}").parse::<toml::Table>().unwrap()["x"].clone()))
            }
        }
    }
    let config = config::parse(&file.to_string(), Path::new("/etc/tlsgate"));
    shown::config(&config.unwrap_or_else(|errors| panic!("{keys:?}: {errors:#?}")))
}

fn lines(before: &Table, after: &Table) -> Vec<String> {
    between(before, after).into_iter().map(|change| change.text).collect()
}

/// The path of a key in the outline: without indexes, and `*` for names.
fn general(path: &str) -> String {
    let parts = path.split('.').filter(|part| part.parse::<usize>().is_err());
    let parts: Vec<&str> = parts.collect();
    match parts[..] {
        [named @ ("acme" | "backend" | "policy"), _, ref rest @ ..] => format!("{named}.*.{}", rest.join(".")),
        _ => parts.join("."),
    }
}

/// Every key of tables with these keys.
fn outlined(Outline(keys): &Outline, path: &str) -> Vec<String> {
    let all = keys.iter().flat_map(|(name, key)| {
        let path = format!("{path}{name}");
        match &key.shape {
            Shape::Value(_) | Shape::List(_) | Shape::Entries(_) => vec![path],
            Shape::Table(inner) | Shape::Tables(inner) => outlined(inner, &format!("{path}.")),
            Shape::Named(inner) => outlined(inner, &format!("{path}.*.")),
        }
    });
    all.collect()
}

/// What is shown at a path.
fn at<'t>(table: &'t Table, path: &str) -> Option<&'t Shown> {
    let Some((first, rest)) = path.split_once('.') else { return table.get(path) };
    match table.get(first)? {
        Shown::Table(inner) => at(inner, rest),
        Shown::Tables(tables) => {
            let (one, rest) = rest.split_once('.')?;
            let found = match one.parse::<usize>() {
                Ok(index) => tables.all.get(index),
                Err(_) => tables.all.iter().find(|(name, _)| name == one),
            };
            at(&found?.1, rest)
        }
        Shown::Value(_) | Shown::Inline(_) => None,
    }
}

/// That both sides of a line are valid TOML.
fn assert_reads_as_toml(line: &str) {
    let Some((after, was)) = line.strip_suffix(')').and_then(|line| line.rsplit_once(" (was ")) else { return };
    let (_, after) = after.rsplit_once(": ").unwrap();
    for text in [after.to_owned(), format!("was = {was}")] {
        let is_unset = text.ends_with("not set");
        assert!(is_unset || text.parse::<toml::Table>().is_ok(), "{text} in {line}");
    }
}

#[test]
fn every_key_is_tried_here() {
    let tried: BTreeSet<String> = KEYS.iter().map(|(path, ..)| general(path)).collect();
    let known: BTreeSet<String> = outlined(&File::outline(), "").into_iter().collect();
    assert!(known.len() > 90, "{known:?}");
    assert_eq!(tried, known, "a key without a case, or a case without a key");
}

#[test]
fn every_key_is_shown_and_a_change_of_it_is_reported() {
    for (path, first, second, beside) in KEYS {
        let with = |value, pick: fn(&(&'static str, &'static str, &'static str)) -> (&'static str, &'static str)| {
            configured(&beside.iter().map(pick).chain([(*path, value)]).collect::<Vec<_>>())
        };
        let before = with(*first, |(path, first, _)| (path, first));
        let after = with(*second, |(path, _, second)| (path, second));
        assert_eq!(lines(&before, &before), [""; 0]);
        let (there, back) = (lines(&before, &after), lines(&after, &before));
        let (_, key) = path.rsplit_once('.').unwrap();
        match OTHERWISE.iter().find(|(other, _)| other == path) {
            Some((_, expected)) => assert_eq!(there, *expected),
            None => {
                assert_ne!(at(&before, path), at(&after, path), "{path} is not shown");
                let names = |line: &str, key: &str| {
                    line.contains(&format!("{key} = ")) || line.contains(&format!("{key} is not set (was "))
                };
                for lines in [&there, &back] {
                    assert!(lines.iter().any(|line| names(line, key)), "{path}: {lines:?}");
                    // On these depend other keys: whether they mean something, or their defaults.
                    let alone = !["mode", "type", "client_alpn", "interval"].contains(&key);
                    let keys: Vec<&str> = beside.iter().filter_map(|(path, ..)| path.rsplit('.').next()).collect();
                    let expected = |line: &String| keys.iter().chain([&key]).any(|key| names(line, key));
                    assert!(!alone || lines.iter().all(expected), "{path}: {lines:?}");
                }
            }
        }
        there.iter().chain(&back).for_each(|line| assert_reads_as_toml(line));
    }
}

#[test]
fn a_line_reads_like_the_file() {
    let line = |path: &str, first: &str, second: &str| {
        let mut lines = lines(&configured(&[(path, first)]), &configured(&[(path, second)]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    };
    let both = "['127.0.0.1:2', '127.0.0.1:3']";
    let cases = [
        (
            line("backend.plain.balance", "'round_robin'", "'first'"),
            "backend \"plain\": balance = \"first\" (was \"round_robin\")",
        ),
        (line("listener.0.idle_timeout", "", "'30m'"), "listener \"main\": idle_timeout = \"30m\" (was \"1h\")"),
        (line("backend.plain.slow_start", "'1m'", ""), "backend \"plain\": slow_start is not set (was \"1m\")"),
        (line("backend.plain.slow_start", "", "'1m'"), "backend \"plain\": slow_start = \"1m\" (was not set)"),
        (line("log.level", "", "'debug'"), "log: level = \"debug\" (was \"info\")"),
        (
            line("listener.0.connection_rate", "", "'10/s'"),
            "listener \"main\": connection_rate = { rate = \"10/s\", burst = 10 } (was not set)",
        ),
        (
            line("listener.0.route.0.client_auth.crl", "", "['x.crl']"),
            "listener \"main\": route \"first.test\": client_auth: crl = [\"/etc/tlsgate/x.crl\"] (was not set)",
        ),
        (
            line("listener.0.route.0.policy", "", "'lists'"),
            "listener \"main\": route \"first.test\": policy = \"lists\" (was \"TLS13-1-2-Res-PQ-2025-09\")",
        ),
        (
            line("backend.plain.servers", both, "['127.0.0.1:3', '127.0.0.1:2']"),
            "backend \"plain\": servers = [\"127.0.0.1:3\", \"127.0.0.1:2\"] (was [\"127.0.0.1:2\", \"127.0.0.1:3\"])",
        ),
        (
            line("backend.plain.servers", both, "['127.0.0.1:2', { address = '127.0.0.1:3', weight = 2 }]"),
            "backend \"plain\": server \"127.0.0.1:3\": weight = 2 (was 1)",
        ),
        (
            line("backend.other.servers", "['127.0.0.1:2']", "['127.0.0.1:2', 'dns:a.test:1']"),
            "backend \"other\": server \"dns:a.test:1\": added",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(line, expected);
    }
}

#[test]
fn tables_that_come_and_go_are_one_line_each() {
    let with = |more: &str| shown::config(&config::parse(&format!("{BASE}{more}"), Path::new("/")).unwrap());
    let (without, with) = (with(""), with("[backend.new]\nservers = ['127.0.0.1:2']\nhealth = { type = 'tcp' }\n"));
    assert_eq!(lines(&without, &with), ["backend \"new\": added"]);
    assert_eq!(lines(&with, &without), ["backend \"new\": removed"]);
}

#[test]
fn many_servers_do_not_hide_a_setting() {
    let servers = |weight: u32| {
        let servers = (1..=50).map(|last| format!("{{ address = '192.0.2.{last}:1', weight = {weight} }}"));
        format!("[{}]", servers.collect::<Vec<_>>().join(", "))
    };
    let shown = |weight, balance| {
        configured(&[("backend.plain.servers", servers(weight).as_str()), ("backend.plain.balance", balance)])
    };
    let line = crate::reload::summary::line(&between(&shown(1, "'random_two'"), &shown(2, "'first'")));
    assert!(line.starts_with("backend \"plain\": balance = \"first\" (was \"random_two\"); "), "{line}");
    assert!(line.ends_with("; and 40 more servers"), "{line}");
}
