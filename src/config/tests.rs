//! Errors as people read them, and the reference against the code.

use std::path::Path;

use super::*;
use crate::config::file::File;

const REFERENCE: &str = include_str!("../../config/reference.toml");

/// The keys that have no default, as the reference writes them.
const REQUIRED: &str = r#"
[[listener]]
name = "ldaps"
listen = ["0.0.0.0:636", "[::]:636"]
certificates = ["certs"]
backend = "directory"

[backend.directory]
servers = ["10.0.1.10:389", "10.0.2.10:389"]
"#;

/// The sections of the listener in the reference, without what they need not say.
const SECTIONS: &str = r#"
[listener.client_auth]

[[listener.route]]
server_names = ["*.apps.example.com"]
"#;

/// The policy that stands in the reference as a comment, without what it need not say.
const POLICY: &str = r#"
[policy.partners]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = ["TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"]
"#;

fn errors(text: &str) -> Vec<String> {
    match parse(text, Path::new("/etc/tlsgate")) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// A whole file in which one line of `REQUIRED` is replaced, or one is added to the listener.
fn with(line: &str) -> String {
    let key = line.split('=').next().unwrap_or_default();
    let kept = REQUIRED.lines().filter(|old| !old.starts_with(key)).collect::<Vec<_>>().join("\n");
    kept.replace("[[listener]]", &format!("[[listener]]\n{line}"))
}

/// The file without places, which differ between two texts of one meaning.
fn meaning(text: &str) -> String {
    let (file, errors) = File::decode(text).unwrap();
    assert_eq!(errors, []);
    without_places(&format!("{file:?}"))
}

/// Cuts `at: Position { line: 1, column: 2 }` out of a debug text.
fn without_places(debug: &str) -> String {
    let mut pieces = debug.split("at: Position {");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('}').map_or("", |(_, rest)| rest))
}

/// A whole file whose first server is a table with that key.
fn server(key: &str) -> String {
    REQUIRED.replace("\"10.0.1.10:389\"", &format!("{{ address = \"10.0.1.10:389\", {key} }}"))
}

/// A whole file with these lines about TLS to the backend.
fn tls(lines: &str) -> String {
    format!("{REQUIRED}[backend.directory.tls]\n{lines}\n")
}

#[test]
fn servers_looked_up_under_one_name_bear_it() {
    let looked_up = |servers: &str| {
        let text = tls("ca = \"a\"").replace("\"10.0.1.10:389\", \"10.0.2.10:389\"", servers);
        parse(&text, Path::new("/"))
            .map(|config| config.backends[0].tls.as_ref().unwrap().server_name.to_str().into_owned())
    };
    assert_eq!(looked_up("\"dns:web.internal.:636\", \"dns:web.internal:637\"").unwrap(), "web.internal");
    for others in [
        "\"dns:web.internal:636\", \"dns:other.internal:636\"",
        "\"dns:web.internal:636\", \"10.0.0.1:636\"",
        "\"srv:_ldaps._tcp.test\"",
    ] {
        let errors = looked_up(others).unwrap_err();
        assert!(errors[0].message.contains("\"server_name\" is missing"), "{others}: {errors:?}");
    }
}

#[test]
fn the_reference_says_what_the_code_does() {
    assert_eq!(
        meaning(REFERENCE),
        meaning(&(REQUIRED.to_owned() + SECTIONS)),
        "a default in config/reference.toml is not the code's"
    );
}

#[test]
fn the_reference_holds_every_key_the_code_knows() {
    // A section's error lists the keys that were asked for.
    let unknown = format!(
        "zzz = 1\n[admin]\nzzz = 1\n[log]\nzzz = 1\n[runtime]\nzzz = 1\n[resolver]\nzzz = 1\n[policy.x]\nzzz = 1\n{}{}",
        REQUIRED.replace("[[listener]]", "[[listener]]\nzzz = 1").replace(
            "[backend.directory]",
            "[backend.directory.health]\ntype = \"tcp\"\nzzz = 1\n[backend.directory.tls]\nca = \"a\"\nserver_name = \"a\"\nzzz = 1\n[backend.directory]\nzzz = 1"
        ),
        SECTIONS.replace("auth]\n", "auth]\nzzz = 1\n").replace("]]\n", "]]\nzzz = 1\n")
    );
    let errors = errors(&unknown);
    // The policy lacks two keys besides.
    let errors: Vec<String> = errors.into_iter().filter(|error| !error.contains("is missing")).collect();
    assert_eq!(errors.len(), 12, "{errors:#?}");
    // A key without a default stands as a comment, which is code but for its first two characters.
    let documented: Vec<&str> = REFERENCE
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "))
        .map(|(key, _)| key)
        .filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .chain(REFERENCE.lines().filter_map(|line| line.strip_prefix("# [backend.directory.")?.strip_suffix(']')))
        .collect();
    let mut known = 0;
    for error in &errors[1..] {
        let (_, keys) = error.split_once("expected one of ").unwrap_or_default();
        // Sections of the listener stand there as such.
        let of_listener = error.contains("listener \"ldaps\": unknown key");
        let written = |key: &&str| !of_listener || !REFERENCE.contains(&format!("[listener.{key}]"));
        for key in keys.trim_end_matches(')').split(", ").filter(written) {
            assert!(documented.contains(&key), "{key} is not in the reference");
            known += 1;
        }
    }
    assert_eq!(known, documented.len(), "{documented:?}");
}

