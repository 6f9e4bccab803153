//! Labels of listeners, routes and backends: which are taken, and what is wrong with the others.

use super::*;

/// A file with these labels on its listener, its route and its backend.
fn labelled(listener: &str, route: &str, backend: &str) -> String {
    format!(
        "[[listener]]\nname = \"l\"\nlabels = {listener}\nlisten = \"127.0.0.1:0\"\ncertificates = \"certs\"\nbackend = \"b\"\n\
         [[listener.route]]\nserver_names = \"a.test\"\nlabels = {route}\n\
         [backend.b]\nservers = [\"127.0.0.1:1\"]\nlabels = {backend}\n"
    )
}

/// `{ l0 = "a", l1 = "a", … }`
fn many(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|number| format!("l{number} = \"a\"")).collect();
    format!("{{ {} }}", all.join(", "))
}

#[test]
fn labels_are_taken_from_all_three_tables() {
    let long = format!("{{ a = \"{}\", {} = \"ü & <b>\" }}", "x".repeat(256), "n".repeat(128));
    let text = labelled("{ team = \"directory\", _env2 = \"prod\" }", &many(16), &long);
    let config = parse(&text, Path::new("/")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    let listener = &config.listeners[0];
    let pairs: Vec<_> = listener.labels.iter().collect();
    assert_eq!(pairs, [("_env2", "prod"), ("team", "directory")]);
    assert_eq!(listener.routes[0].labels.iter().count(), 16);
    assert_eq!(config.backends[0].settings.labels.iter().count(), 2);
    let bare = parse(&labelled("{}", "{}", "{}"), Path::new("/")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    assert!(bare.listeners[0].labels.is_empty());
}

#[test]
fn a_table_of_its_own_is_the_same() {
    let text = labelled("{}", "{}", "{}").replace("labels = {}\n", "") + "[backend.b.labels]\nteam = \"directory\"\n";
    let config = parse(&text, Path::new("/")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    assert_eq!(config.backends[0].settings.labels.to_string(), "{team=\"directory\"}");
}

#[test]
fn every_fault_of_a_label_has_its_place() {
    let long = "x".repeat(257);
    let too_long = format!("{{ a = \"{long}\" }}");
    let long_name = format!("{{ {} = \"a\" }}", "n".repeat(129));
    let letters = "expected at most 128 letters a to z and A to Z, digits and underscores, with no digit in front";
    let value = "expected a text in quotes of 1 to 256 bytes, without control characters";
    let cases = [
        ("3", "line 3, column 10: listener \"l\": labels: found 3, expected a table".to_owned()),
        ("[\"a\"]", "listener \"l\": labels: found a list, expected a table".to_owned()),
        ("{ a = 1 }", format!("line 3, column 16: listener \"l\": labels: \"a\": found 1, {value}")),
        ("{ a = \"\" }", format!("line 3, column 16: listener \"l\": labels: \"a\": found \"\", {value}")),
        ("{ a = \"x\\ny\" }", format!("listener \"l\": labels: \"a\": found \"x\\ny\", {value}")),
        ("{ a = \"\\u0085\" }", format!("listener \"l\": labels: \"a\": found \"\\u{{85}}\", {value}")),
        (&too_long, format!("listener \"l\": labels: \"a\": found {long:?}, {value}")),
        (&long_name, letters.to_owned()),
        ("{ 9a = \"x\" }", format!("line 3, column 12: listener \"l\": labels: found the name \"9a\", {letters}")),
        ("{ \"\" = \"x\" }", format!("labels: found the name \"\", {letters}")),
        ("{ a-b = \"x\" }", format!("labels: found the name \"a-b\", {letters}")),
        ("{ \"ä\" = \"x\" }", format!("labels: found the name \"ä\", {letters}")),
        (
            "{ __name__ = \"x\" }",
            "labels: found the name \"__name__\", expected at most one underscore in front".into(),
        ),
        ("{ route = \"x\" }", "labels: found the name \"route\", expected another one (tlsgate's metrics have".into()),
    ];
    for (written, expected) in cases {
        let errors = errors(&labelled(written, "{}", "{}"));
        assert_eq!(errors.len(), 1, "{written}: {errors:#?}");
        assert!(errors[0].contains(&expected), "{written}\nwanted: {expected}\ngot: {}", errors[0]);
    }
    // A name that is wrong stays on one line in the error about its value.
    let both = errors(&labelled("{ \"x\\ny\" = 1 }", "{}", "{}"));
    assert!(both.len() == 2 && both.iter().all(|error| error.contains("\"x\\ny\"")), "{both:#?}");
    let all = errors(&labelled("{ listener = \"\" }", "{ backend = \"x\" }", &many(17)));
    let expected = [
        "line 3, column 12: listener \"l\": labels: found the name \"listener\"",
        "line 3, column 23: listener \"l\": labels: \"listener\": found \"\"",
        "line 9, column 12: listener \"l\": route \"a.test\": labels: found the name \"backend\"",
        "line 12, column 10: backend \"b\": labels: found 17 labels, expected at most 16",
    ];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    assert!(all.iter().zip(expected).all(|(error, expected)| error.starts_with(expected)), "{all:#?}");
}

#[test]
fn no_prefix_of_labels_panics() {
    let text = labelled("{ team = \"a\", env = \"ü\" }", "{ \"x-y\" = 1, __a = [] }", "{ backend = \"b\" }");
    for (end, _) in text.char_indices() {
        let _ = parse(&text[..end], Path::new("."));
    }
}
