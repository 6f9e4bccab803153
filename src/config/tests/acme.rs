//! Authorities, what is ordered from them, and the folder that keeps it.

use std::path::PathBuf;

use super::*;
use crate::acme::settings::{ChallengeKind, Identifier, KeyKind, Publisher, TsigAlgorithm};
use crate::config::validate::Config;
use crate::tls::certificate::name::Name;

const STATE: &str = "[state]\ndirectory = \"state\"\n";

/// A whole file with an authority that has these lines too, and a source that is ordered from it.
fn ordered(lines: &str) -> String {
    let authority = format!("[acme.a]\ndirectory = \"https://a.test/directory\"\n{lines}\n");
    let source = "certificates = [\"certs\", { acme = \"a\", names = [\"x.test\", \"*.y.test\", \"192.0.2.1\"] }]";
    format!("{STATE}{authority}{}", with(source))
}

/// A whole file with such a source.
fn source(source: &str) -> String {
    let authorities = "[acme.a]\ndirectory = \"https://a.test/\"\n[acme.tls]\ndirectory = \"https://b.test/\"\nchallenges = [\"tls-alpn-01\"]\n[acme.dns]\ndirectory = \"https://c.test/\"\nchallenges = \"dns-persist-01\"\n";
    format!("{STATE}{authorities}{}", with(&format!("certificates = [{source}]")))
}

fn valid(text: &str) -> Config {
    parse(text, Path::new("/etc/tlsgate")).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"))
}

fn dns(lines: &str) -> String {
    ordered(&format!("[acme.a.dns]\n{lines}"))
}