#[test]
fn the_reference_says_how_health_is_checked_by_default() {
    let (_, section) = REFERENCE.split_once("# [backend.directory.health]").unwrap();
    let section = section.split_once("# One section for").map_or(section, |(section, _)| section);
    let defaults: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| {
            ["type", "interval", "timeout", "rise", "fall"].iter().any(|key| line.starts_with(&format!("{key} = ")))
        })
        .collect();
    assert_eq!(defaults.len(), 5);
    let said = format!("{REQUIRED}[backend.directory.health]\n{}", defaults.join("\n"));
    assert_eq!(meaning(&said), meaning(&health("type = \"ldap\"")));
    // All that stands there is taken, though not all at once.
    for line in section.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = ")) {
        let error = errors(&health(line)).concat();
        assert!(!error.contains("expected a") && !error.contains("unknown key"), "{line}: {error}");
    }
}

/// A whole file with these lines for the health check.
fn health(lines: &str) -> String {
    format!("{REQUIRED}[backend.directory.health]\n{lines}\n")
}

#[test]
fn every_fault_has_its_own_words() {
    let cases: &[(&str, &str)] = &[
        ("", "no listener (expected at least one [[listener]])"),
        ("name =", "line 1, column 7: not valid TOML: "),
        (
            &with("idle_timeout = 30"),
            "line 3, column 16: listener \"ldaps\": idle_timeout: found 30, expected a time with its unit, longer than zero, such as \"500ms\", \"10s\" or \"1h\"",
        ),
        (&with("idle_timeout = \"0s\""), "found \"0s\", expected a time with its unit"),
        (&with("idle_timeout = \"1000000 years\""), "expected a time with its unit"),
        (
            &with("idle_timout = \"30s\""),
            "line 3, column 1: listener \"ldaps\": unknown key \"idle_timout\" (expected one of allow, alpn, backend, certificates, ",
        ),
        (&with("max_connections = 0"), "max_connections: found 0, expected a whole number from 1"),
        (&with("max_connections = -1"), "max_connections: found -1, expected a whole number from 1"),
        (&with("max_connections = 1.5"), "max_connections: found 1.5, expected a whole number from 1"),
        (&with("allow = [\"10.0.0.0\", \"ten\"]"), "allow[1]: found \"ten\", expected an IP address or a prefix"),
        (&with("allow = \"10.0.0.1/8\""), "allow: found 10.0.0.1/8, expected 10.0.0.0/8, or a longer prefix"),
        (&with("deny = \"::ffff:10.0.0.0/104\""), "deny: found ::ffff:10.0.0.0/104, expected its IPv4 form"),
        (
            &with("allow = \"10.0.0.0/8\"\ndeny = [\"10.1.0.0/16\", \"10.0.0.0/8\"]"),
            "deny[1]: 10.0.0.0/8 stands in allow too (expected in one of the two)",
        ),
        (&with("connection_rate = 10"), "connection_rate: found 10, expected a number in a time, such as \"100/s\""),
        (&with("connection_rate = \"0/s\""), "connection_rate: found \"0/s\", expected a number in a time"),
        (&with("connection_rate = \"+1/s\""), "connection_rate: found \"+1/s\", expected a number in a time"),
        (
            &with("connection_rate_per_client = { rate = \"1/s\", bursts = 3 }"),
            "connection_rate_per_client: found a table, expected a number in a time",
        ),
        (
            &with("handshake_failures = { limit = 0, window = \"1m\", block = \"1m\" }"),
            "handshake_failures: found a table, expected a table such as { limit = 20,",
        ),
        (&with("proxy_protocol = \"require\""), "proxy_protocol: \"require\" without trusted_proxies"),
        (
            &with("trusted_proxies = \"10.0.0.0/8\""),
            "trusted_proxies: trusted_proxies without proxy_protocol = \"require\"",
        ),
        (
            &format!("{REQUIRED}proxy_protocol = \"require\""),
            "backend \"directory\": proxy_protocol: found \"require\", expected \"off\", \"v1\" or \"v2\"",
        ),
        (
            &REQUIRED.replace("\"10.0.1.10:389\"", "\"unix:x.sock\", \"unix:/etc/tlsgate/x.sock\""),
            "servers[1]: unix:/etc/tlsgate/x.sock is listed twice",
        ),
        (&tls(""), "backend \"directory\": tls: nothing is said of whom to trust (expected ca, pins or both)"),
        (&tls("ca = \"a\""), "backend \"directory\": tls: \"server_name\" is missing (expected the name"),
        (&tls("server_name = \"a b\""), "tls: server_name: found \"a b\", expected a DNS name or an IP address"),
        (&tls("pins = \"sha256/AAAA\""), "tls: pins: found \"sha256/AAAA\", expected the SHA-256 of"),
        (&tls("cert = \"a\""), "tls: cert: stands without its key (expected key = "),
        (&tls("key = \"a\""), "tls: key: stands without its certificate (expected cert = "),
        (&tls("policy = \"old\""), "tls: policy: unknown policy \"old\" (expected one of "),
        (&tls("alpn = \"h2\""), "tls: alpn: found \"h2\", expected a list of protocols such as"),
        (&with("require_sni = \"yes\""), "require_sni: found \"yes\", expected true or false"),
        (&with("unknown_name = \"drop\""), "unknown_name: found \"drop\", expected \"default\" or \"reject\""),
        (&with("policy = \"tls-old\""), "policy: unknown policy \"tls-old\" (expected one of TLS13-1-3-2021-06, "),
        (&with("listen = [\"0.0.0.0\"]"), "listen[0]: found \"0.0.0.0\", expected an IP address and a port"),
        (&with("listen = [\"unix:\"]"), "listen[0]: found \"unix:\", expected an IP address and a port"),
        (
            &with("listen = [\"unix:x.sock\", \"unix:/etc/tlsgate/x.sock\"]"),
            "listen[1]: unix:/etc/tlsgate/x.sock is taken by listener \"ldaps\" already",
        ),
        (&with("listen = []"), "listen: found an empty list, expected at least one: an IP address and a port"),
        (
            &with("listen = [\"0.0.0.0:1\", \"0.0.0.0:1\"]"),
            "listen[1]: 0.0.0.0:1 is taken by listener \"ldaps\" already",
        ),
        (&with("certificates = []"), "certificates: found an empty list"),
        (
            &with("certificates = [{ cert = \"a\" }]"),
            "certificates[0]: found a table, expected a path, or a table such as",
        ),
        (
            &with("certificates = [{ cert = \"a\", key = \"b\", names = [\"a b\"] }]"),
            "certificates[0]: names: \"a b\" is not a DNS name",
        ),
        (
            &with("certificates = [{ cert = \"a\", key = \"b\", names = [] }]"),
            "certificates[0]: names: found an empty list, expected at least one name",
        ),
        (&with("backend = \"none\""), "backend: unknown backend \"none\" (expected one of directory; "),
        (&with("name = \"\""), "name: found \"\", expected a name"),
        (
            &REQUIRED.replace("name = \"ldaps\"\n", ""),
            "line 2, column 1: listener[0]: \"name\" is missing (expected a text in quotes)",
        ),
        (&REQUIRED.replace("servers", "server"), "line 8, column 10: backend \"directory\": \"servers\" is missing"),
        (
            &format!("{REQUIRED}balance = \"best\""),
            "balance: found \"best\", expected \"least_connections\", \"round_robin\", \"random_two\", ",
        ),
        (&REQUIRED.replace("10.0.1.10:389", "10.0.1.10:0"), "servers[0]: found port 0, expected the port"),
        (&REQUIRED.replace("10.0.1.10", "10.0.2.10"), "servers[1]: 10.0.2.10:389 is listed twice"),
        (
            &REQUIRED.replace("10.0.1.10:389", "dns:web"),
            "servers[0]: found \"dns:web\", expected an IP address and a port",
        ),
        (&REQUIRED.replace("10.0.1.10:389", "dns:web:0"), "servers[0]: found \"dns:web:0\", expected an IP address"),
        (&REQUIRED.replace("10.0.1.10:389", "dns:a..b:1"), "servers[0]: found \"dns:a..b:1\", expected an IP address"),
        (&REQUIRED.replace("10.0.1.10:389", "srv:a b"), "servers[0]: found \"srv:a b\", expected an IP address"),
        (
            &REQUIRED.replace("10.0.1.10:389\", \"10.0.2.10:389", "srv:A\", \"srv:a"),
            "servers[1]: srv:a is listed twice",
        ),
        (
            &format!("{REQUIRED}[resolver]\nnameservers = \"ns\""),
            "resolver: nameservers: found \"ns\", expected the IP",
        ),
        (&format!("{REQUIRED}[resolver]\nmin_ttl = \"1m\""), "resolver: max_ttl: is shorter than min_ttl, which is 1m"),
        (&server("weight = 0"), "servers[0]: found a table, expected an IP address and a port, such as"),
        (&server("weight = 1001"), "(a weight from 1 to 1000)"),
        (&server("max_connections = 0"), "servers[0]: found a table, expected"),
        (&server("backup = 1"), "servers[0]: found a table, expected"),
        (&server("wait = 1"), "servers[0]: found a table, expected"),
        (&format!("{REQUIRED}fail_timeout = \"2m\""), "max_fail_timeout: is shorter than fail_timeout, which is 2m"),
        (
            &health("interval = \"1s\""),
            "backend \"directory\": health: \"type\" is missing (expected \"tcp\", \"tls\", ",
        ),
        (&health("type = \"icmp\""), "health: type: found \"icmp\", expected \"tcp\", \"tls\", \"http\" or \"ldap\""),
        (&health("type = \"tcp\"\nport = 65536"), "health: port: found 65536, expected a port from 1 to 65535"),
        (&health("type = \"tcp\"\npath = \"/\""), "health: path: is only for the type \"http\""),
        (&health("type = \"http\"\nbind_dn = \"cn=a\""), "health: bind_dn: is only for the type \"ldap\""),
        (&health("type = \"http\"\nca = \"x\""), "health: ca: is only for checks that speak TLS"),
        (&health("type = \"http\"\nstart_tls = true"), "health: start_tls: is only for the type \"ldap\""),
        (
            &health("type = \"tls\""),
            "health: the server's certificate cannot be verified (expected ca, pins or verify = false)",
        ),
        (&health("type = \"tls\"\nca = \"x\"\nverify = false"), "health: verify: stands beside ca or pins"),
        (
            &health("type = \"ldap\"\ntls = true\nstart_tls = true\nverify = false"),
            "start_tls: stands beside tls = true",
        ),
        (&health("type = \"tls\"\npins = [\"abc\"]"), "health: pins[0]: found \"abc\", expected the SHA-256 of"),
        (
            &health("type = \"tls\"\nverify = false\nserver_name = \"a b\""),
            "server_name: found \"a b\", expected a DNS name",
        ),
        (
            &health("type = \"http\"\nstatus = [\"300-200\"]"),
            "status[0]: found \"300-200\", expected a status such as 200",
        ),
        (&health("type = \"http\"\npath = \"health\""), "health: path: found \"health\", expected a path"),
        (&health("type = \"http\"\nmethod = \"G ET\""), "health: method: found \"G ET\", expected a method"),
        (&health("type = \"http\"\nhost = \"a\\nb\""), "health: host: found \"a\\nb\", expected a host name"),
        (&health("type = \"http\"\nbody = \"\""), "health: body: found \"\", expected a text"),
        (&health("type = \"ldap\"\nbind_dn = \"cn=a\""), "health: bind_dn: needs the password too"),
        (&health("type = \"ldap\"\npassword_file = \"a\""), "health: password_file: is of no use alone"),
        (&format!("{REQUIRED}on_down = \"cut\""), "on_down: found \"cut\", expected \"keep\" or \"close\""),
        (&format!("{REQUIRED}when_all_down = \"all\""), "when_all_down: found \"all\", expected \"fail\" or \"any\""),
        (
            &format!("{REQUIRED}\n[admin]\nlisten = \"localhost\""),
            "admin: listen: found \"localhost\", expected an IP address and a port, such as",
        ),
        (&format!("{REQUIRED}\n[admin]\nlisten = \"unix:\""), "admin: listen: found \"unix:\", expected an IP address"),
        (
            &format!("{REQUIRED}\n[admin]\nsocket_mode = \"rw\""),
            "admin: socket_mode: found \"rw\", expected permissions in octal digits, such as \"0600\"",
        ),
        (
            &format!("{REQUIRED}\n[admin]\nlisten = \"0.0.0.0:636\""),
            "listener \"ldaps\": listen[0]: 0.0.0.0:636 is taken by admin already",
        ),
        (&format!("{REQUIRED}\n[log]\nlevel = \"loud\""), "log: level: found \"loud\", expected \"error\", \"warn\""),
        (
            &format!("{REQUIRED}\n[runtime]\nworkers = 0"),
            "workers: found 0, expected \"auto\" or a number from 1 to 1024",
        ),
        (&format!("log = 3\n{REQUIRED}"), "line 1, column 7: log: found 3, expected a table"),
        ("listener = 3", "listener: found 3, expected a list of tables, written [[listener]]"),
        ("backend = 3", "backend: found 3, expected tables with names, written [backend.NAME]"),
    ];
    for (text, expected) in cases {
        let errors = errors(text);
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}\nwanted: {expected}\ngot: {errors:#?}");
    }
}

