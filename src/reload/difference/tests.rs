//! Every key of the configuration: that it is shown, and that a reload reports a change of it.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Value as Toml;

use super::*;
use crate::config::decode::outline::{Outline, Shape};
use crate::config::file::File;
use crate::config::{self, shown};

/// In which every key can be set.
const BASE: &str = r#"
[[listener]]
name = "main"
listen = ["127.0.0.1:1"]
certificates = ["certs"]
backend = "plain"

[listener.client_auth]
mode = "require"
ca = ["ca.pem"]

[[listener.route]]
server_names = ["first.test"]
[listener.route.client_auth]
mode = "require"
ca = ["ca.pem"]

[[listener.route]]
server_names = ["second.test"]

[policy.lists]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = ["TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"]

[policy.text]
elb = "Protocol-TLSv1.2,ECDHE-ECDSA-AES128-GCM-SHA256"

[backend.plain]
servers = ["127.0.0.1:2", "127.0.0.1:3"]

[backend.other]
servers = ["127.0.0.1:2"]

[backend.sealed]
servers = ["127.0.0.1:2"]
[backend.sealed.tls]
ca = "ca.pem"
server_name = "a.test"

[backend.http]
servers = ["127.0.0.1:2"]
[backend.http.health]
type = "http"

[backend.ldap]
servers = ["127.0.0.1:2"]
[backend.ldap.health]
type = "ldap"
tls = true
ca = "ca.pem"
bind_dn = "cn=a"
password_file = "password"
"#;

