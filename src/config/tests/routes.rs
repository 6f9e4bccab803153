//! Routes against each other and their listener.

use super::*;

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
            "line 8, column 1: listener \"l\": route \"second\": would never match: route \"a.test\" already takes a.test",
        ),
        (
            whole,
            &[
                "server_names = [\"*.a.test\"]\nclient_alpn = [\"h2\"]",
                "server_names = [\"*.A.test\"]\nclient_alpn = \"h2\"",
            ],
            "route \"*.A.test\": would never match: route \"*.a.test\" already takes *.a.test with ALPN \"h2\"",
        ),
        (
            whole,
            &["no_server_name = true", "no_server_name = true\nserver_names = \"x.test\""],
            "route \"x.test\": would never match: route \"no server name\" already takes no server name",
        ),
        (whole, &["server_names = [\"a.test\", \"a.TEST\"]"], "server_names[1]: a.test is listed twice"),
        (whole, &["server_names = [\"a*.test\"]"], "server_names[0]: \"a*.test\": a wildcard can only replace"),
        (whole, &["mode = \"reject\""], "listener \"l\": route[0]: has nothing to match"),
        (whole, &["server_names = \"a.test\"\nmode = \"drop\""], "mode: found \"drop\", expected \"terminate\""),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"passthrough\"\ncertificates = \"x\""],
            "route \"a.test\": certificates: has no effect where mode is \"passthrough\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"reject\"\nbackend = \"b\""],
            "route \"a.test\": backend: has no effect where mode is \"reject\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nbackend = \"c\""],
            "backend: unknown backend \"c\" (expected one of a, b;",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nbackends = [\"a\", { backend = \"c\", weight = 2 }]"],
            "backends[1]: unknown backend \"c\" (expected one of a, b;",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nbackend = \"a\"\nbackends = [\"a\", \"b\"]"],
            "route \"a.test\": backend: cannot be combined with backends (expected one of the two)",
        ),
        (whole, &["server_names = \"a.test\"\nbackends = [\"b\", \"b\"]"], "backends[1]: \"b\" is listed twice"),
        (
            whole,
            &["server_names = \"a.test\"\nbackends = { backend = \"b\", weight = 0 }"],
            "backends: every weight is 0 (expected at least one from 1)",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nbackends = [{ backend = \"b\", weight = 1001 }]"],
            "backends[0]: found a table, expected the name of a backend, or a table such as",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"reject\"\nbackends = [\"a\", \"b\"]"],
            "route \"a.test\": backends: has no effect where mode is \"reject\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nmode = \"reject\"\nmax_connections = 1"],
            "route \"a.test\": max_connections: has no effect where mode is \"reject\"",
        ),
        (
            whole,
            &[
                "server_names = \"a.test\"\nmode = \"passthrough\"\nhandshake_failures = { limit = 1, window = \"1m\", block = \"1m\" }",
            ],
            "route \"a.test\": handshake_failures: has no effect where mode is \"passthrough\"",
        ),
        (
            whole,
            &["server_names = \"a.test\"\nallow = \"10.0.0.0/8\"\ndeny = \"10.0.0.0/8\""],
            "route \"a.test\": deny: 10.0.0.0/8 is in allow as well (expected in one of the two)",
        ),
        ("certificates = [\"certs\"]\nbackends = [\"a\", \"c\"]", &[], "backends[1]: unknown backend \"c\""),
        (whole, &["server_names = \"a.test\"\npolicy = \"x\""], "policy: unknown policy \"x\""),
        (whole, &["name = \"default\"\nserver_names = \"a.test\""], "name: \"default\" is a name that tlsgate itself"),
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
        (&format!("{whole}\nstarttls = \"ldap\"\nnot_tls = \"a\""), &[], "not_tls: cannot be combined with starttls"),
        (
            "backend = \"a\"\nmode = \"passthrough\"\nstarttls = \"smtp\"",
            &[],
            "starttls: \"smtp\" cannot be combined with passthrough: backend \"a\" would greet the client",
        ),
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