#[test]
fn a_policy_of_ones_own_is_what_its_lists_say() {
    let policy = |text: &str| {
        let config =
            parse(&format!("{REQUIRED}\n{text}"), Path::new(".")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
        config.policies[0].clone()
    };
    let (_, section) = REFERENCE.split_once("# [policy.partners]\n").unwrap();
    let (section, _) = section.split_once("\n[backend.directory]").unwrap();
    let keys = ["versions = ", "ciphers = ", "groups = ", "cipher_order = "];
    let lines: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| keys.iter().any(|key| line.starts_with(key)))
        .collect();
    assert_eq!(lines.len(), keys.len());
    let section = lines.join("\n");
    assert_eq!(
        policy(&format!("[policy.partners]\n{section}")),
        policy(POLICY),
        "a default in the reference is not the code's"
    );
    let elb = REFERENCE.lines().find_map(|line| line.strip_prefix("# elb")).unwrap_or_default();
    let elb = policy(&format!("[policy.elb]\nelb{elb}"));
    assert_eq!((elb.versions.len(), elb.suites.len(), elb.groups.len()), (1, 2, 3));
    let listed = policy(
        "[policy.x]\nversions = [\"TLSv1.2\"]\ngroups = [\"P-256\"]\nciphers = [\"ECDHE-RSA-AES256-GCM-SHA384\"]",
    );
    assert_eq!((listed.suites[0], listed.groups.len()), (elb.suites[1], 1));
}

