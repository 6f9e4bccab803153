//! Every configuration in the documents is one that `tlsgate check` knows: whole, or a part of which only the rest is missing.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::{ROOT, blocks};
use crate::support::check::check;

#[test]
fn every_configuration_in_a_document_has_only_keys_and_values_that_exist() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for block in blocks::all().iter().filter(|block| block.language == "toml") {
        // The reference, which is checked by itself; and the settings of a fleet, which `fleet::verbs` reads.
        if block.text.starts_with("{{#include ") || block.text.starts_with("[fleet]\n") {
            continue;
        }
        for text in block.text.split("\n# or\n") {
            seen += 1;
            let folder = tempfile::tempdir().unwrap();
            if text.contains("[fleet]") {
                wrong.extend(of_machine(folder.path(), text).map(|error| format!("{}: {error}", block.place())));
                continue;
            }
            let checked = check(folder.path(), &completed(text));
            let errors = checked.errors.into_iter().filter(|error| !is_of_a_part(error));
            wrong.extend(errors.map(|error| format!("{}: {error}", block.place())));
        }
    }
    assert!(seen > 25, "only {seen} configurations seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_key_or_value_in_a_part_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "[[listener.route]]\nserver_name = \"a.example.com\"\n",
        "certificates = [7]\n",
        "[backend.a]\nservers = [\"10.0.0.1\"]\n",
        "[[listener]]\npolicy = \"TLS13\"\n",
    ] {
        let errors = check(folder.path(), &completed(text)).errors;
        assert!(errors.iter().any(|error| !is_of_a_part(error)), "{text}: {errors:?}");
    }
}

#[test]
fn every_key_that_stands_for_a_word_of_another_proxy_exists() {
    let [page, reference] = ["docs/coming-from.md", "config/reference.toml"]
        .map(|file| fs::read_to_string(Path::new(ROOT).join(file)).unwrap());
    let known: HashSet<&str> = reference.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
    let (mut seen, mut wrong) = (0, Vec::new());
    // The second column.
    for cell in page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1)) {
        for code in cell.split('`').skip(1).step_by(2) {
            let key = code.split([' ', '=']).next().unwrap_or(code);
            if key != "tlsgate" && key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                seen += 1;
                wrong.extend((!known.contains(key)).then_some(key));
            }
        }
    }
    assert!(seen > 60, "only {seen} keys seen");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What is wrong with what a machine of a fleet has of its own.
fn of_machine(folder: &Path, text: &str) -> impl Iterator<Item = String> + use<> {
    let path = folder.join("fleet.toml");
    fs::write(&path, text).unwrap();
    let errors = tlsgate::config::load_machine(&path).err().unwrap_or_default();
    errors.into_iter().map(|error| error.to_string())
}

/// With the head of the table that the text is a part of.
fn completed(text: &str) -> String {
    let first = text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap();
    let is_inside = first.starts_with("[[listener.route]]") || first.starts_with("certificates = ");
    if is_inside { format!("[[listener]]\nname = \"part\"\n{text}") } else { text.to_owned() }
}

/// Whether an error only says that something is not there.
fn is_of_a_part(error: &str) -> bool {
    ["is missing (expected", "no listener (expected", "unknown backend", "unknown authority", "no such file"]
        .iter()
        .any(|words| error.contains(words))
}
