//! Arrivals: their rate, their independence, and that none is reported before its moment or left out.

use std::time::{Duration, Instant};

use super::scene::run;
use crate::load::arrivals::{Arrivals, Pace};

#[test]
fn arrivals_have_their_rate_and_are_independent() {
    let moments: Vec<f64> = Arrivals::new(200.0).take(40_000).map(|moment| moment.as_secs_f64()).collect();
    let seconds = moments[moments.len() - 1];
    assert!((195.0..205.0).contains(&(40_000.0 / seconds)), "{seconds} s");
    // Of independent moments, e^-1 of the gaps are longer than the mean gap.
    let longer = moments.windows(2).filter(|pair| pair[1] - pair[0] > 1.0 / 200.0).count();
    assert!((14_200..15_200).contains(&longer), "{longer}");
    assert!(Arrivals::new(200.0).map(|moment| moment.as_secs_f64()).take(40_000).eq(moments), "the same in every run");
}

#[test]
fn every_moment_is_reported_and_none_too_early() {
    run(async {
        let limit = Duration::from_millis(200);
        let mut pace = Pace::start(1000.0, limit).unwrap();
        let mut found = Vec::new();
        while let Some((due, moment)) = pace.next().await {
            assert!(Instant::now() >= due);
            found.push(moment);
        }
        let expected: Vec<Duration> = Arrivals::new(1000.0).take_while(|moment| *moment < limit).collect();
        assert!(expected.len() > 100);
        assert_eq!(found, expected);
    });
}
