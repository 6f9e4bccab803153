//! The report: medians, spreads, digits and ties.

use crate::report::{Better, Cell, Outcome, number, ratio_text};

fn outcome(figures: &[(&str, &[f64])]) -> Outcome {
    let cells = figures.iter().map(|(name, samples)| ((*name).to_owned(), Cell::of(samples.to_vec()))).collect();
    let (row, what, unit) = ("row".into(), "what".into(), "µs".into());
    Outcome { row, what, unit, better: Better::Less, only_naive: false, cells }
}

#[test]
fn medians_and_spreads_are_those_of_the_samples() {
    let cell = Cell::of(vec![4.0, 1.0, 2.0, 3.0, 100.0]);
    assert_eq!(cell.median(), Some(3.0));
    assert_eq!(cell.spread(), Some(1.0 / 3.0));
    assert_eq!(Cell::of(vec![1.0, 2.0]).median(), Some(1.5));
    assert_eq!(Cell::of(Vec::new()).median(), None);
    assert_eq!(Cell { samples: vec![1.0], fault: Some("it broke".into()) }.median(), None);
}

#[test]
fn the_best_is_the_best_of_the_others() {
    let mut row = outcome(&[
        ("tlsgate", &[50.0]),
        ("tlsgate-rustls", &[10.0]),
        ("naive", &[25.0]),
        ("nginx", &[100.0]),
        ("haproxy", &[80.0]),
    ]);
    assert_eq!(row.best(), Some(("haproxy", 80.0)));
    assert_eq!(row.ratio_to_best(), Some(50.0 / 80.0));
    assert_eq!(row.ratio_to_naive(), Some(2.0));
    row.cells.insert("haproxy".into(), Cell::failed("gone"));
    assert_eq!(row.best(), Some(("nginx", 100.0)));
}

#[test]
fn the_best_has_the_most_where_more_is_better() {
    let mut row = outcome(&[("tlsgate", &[50.0]), ("nginx", &[100.0]), ("haproxy", &[80.0])]);
    row.better = Better::More;
    assert_eq!(row.best(), Some(("nginx", 100.0)));
    assert_eq!(row.ratio_to_best(), Some(0.5));
}

#[test]
fn numbers_have_three_digits_and_ties_are_called_so() {
    assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.0].map(number), ["0.123", "1.23", "12.3", "123", "1234"]);
    assert_eq!([0.5, 0.95, 1.05, 1.2].map(ratio_text), ["0.50", "0.95 tie", "1.05 tie", "1.20"]);
}
