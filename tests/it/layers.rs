//! The table of rooms, checked: every use of one file by another against the table in `src/lib.rs`, and that no files
//! use each other in a circle. Unit tests are left out: they may use what they need.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use graph::{Graph, House, circles};

mod graph;
mod paths;
mod table;
mod tokens;

#[test]
fn every_file_uses_only_what_the_table_allows() {
    let (house, uses) = own();
    let (rows, faults) = table::faults(&house, &uses);
    assert!(rows > 30, "only {rows} rows seen");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn there_is_no_circle() {
    let (_, uses) = own();
    let found = described(&uses);
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

#[test]
fn only_one_room_names_the_crypto_provider() {
    let house = own().0;
    let naming = house.naming("aws_lc_rs");
    assert!(naming.contains(&"tls::crypto"), "{naming:?}");
    let outside: Vec<_> = naming.iter().filter(|file| !format!("{file}::").starts_with("tls::crypto::")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn a_house_in_order_has_no_fault() {
    let (house, uses) = fixture("clean");
    assert_eq!(table::faults(&house, &uses), (3, Vec::new()));
    assert!(described(&uses).is_empty());
    assert_eq!(uses["serve::reply"], BTreeSet::from(["store".to_owned(), "wire::names".to_owned()]));
}

#[test]
fn a_use_that_runs_up_is_a_fault() {
    let (house, uses) = fixture("upward");
    let expected = ["wire::names uses serve, which runs up: serve is above wire"];
    assert_eq!(table::faults(&house, &uses), (2, expected.map(str::to_owned).to_vec()));
    assert!(described(&uses).is_empty());
}

#[test]
fn siblings_that_use_each_other_are_a_circle() {
    let (house, uses) = fixture("siblings");
    assert_eq!(table::faults(&house, &uses), (1, Vec::new()));
    assert_eq!(described(&uses), ["wire::names uses wire::numbers, wire::numbers uses wire::names"]);
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let (house, uses) = fixture("knot");
    assert_eq!(table::faults(&house, &uses), (1, Vec::new()));
    assert_eq!(described(&uses), ["wire uses wire::names, wire::names uses wire"]);
}

#[test]
fn a_table_that_is_not_true_is_a_fault() {
    let (mut house, uses) = fixture("clean");
    let faults_with = |house: &House| table::faults(house, &uses).1;
    let front = house.front.clone();
    for (row, other, fault) in [
        ("| 1 | `wire` | names | – |", "", "wire::names has no row in the table"),
        (
            "| 1 | `wire` | names | – |",
            "| 1 | `wire` | names | – |\n//! | 1 | `gone` | no | – |",
            "gone has a row in the table and no file",
        ),
        (
            "| 1 | `wire` | names | – |",
            "| 1 | `wire` | names | – |\n//! | 1 | `wire` | names | – |",
            "wire has two rows",
        ),
        (
            "| 1 | `wire` | names | – |",
            "| 9 | `wire` | names | – |",
            "wire is below store in the table, and on a higher floor",
        ),
        ("| keeps things | wire |", "| keeps things | wire, serve |", "store may use serve, and does not"),
        ("| keeps things | wire |", "| keeps things | wire, gone |", "store may use gone, which is no room"),
        ("| keeps things | wire |", "| keeps things | – |", "store uses wire::names, and store may not use wire"),
        ("| keeps things | wire |", "| | wire |", "store has no task"),
    ] {
        assert!(front.contains(row));
        house.front = front.replace(row, other);
        let faults = faults_with(&house);
        assert!(faults.iter().any(|found| found == fault), "{fault} is not among {faults:?}");
    }
}

#[test]
fn every_kind_of_path_is_followed_to_the_file_it_leads_to() {
    for (text, used) in [
        ("use crate::a::Item;", "a"),
        ("use tlsgate::a::Item;", "a"),
        ("use super::super::a::Item;", "a"),
        ("use self::super::d::Item;", "b::d"),
        ("use super::d;", "b::d"),
        ("use super::Item;", "b"),
        ("use super::*;", "b"),
        ("use self::e::Item;", "b::c::e"),
        ("mod e; use e::Item;", "b::c::e"),
        ("mod e; fn f() { e::f() }", "b::c::e"),
        ("pub(super) use crate::a::Item as Other;", "a"),
        ("use crate::{a, b::d::{self, Item as Other}};", "a b::d"),
        ("use crate::{a::{Item, more::*}};", "a"),
        ("fn f(x: crate::a::Item) -> Vec<super::d::Item> {}", "a b::d"),
        ("fn f() { use crate::a::Item; }", "a"),
        ("use crate::b; fn f() { b::d::g() }", "b b::d"),
        ("use crate::b as other; fn f() { other::d::g() }", "b b::d"),
        ("use crate::b::Passed;", "b a"),
        ("use crate::list; fn f() { list::inner::g() }", "list::inner"),
        ("mod within { use super::super::d::Item; }", "b::d"),
        ("mod within { fn f() { super::e::f() } }", "b::c::e"),
        ("impl<'a> From<&'a crate::a::Item> for X { const C: char = '\"'; }", "a"),
        ("struct X(pub (super::d::Item, u8));", "b::d"),
        // Not a use:
        ("mod e;", ""),
        ("pub(in crate::b) fn f() {}", ""),
        ("// crate::a\n/* crate::a /* crate::a */ crate::a */ /// crate::a", ""),
        ("const T: &str = \"crate::a \\\" crate::a\"; const R: &str = r#\"\"crate::a\"#;", ""),
        ("#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] use crate::a::{b, c};", ""),
        ("struct X { #[cfg(test)] a: crate::a::Item, b: u8 }", ""),
        ("use std::a::Item; use ::a::Item; fn f() { ::b::d::f() }", ""),
        ("use crate::list;", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("lib.rs", "mod a; mod b; mod list;"),
            ("a.rs", "pub struct Item;"),
            ("b.rs", "mod c; mod d; pub use crate::a::Item as Passed; use crate::list::inner;"),
            ("b/d.rs", "pub fn g() {}"),
            ("b/c/e.rs", "pub fn f() {}"),
            ("list.rs", "//! A list.\n#![allow(x)]\npub mod inner;\npub(crate) mod inner2;"),
            ("list/inner.rs", "pub fn g() {}"),
            ("b/c.rs", text),
        ];
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = House::read(folder.path()).uses().remove("b::c").unwrap();
        assert_eq!(found, used.split_whitespace().map(str::to_owned).collect(), "{text}");
    }
}

/// This crate's files.
fn own() -> (House, Graph) {
    let house = House::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let uses = house.uses();
    let (files, count) = (house.rooms().count(), uses.values().map(BTreeSet::len).sum::<usize>());
    assert!(files > 200 && count > 800, "only {files} files and {count} uses seen");
    (house, uses)
}

fn fixture(name: &str) -> (House, Graph) {
    let house = House::read(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers")).join(name));
    let uses = house.uses();
    (house, uses)
}

/// A line for each circle, with every use in it.
fn described(uses: &Graph) -> Vec<String> {
    let line = |circle: BTreeSet<&str>| {
        let inside = circle.iter().flat_map(|file| uses[*file].iter().map(move |used| (*file, used.as_str())));
        let inside = inside.filter(|(_, used)| circle.contains(used));
        inside.map(|(file, used)| format!("{file} uses {used}")).collect::<Vec<_>>().join(", ")
    };
    circles(uses).into_iter().map(line).collect()
}
