//! Errors as people read them, and the reference against the code.

use std::path::Path;

use super::*;
use crate::config::file::File;

mod acme;
mod admin;
mod fleet;
mod labels;
mod many;
mod policies;
mod reference;
mod routes;
mod words;

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

/// The policy that is in the reference as a comment, without its optional keys.
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
            "line 3, column 1: listener \"ldaps\": unknown key \"idle_timout\" (expected one of allow, allow_file, alpn, backend, backends, certificates, ",
        ),
        (&with("max_connections = 0"), "max_connections: found 0, expected a whole number from 1"),
        (&with("max_connections = -1"), "max_connections: found -1, expected a whole number from 1"),
        (&with("max_connections = 1.5"), "max_connections: found 1.5, expected a whole number from 1"),
        (&with("allow = [\"10.0.0.0\", \"ten\"]"), "allow[1]: found \"ten\", expected an IP address or a prefix"),
        (&with("allow = \"10.0.0.1/8\""), "allow: found 10.0.0.1/8, expected 10.0.0.0/8, or a longer prefix"),
        (&with("deny = \"::ffff:10.0.0.0/104\""), "deny: found ::ffff:10.0.0.0/104, expected its IPv4 form"),
        (
            &with("allow = \"10.0.0.0/8\"\ndeny = [\"10.1.0.0/16\", \"10.0.0.0/8\"]"),
            "deny[1]: 10.0.0.0/8 is in allow as well (expected in one of the two)",
        ),
        (
            &with("connection_rate = 10"),
            "connection_rate: found 10, expected a number per unit of time, such as \"100/s\"",
        ),
        (
            &with("deny_ja4 = [\"t13d1516h2_8daaf6152771_e5627efa2ab1\", \"t13d1516h2\"]"),
            "deny_ja4[1]: found \"t13d1516h2\", expected the JA4 of a client over TCP (36 characters), such as",
        ),
        (
            &with("deny_ja4 = \"q13d0310h3_55b375c5d22e_cd85d2d88918\""),
            "deny_ja4: found \"q13d0310h3_55b375c5d22e_cd85d2d88918\", expected the JA4 of a client over TCP",
        ),
        (&with("connection_rate = \"0/s\""), "connection_rate: found \"0/s\", expected a number per unit of time"),
        (&with("connection_rate = \"+1/s\""), "connection_rate: found \"+1/s\", expected a number per unit of time"),
        (
            &with("connection_rate_per_client = { rate = \"1/s\", bursts = 3 }"),
            "connection_rate_per_client: found a table, expected a number per unit of time",
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
        (&tls(""), "backend \"directory\": tls: no trusted certificate or key is given (expected ca, pins or both)"),
        (
            &tls("ca = \"a\"\nserver_name = \"a.test\"\nstarttls = \"imap\""),
            "tls: starttls: found \"imap\", expected \"ldap\", \"postgres\" or \"smtp\"",
        ),
        (
            &tls("ca = \"a\"\nserver_name = \"a.test\"\nstarttls = \"smtp\"")
                .replace("certs\"]", "certs\"]\nstarttls = \"ldap\""),
            "listener \"ldaps\": starttls: found \"ldap\", but tls.starttls of backend \"directory\" is \"smtp\"",
        ),
        (&tls("ca = \"a\""), "backend \"directory\": tls: \"server_name\" is missing (expected the name"),
        (&tls("server_name = \"a b\""), "tls: server_name: found \"a b\", expected a DNS name or an IP address"),
        (&tls("pins = \"sha256/AAAA\""), "tls: pins: found \"sha256/AAAA\", expected the SHA-256 of"),
        (&tls("cert = \"a\""), "tls: cert: is given without its key (expected key = "),
        (&tls("key = \"a\""), "tls: key: is given without its certificate (expected cert = "),
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
        (&with("listen = [\"systemd:\"]"), "listen[0]: found \"systemd:\", expected an IP address and a port"),
        (
            &with("listen = [\"systemd:x\", \"systemd:x\"]"),
            "listen[1]: systemd:x is taken by listener \"ldaps\" already",
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
        (
            &with("certificates = [{ cert = \"a\", key = \"pkcs11:token=t;object=k\" }]"),
            "certificates[0]: key: the pkcs11 URI: names no module, expected ?module-path=",
        ),
        (
            &with(
                "certificates = [{ cert = \"a\", key = \"pkcs11:token=t;object=k?module-path=/m.so&pin-source=file:p\", passphrase = \"file:p\" }]",
            ),
            "certificates[0]: passphrase: the URI of the key has a pin-source as well",
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
        (&health("type = \"http\"\nca = \"x\""), "health: ca: is only for checks that use TLS"),
        (&health("type = \"http\"\nstart_tls = true"), "health: start_tls: is only for the type \"ldap\""),
        (
            &health("type = \"tls\""),
            "health: the server's certificate cannot be verified (expected ca, pins or verify = false)",
        ),
        (&health("type = \"tls\"\nca = \"x\"\nverify = false"), "health: verify: cannot be combined with ca or pins"),
        (
            &health("type = \"ldap\"\ntls = true\nstart_tls = true\nverify = false"),
            "start_tls: cannot be combined with tls = true",
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
        (&health("type = \"ldap\"\nbind_dn = \"cn=a\""), "health: bind_dn: is given without a password"),
        (
            &health("type = \"ldap\"\npassword_file = \"a\""),
            "health: password_file: is given without the name to bind as",
        ),
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
            &format!("{REQUIRED}\n[admin]\ntoken_file = \"credential:a/b\""),
            "admin: token_file: found \"a/b\", expected the name of a credential",
        ),
        (
            &format!("{REQUIRED}\n[admin]\nlisten = \"0.0.0.0:636\""),
            "listener \"ldaps\": listen[0]: 0.0.0.0:636 is taken by admin: listen already",
        ),
        (&format!("{REQUIRED}\n[log]\nlevel = \"loud\""), "log: level: found \"loud\", expected \"error\", \"warn\""),
        (
            &format!("{REQUIRED}\n[process]\ngroup = \"tlsgate\""),
            "process: group: has no effect without \"user\", whom the process becomes",
        ),
        (&format!("{REQUIRED}\n[process]\nuser = \"\""), "process: user: found \"\", expected the name of a user"),
        (
            &format!("{REQUIRED}\n[process]\nsandbox = \"on\""),
            "process: sandbox: found \"on\", expected \"auto\", \"require\" or \"off\"",
        ),
        (
            &format!("{REQUIRED}\n[process]\nsandbox_paths = \"\""),
            "process: sandbox_paths: found \"\", expected the path of a file or folder",
        ),
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
    // A file that ends in a comment is the same as one that ends before it.
    let text: String =
        REFERENCE.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert!(text.len() > 1000, "{text}");
    for (end, _) in text.char_indices() {
        let _ = parse(&text[..end], Path::new("."));
    }
}

#[test]
fn a_path_of_a_unix_socket_that_is_too_long_is_refused_wherever_it_stands() {
    // Relative paths begin in /etc/tlsgate.
    let path = |length: usize| format!("unix:{}", "x".repeat(length - "/etc/tlsgate/".len()));
    let texts = |length| {
        let path = path(length);
        let servers = REQUIRED.replace("servers = [\"10.0.1.10:389\"", &format!("servers = [\"{path}\""));
        let admin = format!("[admin]\nlisten = \"{path}\"\n{REQUIRED}");
        [with(&format!("listen = \"{path}\"")), servers, admin]
    };
    for text in texts(107) {
        assert_eq!(errors(&text), [""; 0]);
    }
    for text in texts(108) {
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("found a path of 108 bytes, expected at most 107"), "{errors:?}");
    }
}
