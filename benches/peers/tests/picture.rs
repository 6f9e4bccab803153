//! The picture: every figure with its name, and nothing that has no figure.

use crate::network::Network;
use crate::picture::svg;
use crate::report::Cell;
use crate::report::{Outcome, Report};

#[test]
fn a_panel_shows_every_figure_with_its_name_and_nothing_that_is_not_there() {
    let cells = [("tlsgate", Cell::of(vec![50.0])), ("a<b", Cell::of(vec![100.0])), ("broken", Cell::failed("no"))];
    let outcome = Outcome {
        row: "row".into(),
        what: "what".into(),
        unit: "µs".into(),
        only_naive: false,
        cells: cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect(),
    };
    let picture = svg(&Report {
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
    });
    assert!(picture.contains(">what, µs<") && picture.contains(">a&lt;b<") && picture.contains(">50.0<"), "{picture}");
    assert!(!picture.contains("broken"));
    // One rectangle is the background; tlsgate's bar is half as long as the other.
    let widths: Vec<f64> = picture
        .lines()
        .filter(|line| line.contains("rx=\"2\""))
        .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths, [99.0, 198.0]);
}