#[test]
fn every_fault_of_a_policy_has_its_own_words() {
    let every = "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305, ECDHE-ECDSA-CHACHA20-POLY1305";
    let good = [("versions", "[\"TLSv1.2\"]"), ("ciphers", "[\"ECDHE-RSA-AES128-GCM-SHA256\"]")];
    let own = |changed: &[(&str, &str)]| {
        let kept = good.iter().filter(|(key, _)| changed.iter().all(|(other, _)| other != key));
        let lines: Vec<String> = kept
            .chain(changed)
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        format!("{REQUIRED}\n[policy.x]\n{}", lines.concat())
    };
    let elb = ("elb", "\"Protocol-TLSv1.2,ECDHE-RSA-AES128-GCM-SHA256\"");
    let cases: &[(String, Vec<String>)] = &[
        (own(&[]), vec![]),
        (own(&[("versions", ""), ("ciphers", ""), elb]), vec![]),
        (
            own(&[("versions", ""), ("ciphers", "")]),
            vec![
                "line 11, column 9: policy \"x\": \"versions\" is missing (expected \"TLSv1.2\", \"TLSv1.3\" or both, or \"elb\" instead)".into(),
                "line 11, column 9: policy \"x\": \"ciphers\" is missing (expected cipher suites, best first, or \"elb\" instead)".into(),
            ],
        ),
        (
            own(&[("ciphers", "[]")]),
            vec!["line 13, column 11: policy \"x\": ciphers: found an empty list, expected at least one: a text in quotes".into()],
        ),
        (
            own(&[("ciphers", "[\"ECDHE-RSA-AES128-GCM-SHA256\", \"ECDHE-RSA-AES128-GCM-SHA266\"]")]),
            vec![format!("line 13, column 43: policy \"x\": ciphers[1]: unknown cipher suite \"ECDHE-RSA-AES128-GCM-SHA266\" (expected one of {every})")],
        ),
        (
            own(&[("ciphers", "[\"ECDHE-RSA-AES128-SHA\", \"AES128-GCM-SHA256\"]")]),
            vec![
                format!("line 13, column 12: policy \"x\": ciphers[0]: ECDHE-RSA-AES128-SHA is refused: CBC mode (expected one of {every})"),
                format!("line 13, column 36: policy \"x\": ciphers[1]: AES128-GCM-SHA256 is refused: static RSA key exchange without forward secrecy (expected one of {every})"),
            ],
        ),
        (
            own(&[("versions", "[\"TLSv1.3\", \"TLSv1.2\"]")]),
            vec!["line 13, column 13: policy \"x\": versions: TLSv1.3 has no cipher suite (expected at least one of its own)".into()],
        ),
        (
            own(&[("versions", "[\"TLSv1.1\", \"1.2\"]")]),
            vec![
                "line 13, column 13: policy \"x\": versions[0]: TLSv1.1 is refused: deprecated by RFC 8996 (expected \"TLSv1.2\" or \"TLSv1.3\")".into(),
                "line 13, column 24: policy \"x\": versions[1]: unknown TLS version \"1.2\" (expected \"TLSv1.2\" or \"TLSv1.3\")".into(),
            ],
        ),
        (
            own(&[("versions", "[\"TLSv1.3\", \"TLSv1.2\"]"), ("groups", "\"X25519MLKEM768\""), ("ciphers", "[\"TLS_AES_128_GCM_SHA256\", \"ECDHE-RSA-AES128-GCM-SHA256\"]")]),
            vec!["line 13, column 10: policy \"x\": groups: TLSv1.2 has no group to exchange keys with (expected at least one of x25519, secp256r1, secp384r1)".into()],
        ),
        (
            own(&[("groups", "[\"x25519\", \"P-521\", \"P-257\"]")]),
            vec![
                "line 14, column 21: policy \"x\": groups[1]: P-521 is refused: rustls does not have it (expected one of X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1, secp384r1)".into(),
                "line 14, column 30: policy \"x\": groups[2]: unknown group \"P-257\" (expected one of X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1, secp384r1)".into(),
            ],
        ),
        (
            own(&[("cipher_order", "\"mine\"")]),
            vec!["line 14, column 16: policy \"x\": cipher_order: found \"mine\", expected \"server\" or \"client\"".into()],
        ),
        (
            own(&[elb]),
            vec![
                "line 14, column 7: policy \"x\": elb: says what \"versions\" says as well (expected one of the two)".into(),
                "line 14, column 7: policy \"x\": elb: says what \"ciphers\" says as well (expected one of the two)".into(),
            ],
        ),
        (
            own(&[("versions", ""), ("ciphers", ""), ("elb", "\"Protocol-TLSv1.2,AES256-SHA\"")]),
            vec![format!("line 12, column 7: policy \"x\": elb: AES256-SHA is refused: static RSA key exchange without forward secrecy, CBC mode (expected one of {every})")],
        ),
        (
            own(&[("versions", ""), ("ciphers", ""), ("elb", "\"Protocol-TLSv1.2\"")]),
            vec!["line 12, column 7: policy \"x\": elb: TLSv1.2 has no cipher suite (expected at least one of its own)".into()],
        ),
        (
            own(&[]).replace("policy.x", "policy.TLS-1-2-2017-01"),
            vec!["line 11, column 9: policy \"TLS-1-2-2017-01\": is the name of a built-in policy, which never changes (expected a name of your own)".into()],
        ),
        (
            own(&[]).replace("policy.x", "policy.ELBSecurityPolicy-FS-2018-06"),
            vec!["line 11, column 9: policy \"ELBSecurityPolicy-FS-2018-06\": begins as AWS's names do, with ELBSecurityPolicy- (expected a name of your own)".into()],
        ),
        // Who names a policy that is wrong is not told as well that it is unknown.
        (
            own(&[("versions", "")]).replace("[[listener]]", "[[listener]]\npolicy = \"x\""),
            vec!["line 12, column 9: policy \"x\": \"versions\" is missing (expected \"TLSv1.2\", \"TLSv1.3\" or both, or \"elb\" instead)".into()],
        ),
        (
            own(&[]).replace("[[listener]]", "[[listener]]\npolicy = \"y\""),
            vec!["line 3, column 10: listener \"ldaps\": policy: unknown policy \"y\" (expected one of TLS13-1-3-2021-06, TLS13-1-3-PQ-2025-09, TLS13-1-2-Res-2021-06, TLS13-1-2-Res-PQ-2025-09, FS-1-2-Res-2020-10, TLS13-1-2-2021-06, TLS13-1-2-PQ-2025-09, TLS-1-2-2017-01, TLS-1-1-2017-01, 2016-08, x; your own is written [policy.NAME])".into()],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text), *expected, "{text}");
    }
}

