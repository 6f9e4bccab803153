//! Percentiles are those of the definition, and there is none if too few samples lie beyond it.

use std::time::Duration;

use crate::load::latencies::Latencies;

/// 1, 2, … count ms, in no order.
fn counted(count: u64) -> Latencies {
    let mut latencies = Latencies::default();
    for number in 0..count {
        // A number without a common divisor reaches each of them once.
        latencies.add(Duration::from_millis(1 + number * 7919 % count));
    }
    latencies
}

#[test]
fn a_percentile_is_the_shortest_that_enough_do_not_exceed() {
    let latencies = counted(3000);
    assert_eq!(latencies.len(), 3000);
    for (share, expected) in [(500, 1500), (990, 2970), (999, 2997), (0, 1)] {
        assert_eq!(latencies.permille(share), Ok(Duration::from_millis(expected)), "{share}");
    }
    assert_eq!(counted(1001).permille(500), Ok(Duration::from_millis(501)));
    assert_eq!(latencies.longest(), Some(Duration::from_secs(3)));
}

#[test]
fn a_percentile_needs_three_beyond_it() {
    for (share, needed) in [(500, 6), (990, 300), (999, 3000)] {
        assert!(counted(needed).permille(share).is_ok(), "{share}");
        let why = counted(needed - 1).permille(share).unwrap_err();
        assert!(why.contains(&needed.to_string()), "{why}");
    }
    assert_eq!(counted(0).longest(), None);
}
