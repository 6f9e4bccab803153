//! Lists in files: an operator's blocklist reaches a listener within a second of its change, and a list that is wrong
//! changes nothing.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

use super::{refused, served};
use crate::support::check::check;
use crate::support::pki::Pki;
use crate::support::procfs::{eventually, resident_kib};
use crate::support::stage::{Lines, Stage, certified, config};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 2);

/// A stage with these files beside its configuration.
fn with(files: &[(&str, &str)], listener: &str) -> Stage {
    let pki = certified();
    files.iter().for_each(|(name, text)| fs::write(pki.folder().join(name), text).unwrap());
    stage_in(pki, listener)
}

fn stage_in(pki: Pki, listener: &str) -> Stage {
    let backend = crate::support::backend::Backend::echo();
    let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
    Stage::written(pki, &config(&[backend.address], Lines { top, listener, ..Lines::default() }))
}

/// Replaces a file in one step, as tools that fetch lists do.
fn replace(stage: &Stage, name: &str, text: &str) {
    let path = stage.pki.folder().join(name);
    let other = path.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(other, path).unwrap();
}

#[test]
fn a_blocklist_that_changes_is_in_force_at_once_and_a_wrong_line_changes_nothing() {
    let stage = with(&[("drop.txt", "; Spamhaus DROP\r\n127.0.5.1/32 ; SBL1\r\n")], "deny_file = \"drop.txt\"");
    assert_eq!(refused(&stage, ONE), "client_denied");
    assert!(served(&stage, OTHER));
    let changed = Instant::now();
    replace(&stage, "drop.txt", "# a feed\n\n127.0.5.2 # another one\n");
    eventually("the other one is denied", || (!served(&stage, OTHER)).then_some(()));
    println!("in force after {:?}", changed.elapsed());
    assert!(served(&stage, ONE));
    stage.proxy.log_line("drop.txt: 1 entry (was 1)");
    replace(&stage, "drop.txt", "127.0.5.1\n127.0.5.1/8\n<html>\n");
    stage.proxy.log_line("drop.txt: line 2: found 127.0.5.1/8, expected 127.0.0.0/8, or a longer prefix");
    stage.proxy.log_line("drop.txt: line 3: found \"<html>\", expected an IP address or a prefix");
    assert!(served(&stage, ONE) && !served(&stage, OTHER), "the old list is in force");
    fs::remove_file(stage.pki.folder().join("drop.txt")).unwrap();
    stage.proxy.log_line("drop.txt: no such file");
    assert!(served(&stage, ONE) && !served(&stage, OTHER), "the old list is in force");
    replace(&stage, "drop.txt", "");
    eventually("nobody is denied", || served(&stage, OTHER).then_some(()));
}

#[test]
fn a_list_of_those_refused_that_loses_all_its_entries_is_warned_of_until_it_has_some() {
    let files = [
        ("drop.txt", "127.0.5.1\n127.0.5.2\n"),
        ("ja4.txt", "t13d1516h2_8daaf6152771_e5627efa2ab1\n"),
        ("none.txt", "# not used yet\n"),
    ];
    let stage = with(&files, "deny_file = [\"drop.txt\", \"none.txt\"]\ndeny_ja4_file = \"ja4.txt\"");
    let emptied = |name: &str| {
        let answer = stage.door().ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let warnings = answer.json()["warnings"].clone();
        let is_it = |warning: &serde_json::Value| {
            warning.as_str().unwrap().contains(&format!("{name}: has no entries any more"))
        };
        warnings.as_array().unwrap().iter().any(is_it)
    };
    let names = ["drop.txt", "ja4.txt", "none.txt"];
    assert_eq!(names.map(emptied), [false; 3]);
    // Cut off behind its head.
    replace(&stage, "drop.txt", "; Spamhaus DROP\n");
    stage.proxy.log_line("drop.txt: has no entries any more");
    replace(&stage, "ja4.txt", "");
    stage.proxy.log_line("ja4.txt: has no entries any more");
    // Also after reloads for other reasons.
    assert_eq!(names.map(emptied), [true, true, false]);
    assert!(served(&stage, ONE));
    replace(&stage, "drop.txt", "127.0.5.2\n");
    assert_eq!(names.map(emptied), [false, true, false]);
}

