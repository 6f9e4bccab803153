//! The reference names every word that a key can hold.

use crate::config::decode::outline::{Outline, Shape};
use crate::config::file::File;
use crate::config::tests::REFERENCE;

/// What each key of these tables takes, as an error describes it.
fn expected(Outline(keys): &Outline) -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    for (name, key) in keys {
        match &key.shape {
            Shape::Value(kind) | Shape::List(kind) | Shape::Entries(kind) => all.push((*name, kind.expected)),
            Shape::Table(outline) | Shape::Tables(outline) | Shape::Named(outline) => all.extend(expected(outline)),
        }
    }
    all
}

#[test]
fn the_reference_names_every_word_that_a_key_can_hold() {
    let mut seen = 0;
    for (key, expected) in expected(&File::outline()) {
        // Nothing but words: "a", "b" or "c".
        let mut between = expected.split('"').step_by(2);
        if !between.all(|between| ["", ", ", " or "].contains(&between)) {
            continue;
        }
        for word in expected.split('"').skip(1).step_by(2) {
            seen += 1;
            assert!(REFERENCE.contains(&format!("\"{word}\"")), "{key}: \"{word}\" is not in the reference");
        }
    }
    assert!(seen > 20, "only {seen} words seen");
}
