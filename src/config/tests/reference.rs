//! The reference: every key, and every default, as the code has them.

use super::*;

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
        "zzz = 1\n[admin]\nzzz = 1\nlisten = \"127.0.0.1:1\"\n[admin.tls]\nzzz = 1\ncertificates = \"a\"\n[log]\nzzz = 1\n[process]\nzzz = 1\n[runtime]\nzzz = 1\n[limits]\nzzz = 1\n[resolver]\nzzz = 1\n[state]\nzzz = 1\n[keys]\nzzz = 1\n[crl]\nzzz = 1\n[acme.x]\nzzz = 1\n[policy.x]\nzzz = 1\n{}{}",
        REQUIRED.replace("[[listener]]", "[[listener]]\nzzz = 1").replace(
            "[backend.directory]",
            "[backend.directory.health]\ntype = \"tcp\"\nzzz = 1\n[backend.directory.tls]\nca = \"a\"\nserver_name = \"a\"\nzzz = 1\n[backend.directory]\nzzz = 1"
        ),
        SECTIONS.replace("auth]\n", "auth]\nzzz = 1\n").replace("]]\n", "]]\nzzz = 1\n")
    );
    let errors = errors(&unknown);
    // The policy lacks two keys besides.
    let errors: Vec<String> = errors.into_iter().filter(|error| !error.contains("is missing")).collect();
    assert_eq!(errors.len(), 19, "{errors:#?}");
    // A key without a default is a comment, which is TOML after its first two characters.
    let documented: Vec<&str> = REFERENCE
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "))
        .map(|(key, _)| key)
        .filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .chain(REFERENCE.lines().filter_map(|line| line.strip_prefix("# [backend.directory.")?.strip_suffix(']')))
        .chain(REFERENCE.lines().filter_map(|line| line.strip_prefix("# [admin.")?.strip_suffix(']')))
        .collect();
    let mut known = 0;
    for error in &errors[1..] {
        let (_, keys) = error.split_once("expected one of ").unwrap_or_default();
        // Sections of the listener are sections there, too.
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
    let written = format!("{REQUIRED}[backend.directory.health]\n{}", defaults.join("\n"));
    assert_eq!(meaning(&written), meaning(&health("type = \"ldap\"")));
    // Every key in it is accepted, though not all of them together.
    for line in section.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = ")) {
        let error = errors(&health(line)).concat();
        assert!(!error.contains("expected a") && !error.contains("unknown key"), "{line}: {error}");
    }
}