#[test]
fn what_should_be_known_of_policies_is_told_once() {
    let text = with("policy = \"TLS-1-1-2017-01\"").replace("[[listener]]", "[[listener]]\nname = \"b\"\nlisten = \"0.0.0.0:1\"\ncertificates = \"c\"\nbackend = \"directory\"\npolicy = \"ELBSecurityPolicy-TLS-1-1-2017-01\"\n\n[[listener]]");
    let config = parse(&(text + POLICY), Path::new(".")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    assert_eq!(
        config.warnings,
        [
            "policy \"partners\": no listener or backend uses it",
            "listener \"b\", listener \"ldaps\": policy \"TLS-1-1-2017-01\": only the part that tlsgate allows is served; left out: TLSv1.1 (deprecated by RFC 8996); ECDHE-ECDSA-AES128-SHA256, ECDHE-RSA-AES128-SHA256, ECDHE-ECDSA-AES128-SHA, ECDHE-RSA-AES128-SHA, ECDHE-ECDSA-AES256-SHA384, ECDHE-RSA-AES256-SHA384, ECDHE-RSA-AES256-SHA, ECDHE-ECDSA-AES256-SHA (CBC mode); AES128-GCM-SHA256, AES256-GCM-SHA384 (static RSA key exchange without forward secrecy); AES128-SHA256, AES128-SHA, AES256-SHA256, AES256-SHA (static RSA key exchange without forward secrecy, CBC mode)",
        ]
    );
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text =
        with("idle_timeout = 30").replace("backend = \"directory\"", "backend = \"x\"") + "\nbalance = 1\nzzz = 2\n";
    let errors = errors(&text);
    let keys = ["idle_timeout", "backend", "balance", "zzz"];
    assert_eq!(errors.len(), keys.len(), "{errors:#?}");
    assert!(errors.iter().zip(keys).all(|(error, key)| error.contains(key)), "{errors:#?}");
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let text = with("certificates = [\"certs\", \"/abs/x.pem\", { cert = \"a.crt\", key = \"a.key\" }]")
        + "\n[admin]\nlisten = \"unix:admin.sock\"\ntoken_file = \"token\"\n";
    let config = parse(&text, Path::new("/etc/tlsgate")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    let shown = format!("{:?} {:?}", config.listeners[0].certificates, config.admin);
    let inside = ["admin.sock", "token", "certs", "a.crt", "a.key"].map(|path| format!("/etc/tlsgate/{path}"));
    for path in inside.into_iter().chain(["/abs/x.pem".to_owned()]) {
        assert!(shown.contains(&format!("{path:?}")), "{path} is not in {shown}");
    }
}

#[test]
fn no_prefix_of_a_file_panics() {
    for (end, _) in REFERENCE.char_indices() {
        let _ = parse(&REFERENCE[..end], Path::new("."));
    }
}

/// A listener's lines and its routes'.
fn routed(listener: &str, routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|route| format!("[[listener.route]]\n{route}\n")).collect();
    let head = "[[listener]]\nname = \"l\"\nlisten = \"127.0.0.1:0\"\n";
    format!(
        "{head}{listener}\n{routes}\n[backend.a]\nservers = [\"127.0.0.1:1\"]\n[backend.b]\nservers = [\"127.0.0.1:2\"]\n"
    )
}

#[test]
fn routes_are_checked_against_each_other_and_their_listener() {
    let whole = "certificates = [\"certs\"]\nbackend = \"a\"";
    let cases: &[(&str, &[&str], &str)] = &[
        (
            whole,
            &["server_names = [\"a.test\"]", "name = \"second\"\nserver_names = [\"A.test.\"]"],
            "line 8, column 1: listener \"l\": route \"second\": would never match for a.test, which route \"a.test\" takes already",
        ),
        (
            whole,
            &[
                "server_names = [\"*.a.test\"]\nclient_alpn = [\"h2\"]",
                "server_names = [\"*.A.test\"]\nclient_alpn = \"h2\"",
            ],
            "route \"*.A.test\": would never match for *.a.test with ALPN \"h2\", which route \"*.a.test\" takes already",
        ),
        (
            whole,
            &["no_server_name = true", "no_server_name = true\nserver_names = \"x.test\""],
            "route \"x.test\": would never match for no server name, which route \"no server name\" takes already",
        ),
        (whole, &["server_names = [\"a.test\", \"a.TEST\"]"], "server_names[1]: a.test is listed twice"),
        (whole, &["server_names = [\"a*.test\"]"], "server_names[0]: \"a*.test\": a wildcard stands for"),
        (whole, &["mode = \"reject\""], "listener \"l\": route[0]: matches nothing in particular"),
        (whole, &["server_names = \"a.test\"\nmode = \"drop\""], "mode: found \"drop\", expected \"terminate\""),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"passthrough\"\ncertificates = \"x\""],
            "route \"a.test\": certificates: means nothing where mode is \"passthrough\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"reject\"\nbackend = \"b\""],
            "route \"a.test\": backend: means nothing where mode is \"reject\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nbackend = \"c\""],
            "backend: unknown backend \"c\" (expected one of a, b;",
        ),
        (whole, &["server_names = \"a.test\"\npolicy = \"x\""], "policy: unknown policy \"x\""),
        (whole, &["name = \"default\"\nserver_names = \"a.test\""], "name: \"default\" is what tlsgate itself"),
        (
            whole,
            &["name = \"x\"\nserver_names = \"a.test\"", "name = \"x\"\nserver_names = \"b.test\""],
            "name: another route has this name already",
        ),
        (
            &format!("{whole}\nrequire_sni = true"),
            &["no_server_name = true"],
            "no_server_name: would never match, since the listener refuses clients without a server name",
        ),
        (whole, &["client_alpn = []"], "client_alpn: found an empty list, expected at least one"),
        (
            whole,
            &["server_names = \"a.test\"\nclient_alpn = [\"\"]"],
            "client_alpn: found a list, expected a list of application protocols",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nalpn = [\"acme-tls/1\"]"],
            "alpn: \"acme-tls/1\" would never be agreed on",
        ),
        (&format!("{whole}\nalpn = [\"acme-tls/1\"]"), &[], "alpn: \"acme-tls/1\" would never be agreed on"),
        (&format!("{whole}\nalpn = [\"h2\", \"h2\"]"), &[], "alpn: found a list, expected a list of application"),
        (&format!("{whole}\nnot_tls = \"c\""), &[], "not_tls: unknown backend \"c\""),
        (&format!("{whole}\nstarttls = \"ldap\"\nnot_tls = \"a\""), &[], "not_tls: cannot stand beside starttls"),
        ("backend = \"a\"", &[], "listener \"l\": \"certificates\" is missing"),
        ("certificates = [\"certs\"]", &[], "listener \"l\": \"backend\" is missing"),
        ("mode = \"passthrough\"", &[], "listener \"l\": \"backend\" is missing"),
        (
            "",
            &["server_names = \"a.test\"\nmode = \"passthrough\""],
            "route \"a.test\": \"backend\" is missing here and in",
        ),
        (
            "backend = \"a\"",
            &["server_names = \"a.test\""],
            "route \"a.test\": \"certificates\" is missing here and in",
        ),
        (
            &format!("{whole}\nmode = \"reject\""),
            &["server_names = \"a.test\"\nmode = \"passthrough\""],
            "listener \"l\": certificates: nothing would use them",
        ),
    ];
    for (listener, routes, expected) in cases {
        let errors = errors(&routed(listener, routes));
        assert_eq!(errors.len(), 1, "{listener}\n{routes:#?}\nwanted: {expected}\ngot: {errors:#?}");
        assert!(errors[0].contains(expected), "{listener}\n{routes:#?}\nwanted: {expected}\ngot: {errors:#?}");
    }
}

