//! Processor time and memory, compared with what the shell reports.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use std::time::{Duration, Instant};

use crate::processor::{Others, Tree, cores, pin};

/// The shell's own count, from `times`: `0m0.250s 0m0.010s`, for itself and, on the second line, for its children.
fn seconds(line: &str) -> Duration {
    let part = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    Duration::from_secs_f64(line.split_whitespace().map(part).sum())
}

const BURN: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times";

/// Runs the script until it has printed `lines` lines; it must then wait for its input to end.
fn shell(script: &str, lines: usize) -> (Child, Vec<String>) {
    let mut child =
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(child.stdout.take().unwrap()).lines().take(lines).map(Result::unwrap).collect();
    (child, printed)
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn about(found: Duration, expected: Duration) {
    assert!(found.abs_diff(expected) < Duration::from_millis(45), "{found:?} instead of {expected:?}");
    assert!(found > Duration::from_millis(10), "{found:?} is hardly anything");
}

#[test]
fn a_process_has_used_what_it_reports_itself() {
    let (child, printed) = shell(&format!("{BURN}; read end"), 1);
    about(Tree::new(child.id()).used().unwrap().total(), seconds(&printed[0]));
    end(child);
}

#[test]
fn a_child_is_counted_while_it_lives() {
    let (child, printed) = shell(&format!("exec 3<&0; sh -c '{BURN}; read end' <&3 & wait"), 1);
    about(Tree::new(child.id()).used().unwrap().total(), seconds(&printed[0]));
    end(child);
}

#[test]
fn a_child_that_has_ended_is_counted_and_noticed() {
    let (child, _) = shell("exec 3<&0; sh -c 'echo up; read end' <&3 & read end; wait", 1);
    let tree = Tree::new(child.id());
    let before = tree.used().unwrap();
    assert_eq!(before.pids().count(), 2);
    end(child);

    let (child, printed) = shell(&format!("sh -c '{BURN}' >/dev/null; times; read end"), 2);
    let after = Tree::new(child.id()).used().unwrap();
    about(after.ended, seconds(&printed[1]));
    assert!(after.since(&before).is_err());
    end(child);
}

#[test]
fn memory_is_what_a_process_holds() {
    // dd reads its block of 64 MiB, and waits for a reader.
    let mut holder = Command::new("dd")
        .args(["if=/dev/zero", "bs=64M", "count=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tree = Tree::new(holder.id());
    let began = Instant::now();
    let mut memory = 0;
    while memory < 64 << 20 && began.elapsed() < Duration::from_secs(60) {
        memory = tree.memory().unwrap();
        std::thread::yield_now();
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!((64 << 20..72 << 20).contains(&memory), "{memory} bytes");
}

#[test]
fn what_this_process_uses_is_not_what_others_use() {
    let (all, own) = (cores().unwrap(), Tree::new(std::process::id()));
    let (watch, began, before) = (Others::watch(&all).unwrap(), Instant::now(), own.used().unwrap().total());
    let spin = || while began.elapsed() < Duration::from_millis(400) {};
    std::thread::scope(|scope| all.iter().for_each(|_| drop(scope.spawn(spin))));
    let share = watch.share().unwrap();
    let used = (own.used().unwrap().total() - before).as_secs_f64();
    // All cores are busy, so others have no more than the rest.
    let rest = 1.0 - used / began.elapsed().as_secs_f64() / all.len() as f64;
    assert!(used > 0.1 && (0.0..rest.max(0.0) + 0.1).contains(&share), "{share}; {used} s are our own");
}

#[test]
fn what_another_program_uses_is_noticed() {
    let (watch, began) = (Others::watch(&cores().unwrap()).unwrap(), Instant::now());
    // A child whose parent ends is no longer a child of this process.
    let (child, _) = shell(&format!("({BURN}; {BURN}; {BURN}) > /dev/null & echo up"), 1);
    end(child);
    while watch.share().unwrap() * began.elapsed().as_secs_f64() < 0.05 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not noticed");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_pinned_stays_on_its_core() {
    let core = *cores().unwrap().last().unwrap();
    std::thread::spawn(move || {
        pin(&[core]).unwrap();
        assert_eq!(cores().unwrap(), [core]);
        let child = Command::new("nproc").output().unwrap();
        assert_eq!(String::from_utf8(child.stdout).unwrap().trim(), "1");
    })
    .join()
    .unwrap();
}
