//! The admin server: its addresses and its TLS.

use super::*;

/// A whole file with these lines in `[admin]`.
fn admin(lines: &str) -> String {
    format!("[admin]\n{lines}\n{REQUIRED}")
}

#[test]
fn what_the_admin_server_cannot_have_is_refused_with_its_place() {
    let cases = [
        (
            "listen = \"127.0.0.1:1\"\nprobes = \"127.0.0.1:1\"",
            "line 3, column 10: admin: probes: 127.0.0.1:1 is listen already (expected another address)",
        ),
        ("probes = \"0.0.0.0:636\"", "listen[0]: 0.0.0.0:636 is taken by admin: probes already"),
        ("listen = \"0.0.0.0:636\"", "listen[0]: 0.0.0.0:636 is taken by admin: listen already"),
        ("probes = \"9901\"", "admin: probes: found \"9901\", expected an IP address and a port"),
        (
            "[admin.tls]\ncertificates = \"a\"",
            "admin: tls: nothing would use it (expected an IP address and a port in listen",
        ),
        (
            "listen = \"unix:a\"\ntls = { certificates = \"a\" }",
            "admin: tls: listen is unix:/etc/tlsgate/a, whose permissions decide who may connect (expected an IP",
        ),
        (
            "listen = \"[::1]:1\"\n[admin.tls]",
            "admin: tls: \"certificates\" is missing (expected a folder, a combined PEM file",
        ),
        (
            "listen = \"[::1]:1\"\n[admin.tls]\ncertificates = \"a\"\npolicy = \"x\"",
            "admin: tls: policy: unknown policy \"x\"",
        ),
        (
            "listen = \"[::1]:1\"\n[admin.tls]\ncertificates = \"a\"\nclient_auth = { mode = \"require\" }",
            "admin: tls: client_auth: \"ca\" is missing",
        ),
        (
            "listen = \"[::1]:1\"\n[admin.tls]\ncertificates = { acme = \"x\", names = [\"a.test\"] }",
            "admin: tls: certificates: unknown authority \"x\"",
        ),
    ];
    for (lines, expected) in cases {
        let errors = errors(&admin(lines));
        assert!(errors.len() == 1 && errors[0].contains(expected), "{lines}: {errors:?}");
    }
    for lines in [
        "probes = \"127.0.0.1:1\"",
        "probes = \"unix:a\"",
        "listen = \"127.0.0.1:0\"\nprobes = \"127.0.0.1:0\"",
        "listen = \"[::1]:1\"\n[admin.tls]\ncertificates = \"a\"\nclient_auth = { mode = \"optional\", ca = \"b\" }",
    ] {
        assert_eq!(errors(&admin(lines)), [""; 0], "{lines}");
    }
}

#[test]
fn a_policy_that_only_the_admin_server_uses_is_used() {
    let tls = "listen = \"[::1]:1\"\n[admin.tls]\ncertificates = \"a\"\npolicy = \"partners\"";
    let warnings = |text: &str| parse(text, Path::new("/")).unwrap().warnings;
    assert_eq!(warnings(&admin(&format!("{tls}{POLICY}"))), [""; 0]);
    assert_eq!(warnings(&admin(POLICY)).len(), 1);
}

#[test]
fn doors_that_let_others_in_are_warned_about() {
    let warnings = |lines: &str| parse(&admin(lines), Path::new("/")).unwrap().warnings;
    let token = "token_file = \"t\"\n";
    let tls = "[admin.tls]\ncertificates = \"a\"";
    for (lines, expected) in [
        (
            format!("listen = \"192.0.2.1:1\"\n{token}"),
            "admin: listen: the token comes to 192.0.2.1:1 without encryption",
        ),
        (format!("listen = \"[::]:1\"\n{token}"), "admin: listen: the token comes to [::]:1 without encryption"),
        ("listen = \"unix:a\"\nsocket_mode = \"0666\"".into(), "admin: listen: with socket_mode \"0666\", every user"),
    ] {
        let found = warnings(&lines);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{lines}: {found:?}");
    }
    for lines in [
        format!("listen = \"192.0.2.1:1\"\n{token}{tls}"),
        format!("listen = \"127.0.0.1:1\"\n{token}"),
        format!("listen = \"[::1]:1\"\n{token}"),
        "listen = \"192.0.2.1:1\"".into(),
        "listen = \"unix:a\"\nsocket_mode = \"0660\"".into(),
        "probes = \"unix:a\"\nsocket_mode = \"0666\"".into(),
    ] {
        assert_eq!(warnings(&lines), [""; 0], "{lines}");
    }
}
