//! The figures in the README are those of docs/performance.md, where it is written how they were measured.

use std::fs;
use std::path::Path;

use super::ROOT;

#[test]
fn the_costs_in_the_readme_are_those_that_were_measured() {
    let rows = rows("README.md", "| | tlsgate | HAProxy 3.5 | HAProxy 3.5 with AWS-LC | nginx | Envoy |");
    assert!(rows.len() > 5, "only {} rows seen", rows.len());
    let measured: Vec<Row> = rows_of_tables("docs/performance.md");
    for Row { label, cells } in rows {
        // In the document a figure has its spread behind it.
        let row = measured.iter().find(|row| row.label == label).unwrap_or_else(|| panic!("{label}: not measured"));
        for (peer, figure) in cells {
            let (_, expected) = row.cells.iter().find(|(name, _)| *name == peer).unwrap();
            assert_eq!(Some(&*figure), expected.split(' ').next(), "{label}, {peer}");
        }
    }
}

struct Row {
    label: String,
    /// By the head of the column, in lower case.
    cells: Vec<(String, String)>,
}

/// The rows of the table with that head.
fn rows(document: &str, head: &str) -> Vec<Row> {
    let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
    let (_, rest) = text.split_once(&format!("{head}\n")).unwrap();
    table(head, rest)
}

/// The rows of every table in which nginx has a column.
fn rows_of_tables(document: &str) -> Vec<Row> {
    let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("| |") && line.contains(" nginx ")).collect();
    let mut from = &*text;
    let mut rows = Vec::new();
    for head in heads {
        let (_, rest) = from.split_once(head).unwrap();
        rows.extend(table(head, rest.trim_start_matches('\n')));
        from = rest;
    }
    rows
}

fn table(head: &str, rest: &str) -> Vec<Row> {
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let names: Vec<String> = cells(head).iter().map(|name| name.to_lowercase()).collect();
    let lines = rest.lines().skip(1).take_while(|line| line.starts_with('|')).map(cells);
    lines.map(|line| Row { label: line[0].clone(), cells: names.iter().cloned().zip(line).skip(1).collect() }).collect()
}
