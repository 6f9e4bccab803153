//! The book: which documents are in it, and that the tree is free of what tools leave behind.

use std::fs;
use std::path::{Path, PathBuf};

use super::ROOT;

#[test]
fn every_document_is_in_the_book_once() {
    let folder = Path::new(ROOT).join("docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let mut listed: Vec<&str> = summary.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0).collect();
    listed.sort_unstable();
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut there: Vec<String> = names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect();
    there.sort_unstable();
    assert!(there.len() > 20, "only {} documents seen", there.len());
    assert_eq!(listed, there);
}

#[test]
fn the_parts_of_the_book_have_their_names() {
    let summary = fs::read_to_string(Path::new(ROOT).join("docs/SUMMARY.md")).unwrap();
    let parts: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    assert_eq!(parts, ["tlsgate", "Start here", "Tasks", "Reference", "Reasons"]);
}

#[test]
fn what_a_document_includes_is_there() {
    let mut seen = 0;
    for document in super::documents() {
        let text = fs::read_to_string(&document).unwrap();
        for path in text.split("{{#include ").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
            seen += 1;
            assert!(document.parent().unwrap().join(path).is_file(), "{}: {path}", document.display());
        }
    }
    assert!(seen > 0);
}

#[test]
fn no_file_has_the_marks_of_a_merge() {
    let mut files = Vec::new();
    walk(Path::new(ROOT), &mut files);
    assert!(files.len() > 500, "only {} files seen", files.len());
    // Not written as they are, since this file is one of those.
    let marks = ["<", ">", "|"].map(|mark| format!("{} ", mark.repeat(7)));
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let marked = text.lines().position(|line| marks.iter().any(|mark| line.starts_with(mark.as_str())));
        assert_eq!(marked, None, "{}, lines counted from 0", file.display());
    }
}

/// The files of the repository, but not what is built.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && !["target", ".git", "corpus", "artifacts"].iter().any(|name| entry.file_name() == *name) {
            walk(&path, files);
        } else if kind.is_file() {
            files.push(path);
        }
    }
}
