//! Slopes and their errors, and what is called growth.

use crate::fit::{Line, batches, line};
use crate::picture::{Drawn, Marks, Panel, Scale, svg};
use crate::sample::Sample;
use crate::trend::{Life, lives};

#[test]
fn a_line_has_the_slope_and_error_of_the_textbook() {
    assert_eq!(
        line(&[vec![(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]]),
        Some(Line { slope: 2.0, error: 0.0, level: 3.0, points: 3 })
    );
    // By hand: the slope is 4/5; the squares of what is left add up to 2.8, so its error is √(2.8 / 2 / 5).
    let found = line(&[vec![(0.0, 1.0), (1.0, 2.0), (2.0, 1.0), (3.0, 4.0)]]).unwrap();
    assert!((found.slope - 0.8).abs() < 1e-9 && (found.error - 0.28_f64.sqrt()).abs() < 1e-9, "{found:?}");
    assert_eq!(line(&[vec![(0.0, 1.0), (1.0, 2.0)]]), None);
    assert_eq!(line(&[vec![(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]]), None);
    // Two stretches with a step between them: it is no slope.
    let stretches = [vec![(0.0, 1.0), (1.0, 3.0)], Vec::new(), vec![(5.0, 1000.0), (6.0, 1002.0)]];
    assert_eq!(line(&stretches).map(|line| (line.slope, line.error, line.points)), Some((2.0, 0.0, 4)));
}

#[test]
fn points_are_averaged_where_they_are_close() {
    let points = [(0.0, 1.0), (4.0, 3.0), (11.0, 5.0), (30.0, 7.0), (31.0, 9.0)];
    assert_eq!(batches(&points, 10.0), [(2.0, 2.0), (11.0, 5.0), (30.5, 8.0)]);
}

/// Ten minutes of a process with 6,000 connections a minute, whose memory grows by so many KiB per minute, with noise.
fn process(pid: u32, from: f64, growth: f64) -> impl Iterator<Item = Sample> {
    let mut random = fastrand::Rng::with_seed(pid.into());
    (0..600).map(move |second| {
        let warm_up = 4000.0 * (1.0 - f64::from(60 - second.min(60)) / 60.0);
        let is_pressed = (300..310).contains(&second);
        // A part of it stays.
        let pressed = if (300..330).contains(&second) { 200_000.0 } else { f64::from(second / 300) * 7000.0 };
        let grown = growth * f64::from(second) / 60.0;
        let resident = 20_000.0 + warm_up + pressed + grown + f64::from(random.u32(..400));
        Sample {
            at: from + f64::from(second),
            pid,
            resident_kib: resident as u64,
            allocated_kib: Some(resident / 2.0),
            open_files: 100 + random.usize(..20),
            processor: None,
            connections: 100,
            p50_ms: None,
            p99_ms: None,
            mib: 0.0,
            is_pressed,
        }
    })
}

#[test]
fn growth_is_noticed_and_warm_up_noise_and_pressure_are_not_growth() {
    // A leak of 100 bytes for each connection.
    let leak = 6000.0 * 100.0 / 1024.0;
    let samples: Vec<Sample> = process(1, 0.0, 0.0).chain(process(2, 600.0, leak)).collect();
    let lives = lives(&samples);
    assert_eq!(lives.iter().map(|life| life.pid).collect::<Vec<_>>(), [1, 2]);
    assert!(lives.iter().all(Life::is_judged));
    assert_eq!(lives[0].grows(), Vec::<String>::new());
    let grows = lives[1].grows();
    assert!(grows.len() == 2 && grows[0].contains("process 2: resident pages grow"), "{grows:?}");
    assert!(grows[1].contains("process 2: allocated bytes grow"), "{grows:?}");
    let slope = lives[1].memory.unwrap().slope;
    assert!((slope - leak).abs() < 30.0, "{slope}");
    let slope = lives[1].allocated.unwrap().slope;
    assert!((slope - leak / 2.0).abs() < 30.0, "{slope}");
    assert!(lives[0].level_kib.unwrap() < lives[1].level_kib.unwrap());
}

#[test]
fn the_picture_has_everything() {
    let pieces = vec![vec![(0.0, 1.0), (30.0, 200.0)], vec![(31.0, 3.0), (60.0, 4.0)]];
    let lines = vec![Drawn { name: "p<9", colour: "#123456", pieces }];
    let panels = [Panel { title: "memory".into(), lines, scale: Scale::Logarithmic }];
    let marks = Marks { upgrades: vec![30.5], kills: vec![1.0, 2.0], pressed: vec![(5.0, 9.0)] };
    let picture = svg("title", "below", 60.0, &panels, &marks);
    for part in ["title", "below", "memory", "p&lt;9", "#123456"] {
        assert!(picture.contains(part), "{part}");
    }
    let count = |part: &str| picture.matches(part).count();
    assert_eq!((count("<polyline"), count("stroke-dasharray"), count("y2=\"269.0\"")), (2, 1, 0));
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
}