/// A key with two values, and the other keys that each of them requires; an empty text is for a key that is absent.
type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Every key that there is. In a path, `0` and `1` are entries of a list.
const KEYS: &[Case] = &[
    ("admin.listen", "", "'127.0.0.1:9'", &[]),
    ("admin.socket_mode", "'0600'", "'0660'", &[]),
    ("admin.token_file", "'a'", "'b'", &[]),
    ("admin.hosts", "", "['a.test']", &[]),
    ("log.level", "'info'", "'debug'", &[]),
    ("log.access", "'stdout'", "'access.log'", &[]),
    ("log.access_format", "'json'", "'nlb'", &[]),
    ("runtime.workers", "'auto'", "2", &[]),
    ("runtime.record_layer", "'tlsgate'", "'rustls'", &[]),
    ("runtime.shutdown_timeout", "'30s'", "'1m'", &[]),
    ("resolver.nameservers", "", "['127.0.0.1']", &[]),
    ("resolver.timeout", "'1s'", "'2s'", &[]),
    ("resolver.min_ttl", "'1s'", "'2s'", &[]),
    ("resolver.max_ttl", "'10s'", "'20s'", &[]),
    ("listener.0.name", "'main'", "'other'", &[]),
    ("listener.0.listen", "['127.0.0.1:1']", "['127.0.0.1:1', 'unix:socket']", &[]),
    ("listener.0.socket_mode", "'0600'", "'0660'", &[]),
    ("listener.0.policy", "'lists'", "'text'", &[]),
    ("listener.0.certificates", "['a']", "[{ cert = 'a', key = 'b', names = ['a.test'], default = true }]", &[]),
    ("listener.0.unknown_name", "'default'", "'reject'", &[]),
    ("listener.0.require_sni", "false", "true", &[]),
    ("listener.0.allow", "", "['10.0.0.0/8']", &[]),
    ("listener.0.deny", "['10.0.0.0/8']", "['192.0.2.1']", &[]),
    ("listener.0.max_connections", "1", "2", &[]),
    ("listener.0.max_connections_per_client", "", "2", &[]),
    ("listener.0.connection_rate", "'1/s'", "{ rate = '1/s', burst = 2 }", &[]),
    ("listener.0.connection_rate_per_client", "'1/s'", "'1/m'", &[]),
    ("listener.0.handshake_failures", "", "{ limit = 1, window = '1m', block = '2m' }", &[]),
    ("listener.0.proxy_protocol", "'off'", "'require'", &[("listener.0.trusted_proxies", "", "['10.0.0.0/8']")]),
    (
        "listener.0.trusted_proxies",
        "['10.0.0.0/8']",
        "['192.0.2.1']",
        &[("listener.0.proxy_protocol", "'require'", "'require'")],
    ),
    ("listener.0.starttls", "", "'ldap'", &[]),
    ("listener.0.handshake_timeout", "'1s'", "'2s'", &[]),
    ("listener.0.idle_timeout", "'1h'", "'30m'", &[]),
    ("listener.0.half_close_timeout", "'1s'", "'2s'", &[]),
    ("listener.0.session_tickets", "true", "false", &[]),
    ("listener.0.ticket_lifetime", "'1h'", "'2h'", &[]),
    ("listener.0.ticket_rotation", "'1h'", "'2h'", &[]),
    ("listener.0.ticket_keys", "", "['keys']", &[]),
    ("listener.0.client_auth.mode", "'off'", "'optional'", &[]),
    ("listener.0.client_auth.ca", "['a']", "['b']", &[]),
    ("listener.0.client_auth.crl", "", "['b']", &[]),
    ("listener.0.client_auth.crl_expired", "'refuse'", "'ignore'", &[]),
    ("listener.0.client_auth.names", "['cn:a']", "['cn:b']", &[]),
    ("listener.0.client_auth.pins", "", "['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", &[]),
    ("listener.0.alpn", "", "['h2']", &[]),
    ("listener.0.mode", "'terminate'", "'reject'", &[]),
    ("listener.0.backend", "'plain'", "'other'", &[]),
    ("listener.0.not_tls", "", "'other'", &[]),
    ("listener.0.route.0.name", "'a'", "'b'", &[]),
    ("listener.0.route.0.server_names", "['a.test']", "['b.test']", &[("listener.0.route.0.name", "'a'", "'a'")]),
    ("listener.0.route.0.no_server_name", "false", "true", &[]),
    ("listener.0.route.0.client_alpn", "", "['h2']", &[]),
    ("listener.0.route.1.mode", "'terminate'", "'reject'", &[]),
    ("listener.0.route.0.backend", "'plain'", "'other'", &[]),
    ("listener.0.route.0.policy", "'lists'", "'text'", &[]),
    ("listener.0.route.0.certificates", "", "['b']", &[]),
    ("listener.0.route.0.alpn", "['h2']", "['http/1.1']", &[]),
    ("listener.0.route.0.client_auth.mode", "'optional'", "'require'", &[]),
    ("listener.0.route.0.client_auth.ca", "['a']", "['b']", &[]),
    ("listener.0.route.0.client_auth.crl", "", "['b']", &[]),
    ("listener.0.route.0.client_auth.crl_expired", "'refuse'", "'ignore'", &[]),
    ("listener.0.route.0.client_auth.names", "['cn:a']", "['cn:b']", &[]),
    ("listener.0.route.0.client_auth.pins", "", "['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", &[]),
    ("backend.plain.servers", "['127.0.0.1:2']", "['127.0.0.1:3']", &[]),
    ("backend.plain.balance", "'round_robin'", "'least_connections'", &[]),
    ("backend.plain.connect_timeout", "'1s'", "'2s'", &[]),
    ("backend.plain.connect_attempts", "1", "2", &[]),
    ("backend.plain.proxy_protocol", "'off'", "'v2'", &[]),
    ("backend.plain.fail_timeout", "'1s'", "'2s'", &[]),
    ("backend.plain.max_fail_timeout", "'1m'", "'2m'", &[]),
    ("backend.plain.slow_start", "", "'30s'", &[]),
    ("backend.plain.when_all_down", "'fail'", "'any'", &[]),
    ("backend.plain.on_down", "'keep'", "'close'", &[]),
    ("backend.sealed.tls.ca", "'a'", "'b'", &[]),
    ("backend.sealed.tls.pins", "", "['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']", &[]),
    ("backend.sealed.tls.server_name", "'a.test'", "'b.test'", &[]),
    ("backend.sealed.tls.cert", "'a'", "'b'", &[("backend.sealed.tls.key", "'c'", "'c'")]),
    ("backend.sealed.tls.key", "'a'", "'b'", &[("backend.sealed.tls.cert", "'c'", "'c'")]),
    ("backend.sealed.tls.policy", "'lists'", "'text'", &[]),
    ("backend.sealed.tls.alpn", "['h2']", "'client'", &[]),
    ("backend.http.health.type", "'tcp'", "'http'", &[]),
    ("backend.http.health.interval", "'1s'", "'2s'", &[]),
    ("backend.http.health.timeout", "'1s'", "'2s'", &[]),
    ("backend.http.health.rise", "1", "2", &[]),
    ("backend.http.health.fall", "1", "2", &[]),
    ("backend.http.health.jitter", "", "'1s'", &[]),
    ("backend.http.health.port", "", "80", &[]),
    ("backend.ldap.health.tls", "true", "", &[("backend.ldap.health.start_tls", "", "true")]),
    ("backend.ldap.health.start_tls", "", "true", &[("backend.ldap.health.tls", "true", "")]),
    ("backend.ldap.health.ca", "'a'", "'b'", &[]),
    ("backend.ldap.health.pins", "", "['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']", &[]),
    ("backend.ldap.health.server_name", "", "'b.test'", &[]),
    ("backend.ldap.health.verify", "true", "false", &[("backend.ldap.health.ca", "'a'", "")]),
    ("backend.http.health.method", "'GET'", "'HEAD'", &[]),
    ("backend.http.health.path", "'/'", "'/health'", &[]),
    ("backend.http.health.host", "", "'a.test'", &[]),
    ("backend.http.health.status", "[200]", "[200, '204-299']", &[]),
    ("backend.http.health.body", "", "'well'", &[]),
    ("backend.ldap.health.bind_dn", "'cn=a'", "'cn=b'", &[]),
    ("backend.ldap.health.password_file", "'a'", "'b'", &[]),
    (
        "policy.lists.versions",
        "['TLSv1.3', 'TLSv1.2']",
        "['TLSv1.2']",
        &[
            (
                "policy.lists.ciphers",
                "['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
                "['ECDHE-ECDSA-AES128-GCM-SHA256']",
            ),
            ("policy.lists.groups", "['x25519']", "['x25519']"),
        ],
    ),
    (
        "policy.lists.ciphers",
        "['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
        "['TLS_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256']",
        &[],
    ),
    ("policy.lists.groups", "['x25519']", "['x25519', 'secp256r1']", &[]),
    ("policy.lists.cipher_order", "'server'", "'client'", &[]),
    (
        "policy.text.elb",
        "'Protocol-TLSv1.2,ECDHE-ECDSA-AES128-GCM-SHA256'",
        "'Protocol-TLSv1.2,ECDHE-ECDSA-AES256-GCM-SHA384'",
        &[],
    ),
];

/// What is reported where it is not the key itself: with another name it is another listener, servers have keys of their
/// own, and a policy string is shown as the lists that it means.
const OTHERWISE: &[(&str, &[&str])] = &[
    ("listener.0.name", &["listener \"other\": added", "listener \"main\": removed"]),
    ("listener.0.route.0.name", &["listener \"main\": route \"b\": added", "listener \"main\": route \"a\": removed"]),
    (
        "backend.plain.servers",
        &["backend \"plain\": server \"127.0.0.1:3\": added", "backend \"plain\": server \"127.0.0.1:2\": removed"],
    ),
    (
        "policy.text.elb",
        &[
            "policy \"text\": ciphers = [\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\"] (was [\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"])",
        ],
    ),
];

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
        [named @ ("backend" | "policy"), _, ref rest @ ..] => format!("{named}.*.{}", rest.join(".")),
        _ => parts.join("."),
    }
}

/// Every key of tables with these keys.
fn outlined(Outline(keys): &Outline, path: &str) -> Vec<String> {
    let all = keys.iter().flat_map(|(name, key)| {
        let path = format!("{path}{name}");
        match &key.shape {
            Shape::Value(_) | Shape::List(_) => vec![path],
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