#[test]
fn what_is_ordered_follows_from_the_sources() {
    let route = "[[listener.route]]\nserver_names = \"z.test\"\ncertificates = { acme = \"a\", names = [\"*.y.test\", \"X.test.\", \"192.0.2.1\"], keys = [\"rsa-2048\", \"ecdsa-p384\"] }\n";
    let config = valid(&ordered("").replace("[backend", &format!("{route}[backend")));
    assert_eq!(config.acme.state, Some(PathBuf::from("/etc/tlsgate/state")));
    let identifiers = ["x.test", "*.y.test"].map(|name| Identifier::Dns(Name::parse(name).unwrap()));
    let identifiers = [&identifiers[..], &[Identifier::Ip([192, 0, 2, 1].into())]].concat();
    // The RSA certificate of the route is the listener's.
    let keys: Vec<KeyKind> = config.acme.wanted.iter().map(|wanted| wanted.key).collect();
    assert_eq!(keys, [KeyKind::EcdsaP256, KeyKind::Rsa2048, KeyKind::EcdsaP384]);
    assert_eq!(config.acme.wanted[0].identifiers[..], identifiers);
    let own = config.listeners[0].certificates[1].value.as_ordered().unwrap();
    let folders: Vec<_> =
        config.acme.wanted.iter().map(|one| Path::new("/etc/tlsgate/state").join(one.folder())).collect();
    assert_eq!(own.folders, folders[..2]);
    let routes = config.listeners[0].routes[0].certificates[0].value.as_ordered().unwrap();
    assert_eq!(routes.folders, [folders[1].clone(), folders[2].clone()]);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn an_authority_has_its_defaults() {
    let config = valid(&ordered(""));
    let authority = &config.acme.authorities[0];
    assert_eq!(authority.challenges, [ChallengeKind::TlsAlpn01, ChallengeKind::DnsPersist01]);
    assert_eq!((authority.tls_port, authority.http_port, authority.timeout.as_secs()), (443, 80, 30));
    assert!(authority.check && !authority.accept_terms);
    let config = valid(
        &(dns("server = \"10.0.0.53\"\nzone = \"Y.test.\"")
            .replace("[acme.a.dns]", "http = \"0.0.0.0:80\"\n[acme.a.dns]")),
    );
    let authority = &config.acme.authorities[0];
    let all = [ChallengeKind::TlsAlpn01, ChallengeKind::Http01, ChallengeKind::DnsPersist01, ChallengeKind::Dns01];
    assert_eq!(authority.challenges, all);
    let Some(Publisher::Update(update)) = &authority.dns else { panic!("{:?}", authority.dns) };
    assert_eq!((update.server.to_string().as_str(), update.zone.as_str()), ("10.0.0.53:53", "y.test"));
    let signed = "server = \"[::1]:5353\"\nzone = \"y.test\"\ntsig_name = \"Key.\"\ntsig_key_file = \"tsig.key\"";
    for (algorithm, expected) in
        [("", TsigAlgorithm::HmacSha256), ("\ntsig_algorithm = \"hmac-sha512\"", TsigAlgorithm::HmacSha512)]
    {
        let config = valid(&dns(&format!("{signed}{algorithm}")));
        let Some(Publisher::Update(update)) = &config.acme.authorities[0].dns else { panic!() };
        let tsig = update.tsig.as_ref().unwrap();
        assert_eq!((tsig.name.as_str(), tsig.algorithm), ("key", expected));
        assert_eq!(tsig.key_file, Path::new("/etc/tlsgate/tsig.key"));
    }
}

#[test]
fn each_fault_of_an_authority_names_its_key() {
    let no_state = ordered("").replace("[state]\ndirectory = \"state\"\n", "");
    let no_directory = ordered("").replace("directory = \"https://a.test/directory\"\n", "");
    let named = |name: &str| {
        ordered("")
            .replace("[acme.a]", &format!("[acme.{name:?}]"))
            .replace("acme = \"a\"", &format!("acme = {name:?}"))
    };
    let at = |url: &str| ordered("").replace("https://a.test/directory", url);
    let cases: Vec<(String, &str)> = vec![
        (no_state, "acme \"a\": \"directory\" of [state] is missing (expected the folder in which"),
        (ordered("").replace("\"state\"\n", "\"\"\n"), "state: directory: found \"\", expected the path of a folder"),
        (no_directory, "acme \"a\": \"directory\" is missing (expected a text in quotes)"),
        (named("a/b"), "acme \"a/b\": found the name \"a/b\", expected at most 63 letters, digits"),
        (named(".."), "acme \"..\": found the name \"..\", expected at most 63 letters"),
        (at("http://a.test/"), "acme \"a\": directory: found \"http://a.test/\", expected https: without TLS"),
        (
            at("a.test/directory"),
            "directory: found \"a.test/directory\", expected the URL of the authority's directory",
        ),
        (at("https:///x"), "directory: found \"https:///x\", expected the URL"),
        (at("https://user@a.test/"), "expected the URL"),
        (at("https://a.test/#x"), "expected the URL"),
        (at("https://a.test:0/"), "expected the URL"),
        (at("https://a test/"), "expected the URL"),
        (ordered("contact = \"ops@a.test\""), "contact: found \"ops@a.test\", expected a URL such as \"mailto:ops@"),
        (
            ordered("contact = [\"mailto:a@a.test,b@a.test\"]"),
            "contact[0]: found \"mailto:a@a.test,b@a.test\", expected",
        ),
        (
            ordered("contact = [\"mailto:a@a.test\", \"mailto:a@a.test\"]"),
            "contact[1]: \"mailto:a@a.test\" is listed twice",
        ),
        (ordered("profile = \"\""), "profile: found \"\", expected a profile's name"),
        (ordered("eab = { kid = \"k\" }"), "acme \"a\": eab: \"key_file\" is missing"),
        (ordered("eab = { key_file = \"k\" }"), "acme \"a\": eab: \"kid\" is missing"),
        (ordered("eab = { kid = \"\", key_file = \"k\" }"), "eab: kid: found \"\", expected the key identifier"),
        (
            ordered("eab = { kid = \"k\", key = \"k\", key_file = \"k\" }"),
            "eab: unknown key \"key\" (expected one of key_file, kid)",
        ),
        (ordered("challenges = []"), "challenges: found an empty list"),
        (ordered("challenges = [\"dns\"]"), "challenges[0]: found \"dns\", expected \"tls-alpn-01\", \"http-01\""),
        (ordered("challenges = [\"tls-alpn-01\", \"tls-alpn-01\"]"), "challenges[1]: \"tls-alpn-01\" is listed twice"),
        (ordered("challenges = [\"dns-01\"]"), "challenges[0]: \"dns-01\" needs \"dns\", a name server or a program"),
        (ordered("challenges = [\"http-01\"]"), "challenges[0]: \"http-01\" needs \"http\", the addresses"),
        (ordered("http_port = 8080"), "http_port: has no effect without \"http\""),
        (ordered("http_port = 0"), "http_port: found 0, expected a port from 1 to 65535"),
        (
            ordered("challenges = [\"dns-persist-01\", \"http-01\"]\nhttp = \"0.0.0.0:80\"\ntls_port = 8443"),
            "tls_port: has no effect, since \"challenges\" does not have \"tls-alpn-01\"",
        ),
        (
            ordered("challenges = [\"dns-persist-01\", \"tls-alpn-01\"]\nhttp = \"0.0.0.0:80\""),
            "http: has no effect, since \"challenges\" does not have \"http-01\"",
        ),
        (
            dns("program = \"p\"").replace("[acme.a.dns]", "challenges = \"tls-alpn-01\"\n[acme.a.dns]"),
            "acme \"a\": dns: has no effect, since \"challenges\" does not have \"dns-01\" or \"dns-persist-01\"",
        ),
        (ordered("http = [\"0.0.0.0:80\", \"0.0.0.0:80\"]"), "http[1]: 0.0.0.0:80 is listed twice"),
        (ordered("http = [\"0.0.0.0\"]"), "http[0]: found \"0.0.0.0\", expected an IP address and a port"),
        (
            ordered("http = [\"0.0.0.0:636\"]"),
            "listener \"ldaps\": listen[0]: 0.0.0.0:636 is taken by acme \"a\" already",
        ),
        (dns(""), "acme \"a\": dns: \"server\" is missing (expected the IP address of a name server"),
        (dns("server = \"10.0.0.53\""), "acme \"a\": dns: \"zone\" is missing"),
        (dns("server = \"ns.test\"\nzone = \"y.test\""), "dns: server: found \"ns.test\", expected the IP address"),
        (
            dns("server = \"10.0.0.53\"\nzone = \"*.y.test\""),
            "dns: zone: found \"*.y.test\", expected a name in the DNS",
        ),
        (
            dns("server = \"10.0.0.53\"\nzone = \"y.test\"\nprogram = \"p\""),
            "dns: server: cannot be combined with \"program\"",
        ),
        (dns("zone = \"y.test\"\nprogram = \"p\""), "dns: zone: has no effect beside \"program\""),
        (dns("program = \"\""), "dns: program: found \"\", expected the path of a program"),
        (
            dns("server = \"10.0.0.53\"\nzone = \"y.test\"\ntsig_name = \"k\""),
            "dns: tsig_name: is given without the key",
        ),
        (
            dns("server = \"10.0.0.53\"\nzone = \"y.test\"\ntsig_key_file = \"k\""),
            "dns: tsig_key_file: is given without the name",
        ),
        (
            dns("server = \"10.0.0.53\"\nzone = \"y.test\"\ntsig_algorithm = \"hmac-sha256\""),
            "dns: tsig_algorithm: has no effect without tsig_name and tsig_key_file",
        ),
        (
            dns("server = \"10.0.0.53\"\nzone = \"y.test\"\ntsig_algorithm = \"hmac-md5\""),
            "dns: tsig_algorithm: found \"hmac-md5\", expected \"hmac-sha256\", \"hmac-sha384\" or \"hmac-sha512\"",
        ),
        (
            ordered("fallback = \"b\""),
            "acme \"a\": fallback: unknown authority \"b\" (expected one of a; one is written",
        ),
        (ordered("fallback = [\"a\"]"), "fallback[0]: \"a\" is this authority itself, expected another one"),
        (
            source("\"certs\"").replace("[acme.tls]", "fallback = [\"tls\", \"tls\"]\n[acme.tls]"),
            "fallback[1]: \"tls\" is listed twice",
        ),
        (ordered("timeout = 30"), "timeout: found 30, expected a time with its unit"),
        (
            ordered("key = 1"),
            "acme \"a\": unknown key \"key\" (expected one of accept_terms, ca, challenges, check, contact, ",
        ),
    ];
    for (text, expected) in &cases {
        let errors = errors(text);
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}\nexpected: {expected}\ngot: {errors:#?}");
        // Nothing follows from it.
        assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    }
}

#[test]
fn each_fault_of_what_is_ordered_names_its_source() {
    let cases = [
        (
            "{ acme = \"b\", names = [\"x.test\"] }",
            "unknown authority \"b\" (expected one of a, dns, tls; one is written [acme.NAME])",
        ),
        ("{ acme = \"a\", names = [] }", "names: found an empty list, expected at least one name"),
        ("{ acme = \"a\" }", "found a table, expected a path, or a table such as"),
        ("{ acme = \"a\", names = [\"x.test\"], cert = \"x\" }", "found a table, expected a path, or a table such as"),
        (
            "{ acme = \"a\", names = [\"x.test\"], default = true }",
            "found a table, expected a path, or a table such as",
        ),
        ("{ acme = \"a\", names = [\"x y\"] }", "names: \"x y\" is not a DNS name"),
        ("{ acme = \"a\", names = [\"x.test\", \"X.TEST.\"] }", "names: x.test is listed twice"),
        ("{ acme = \"a\", names = [\"::ffff:192.0.2.1\", \"192.0.2.1\"] }", "names: 192.0.2.1 is listed twice"),
        (
            "{ acme = \"a\", names = [\"x.test\"], keys = [] }",
            "keys: found an empty list, expected at least one kind of key",
        ),
        (
            "{ acme = \"a\", names = [\"x.test\"], keys = [\"rsa\"] }",
            "keys: found \"rsa\", expected \"ecdsa-p256\", \"ecdsa-p384\", ",
        ),
        (
            "{ acme = \"a\", names = [\"x.test\"], keys = [\"rsa-2048\", \"rsa-2048\"] }",
            "keys: \"rsa-2048\" is listed twice",
        ),
        (
            "{ acme = \"tls\", names = [\"x.test\", \"*.x.test\"] }",
            "names: *.x.test needs one of the challenges dns-01 and dns-persist-01, and acme \"tls\" has only tls-alpn-01",
        ),
        (
            "{ acme = \"dns\", names = [\"2001:db8::1\"] }",
            "names: an IP address needs one of the challenges tls-alpn-01 and http-01, and acme \"dns\" has only dns-persist-01",
        ),
    ];
    for (written, expected) in cases {
        let errors = errors(&source(written));
        assert_eq!(errors.len(), 1, "{written}: {errors:#?}");
        assert!(
            errors[0].contains(&format!("listener \"ldaps\": certificates[0]: {expected}")),
            "{written}: {errors:#?}"
        );
    }
    let policy = "\n[policy.p]\nversions = \"TLSv1.2\"\nciphers = \"ECDHE-ECDSA-AES128-GCM-SHA256\"\n";
    let narrow = |keys: &str| {
        let text = source(&format!("{{ acme = \"a\", names = [\"x.test\"]{keys} }}"));
        errors(&(text.replace("[[listener]]", "[[listener]]\npolicy = \"p\"") + policy))
    };
    let expected = "certificates[0]: keys: a certificate with the key \"rsa-2048\" could never be served under policy \"p\" (expected keys = [\"ecdsa-p256\"])";
    assert!(narrow("").len() == 1 && narrow("")[0].contains(expected), "{:?}", narrow(""));
    assert_eq!(narrow(", keys = [\"ecdsa-p256\"]"), [""; 0]);
    // Names that only a private authority would issue for.
    for fine in ["localhost", "x_y.internal", "bücher.test"] {
        valid(&source(&format!("{{ acme = \"tls\", names = [{fine:?}] }}")));
    }
    // Without any authority, that is the advice.
    let errors = errors(&with("certificates = { acme = \"a\", names = [\"x.test\"] }"));
    assert!(errors[0].contains("unknown authority \"a\" (there is none; one is written [acme.NAME])"), "{errors:?}");
}

#[test]
fn an_authority_that_can_never_be_used_is_a_warning() {
    let config = valid(&source("\"certs\"").replace("[acme.dns]", "fallback = \"a\"\n[acme.dns]"));
    let expected = ["tls", "dns"].map(|name| format!("acme {name:?}: no certificate is ordered from it"));
    let mut warnings = config.warnings.clone();
    warnings.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(warnings, expected);
    let falls_back = source("{ acme = \"a\", names = [\"*.x.test\"] }")
        .replace("[acme.tls]", "fallback = [\"dns\", \"tls\"]\n[acme.tls]");
    let config = valid(&falls_back);
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let expected =
        "listener \"ldaps\": certificates[0]: names: the fallback of \"a\" can never issue it: *.x.test needs";
    assert!(config.warnings[0].starts_with(expected), "{:?}", config.warnings);
}

#[test]
fn the_reference_says_what_an_authority_has_by_default() {
    let (_, section) = REFERENCE.split_once("# [acme.letsencrypt]").unwrap();
    let (section, _) = section.split_once("# One section for").unwrap();
    let lines: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") && !line.starts_with('{'))
        .collect();
    let defaults = ["accept_terms", "tls_port", "http_port", "check", "timeout"];
    let written: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| defaults.iter().any(|key| line.starts_with(&format!("{key} = "))))
        .collect();
    assert_eq!(written.len(), defaults.len());
    let authority = |lines: &str| {
        let text = ordered(&format!("{lines}\nhttp = \"0.0.0.0:80\""));
        format!("{:?}", valid(&text).acme.authorities)
    };
    assert_eq!(authority(&written.join("\n")), authority(""));
    // The whole example is valid, and its order of challenges is the default one.
    let whole = format!(
        "{STATE}[acme.a]\n{}\n[acme.zerossl]\ndirectory = \"https://b.test/\"\n{}",
        lines.join("\n"),
        with("certificates = { acme = \"a\", names = [\"x.test\"] }")
    );
    let config = valid(&whole);
    assert_eq!(config.acme.authorities[0].challenges, <ChallengeKind as crate::words::Words>::ALL);
    for key in ["kid", "key_file", "server", "zone", "tsig_name", "tsig_key_file", "tsig_algorithm", "program"] {
        assert!(section.contains(&format!("{key} = ")), "{key} is not in the reference");
    }
}
