//! The picture: every figure with its name, and nothing that has no figure.

use crate::network::Network;
use crate::picture::svg;
use crate::report::{Better, Cell, Outcome, Report};

fn report(better: Better) -> Report {
    let cells = [("tlsgate", Cell::of(vec![50.0])), ("a<b", Cell::of(vec![100.0])), ("broken", Cell::failed("no"))];
    let outcome = Outcome {
        row: "row".into(),
        what: "what".into(),
        unit: "µs".into(),
        better,
        only_naive: false,
        cells: cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect(),
    };
    Report {
        commit: "abc".into(),
        processor: "cpu".into(),
        cores: 2,
        kernel: "6".into(),
        network: Network { own: true, congestion_control: "cubic".into(), warnings: Vec::new() },
        rounds: 5,
        quick: false,
        peers: Vec::new(),
        missing: Vec::new(),
        results: vec![outcome],
    }
}

/// One rectangle is the background; the others are bars.
fn widths(picture: &str) -> Vec<f64> {
    picture
        .lines()
        .filter(|line| line.contains("rx=\"2\""))
        .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_panel_shows_every_figure_with_its_name_and_nothing_that_is_not_there() {
    let picture = svg(&report(Better::Less));
    assert!(picture.contains(">what, µs<") && picture.contains(">a&lt;b<") && picture.contains(">50.0<"), "{picture}");
    assert!(!picture.contains("broken"));
    // tlsgate's bar is half as long as the other, and the first.
    assert_eq!(widths(&picture), [99.0, 198.0]);
}

#[test]
fn the_longest_bar_is_the_first_where_more_is_better() {
    let picture = svg(&report(Better::More));
    assert!(picture.contains(">what, µs ↑<"), "{picture}");
    assert_eq!(widths(&picture), [198.0, 99.0]);
}

#[test]
fn runs_become_one_report() {
    let (first, mut again, mut other) = (report(Better::Less), report(Better::Less), report(Better::More));
    again.results[0].cells.insert("tlsgate".into(), Cell::of(vec![60.0]));
    other.results[0].row = "another".into();
    // As they are read again.
    let runs = [first, again, other].map(|run| serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap());
    let merged = Report::merged(runs.into(), |name| name != "a<b").unwrap();
    let rows: Vec<_> = merged.results.iter().map(|row| (row.row.as_str(), row.cells["tlsgate"].median())).collect();
    assert_eq!(rows, [("row", Some(60.0)), ("another", Some(50.0))]);
    assert!(!merged.results[0].cells.contains_key("a<b"));
}
