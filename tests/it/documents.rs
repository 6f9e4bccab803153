//! The documents: files that they name exist, links lead to a target, the book has all of them, commands and configurations
//! are right.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) mod blocks;
mod book;
mod commands;
mod configurations;
mod figures;
mod not_run;
mod proofs;
mod runs;
mod scene;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_file_that_a_document_names_is_there() {
    let (mut seen, mut missing) = (0, Vec::new());
    for document in documents() {
        for path in paths_in(&fs::read_to_string(&document).unwrap()) {
            seen += 1;
            if !Path::new(ROOT).join(&path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} paths seen");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    let (mut seen, mut dead) = (0, Vec::new());
    for document in documents() {
        let text = blocks::prose(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") {
                // Nothing is fetched: whether it is still there is not known here.
                if !target.starts_with("https://") {
                    dead.push(format!("{}: {target}: expected https", document.display()));
                }
                continue;
            }
            seen += 1;
            let at = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            if !at.exists() || !heading.is_empty() && !headings(&at).contains(&heading.to_owned()) {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} links seen");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

/// README.md and the other documents of the root folder, and docs/.
fn documents() -> Vec<PathBuf> {
    let folders = [PathBuf::from(ROOT), Path::new(ROOT).join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let documents: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "md")).collect();
    assert!(documents.len() > 10, "only {} documents seen", documents.len());
    documents
}

/// What is between backquotes and looks like a path of this repository.
fn paths_in(text: &str) -> Vec<String> {
    let of_ours = ["src/", "tests/", "docs/", "benches/", "config/", "fuzz/", ".ci/", "packaging/"];
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let words = quoted.filter_map(|quoted| quoted.split([' ', ':']).next());
    let paths = words.filter(|word| of_ours.iter().any(|folder| word.starts_with(folder)));
    paths.filter(|path| path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c))).map(str::to_owned).collect()
}

/// Headings as links name them, on GitHub and in the book: lower case, blanks as hyphens, without punctuation; one that was
/// there before has its number behind it.
fn headings(document: &Path) -> Vec<String> {
    let text = blocks::prose(document);
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let mut seen = HashMap::new();
    let mut anchor = |title: &str| {
        let kept =
            title.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        let anchor = kept.replace(' ', "-");
        let before = seen.entry(anchor.clone()).or_insert(0);
        *before += 1;
        if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
    };
    titles.map(&mut anchor).collect()
}
