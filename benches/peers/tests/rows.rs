//! The rows: their names and units.

use crate::rows::{Unit, all};

#[test]
fn names_of_rows_are_unique_and_quick_ones_are_among_all() {
    let names = |quick| -> std::collections::BTreeSet<String> { all(quick).into_iter().map(|row| row.name).collect() };
    assert_eq!(names(false).len(), all(false).len());
    assert!(names(true).is_subset(&names(false)));
    assert!(all(true).iter().all(|row| row.work.units() > 0));
}

#[test]
fn names_of_rows_of_latency_are_unique_and_no_others() {
    let mut names: Vec<String> = crate::latency::all().into_iter().map(|row| row.name).collect();
    names.extend(all(false).into_iter().map(|row| row.name));
    let unique: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    for name in [
        "beside-handshakes",
        "beside-reload",
        "crowd-8000",
        "goodput-5x",
        "latency-ping-1000",
        "latency-connections-500",
    ] {
        assert!(unique.contains(&name.to_owned()), "{name} is missing in {names:?}");
    }
}

#[test]
fn units_are_what_they_are_called() {
    assert_eq!(Unit::Microseconds.value(0.5, 1000), 500.0);
    assert_eq!(Unit::SecondsPerGigabyte.value(0.5, 500_000_000), 1.0);
}
