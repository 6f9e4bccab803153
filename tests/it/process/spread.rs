//! Few long-lived connections are spread over the workers.

use std::fs;
use std::thread;

use crate::support::by_hand::ByHand;
use crate::support::client::{Tls, drain};
use crate::support::stage::{Lines, Stage};

#[test]
fn few_busy_connections_keep_every_worker_busy() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], Lines { top: "[runtime]\nworkers = 2", ..Lines::default() });
    let pairs: Vec<_> = (0..8).map(|number| stage.joined(&backend, Tls::BOTH[number % 2])).collect();
    let before = worked(stage.proxy.pid());
    assert_eq!(before.len(), 2);
    thread::scope(|scope| {
        for (mut client, mut server) in pairs {
            scope.spawn(move || drain(&mut server));
            scope.spawn(move || {
                (0..16).for_each(|_| client.send(&[7; 1 << 20]).unwrap());
                client.close_notify().unwrap();
            });
        }
    });
    let after = worked(stage.proxy.pid());
    let work: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    // Four connections each; at random, one worker would often have had nearly all.
    let all: u64 = work.iter().sum();
    assert!(work.iter().all(|one| one * 4 >= all), "processor time of the workers: {work:?}");
}

/// Processor time of each worker thread, in the kernel's ticks.
fn worked(pid: u32) -> Vec<u64> {
    let mut workers = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        // A thread of the start may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once(") ").unwrap();
        if let Some((_, name)) = name.split_once("(worker-") {
            let fields: Vec<u64> = rest.split(' ').skip(11).take(2).map(|field| field.parse().unwrap()).collect();
            workers.push((name.to_owned(), fields.iter().sum()));
        }
    }
    workers.sort();
    workers.into_iter().map(|(_, ticks)| ticks).collect()
}