#[test]
fn routes_that_differ_stand_side_by_side_and_a_listener_needs_only_what_is_used() {
    let fine: &[(&str, &[&str])] = &[
        ("", &["server_names = \"a.test\"\nmode = \"passthrough\"\nbackend = \"a\""]),
        (
            "backend = \"a\"",
            &["server_names = \"a.test\"\nmode = \"passthrough\"", "no_server_name = true\nmode = \"reject\""],
        ),
        ("mode = \"passthrough\"\nbackend = \"a\"", &[]),
        ("mode = \"passthrough\"\nbackend = \"a\"\ncertificates = \"c\"", &["server_names = \"a.test\""]),
        ("", &["server_names = \"a.test\"\ncertificates = \"c\"\nbackend = \"b\""]),
        (
            "certificates = \"c\"\nbackend = \"a\"\nalpn = [\"h2\"]",
            &[
                "server_names = [\"a.test\", \"*.a.test\"]",
                "server_names = [\"a.test\"]\nclient_alpn = [\"imap\"]",
                "server_names = [\"a.test\"]\nclient_alpn = [\"acme-tls/1\"]\nmode = \"passthrough\"",
                "client_alpn = [\"imap\"]\nalpn = [\"imap\", \"pop3\"]",
                "no_server_name = true\nclient_alpn = [\"imap\"]\nalpn = []",
            ],
        ),
    ];
    for (listener, routes) in fine {
        assert_eq!(errors(&routed(listener, routes)), Vec::<String>::new(), "{listener}\n{routes:#?}");
    }
    let config =
        parse(&routed(fine[5].0, fine[5].1), Path::new("")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    let listener = &config.listeners[0];
    let shown: Vec<_> = listener.routes.iter().map(|route| (&*route.name, route.alpn.concat())).collect();
    let expected = [
        ("a.test", &b"h2"[..]),
        ("a.test (2)", b"imap"),
        ("a.test (3)", b"acme-tls/1"),
        ("imap", b"imappop3"),
        ("no server name", b""),
    ];
    assert_eq!(shown, expected.map(|(name, alpn)| (name, alpn.to_vec())));
}