#[test]
fn lists_in_files_and_in_the_configuration_count_together_by_the_longest_prefix() {
    let files =
        [("allow.txt", "127.0.5.0/24\n"), ("more.txt", "127.0.6.0/24\n"), ("deny.txt", "127.0.5.2\n127.0.7.1\n")];
    let listener = "allow = \"127.0.7.0/24\"\nallow_file = [\"allow.txt\", \"more.txt\"]\ndeny = \"127.0.6.0/25\"\ndeny_file = \"deny.txt\"";
    let stage = with(&files, listener);
    for (address, fine) in [
        ([127, 0, 5, 1], true),
        ([127, 0, 6, 200], true),
        ([127, 0, 7, 2], true),
        ([127, 0, 5, 2], false),
        ([127, 0, 6, 1], false),
        ([127, 0, 7, 1], false),
        ([127, 0, 0, 1], false),
    ] {
        assert_eq!(served(&stage, address.into()), fine, "{address:?}");
    }
}

#[test]
fn a_list_of_those_allowed_that_is_empty_is_an_error_and_not_an_open_door() {
    let stage = with(&[("allow.txt", "127.0.5.1\n")], "allow_file = \"allow.txt\"");
    assert!(served(&stage, ONE) && !served(&stage, OTHER));
    replace(&stage, "allow.txt", "# nothing is left\n");
    stage.proxy.log_line("allow.txt: found no address, so that nobody could connect");
    assert!(served(&stage, ONE) && !served(&stage, OTHER));
}

#[test]
fn check_reports_everything_that_is_wrong_with_files_of_lists() {
    let pki = certified();
    let write = |name: &str, text: &str| fs::write(pki.folder().join(name), text).unwrap();
    write("deny.txt", "10.0.0.0/8\nten\n");
    write("ja4.txt", "t13d1516h2\n");
    write("pins.txt", "# none\n");
    let listener = "deny_file = \"deny.txt\"\ndeny_ja4_file = \"ja4.txt\"\nallow_file = \"missing.txt\"\n\
                    client_auth = { mode = \"require\", ca = \"ca.pem\", pins_file = \"pins.txt\" }";
    let text = config(&["127.0.0.1:1".parse().unwrap()], Lines { listener, ..Lines::default() });
    let checked = check(pki.folder(), &text);
    let errors = checked.report["errors"].to_string();
    for part in [
        "deny.txt: line 2: found \\\"ten\\\", expected an IP address or a prefix",
        "ja4.txt: line 1: found \\\"t13d1516h2\\\", expected the JA4",
        "missing.txt: no such file",
        "pins.txt: found no pin, so that no client could connect",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

#[test]
fn a_hundred_thousand_prefixes_are_loaded_and_matched() {
    let mut text = String::new();
    // 126.0.0.0/8 and below, and one of the loopback addresses at the end.
    for number in 0..100_000_u32 {
        let _ = writeln!(text, "{}/28", Ipv4Addr::from_bits(number << 5));
    }
    text.push_str("127.0.5.1\n");
    let began = Instant::now();
    let stage = with(&[("drop.txt", &text)], "deny_file = \"drop.txt\"");
    let started = began.elapsed();
    assert_eq!(refused(&stage, ONE), "client_denied");
    assert!(served(&stage, OTHER));
    let before = resident_kib(stage.proxy.pid());
    let changed = Instant::now();
    replace(&stage, "drop.txt", &text.replace("127.0.5.1\n", "127.0.5.2\n"));
    eventually("the other one is denied", || (!served(&stage, OTHER)).then_some(()));
    println!("started in {started:?}, changed in {:?}, {before} KiB", changed.elapsed());
    stage.proxy.log_line("drop.txt: 100001 entries (was 100001)");
}

#[test]
fn a_list_in_another_folder_is_read_within_the_sandbox() {
    let elsewhere = tempfile::tempdir().unwrap();
    let list = elsewhere.path().join("drop.txt");
    fs::write(&list, "127.0.5.1\n").unwrap();
    let stage = with(&[], &format!("deny_file = {list:?}"));
    assert_eq!(refused(&stage, ONE), "client_denied");
    fs::write(elsewhere.path().join("new"), "127.0.5.2\n").unwrap();
    fs::rename(elsewhere.path().join("new"), &list).unwrap();
    eventually("the other one is denied", || (!served(&stage, OTHER)).then_some(()));
}
