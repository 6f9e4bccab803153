//! What the documents name: files that exist, links that lead to a target, functions and files within their bounds.

use std::fs;
use std::path::{Path, PathBuf};

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
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") {
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

/// Headings as links name them: lower case, blanks as hyphens, without punctuation.
fn headings(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |title: &str| {
        let kept =
            title.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    titles.map(anchor).collect()
}
