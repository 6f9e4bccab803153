//! What the soak has found: for people, as JSON, as a picture. Must not know: how it was found.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::kind::Kind;
use crate::ledger::Tally;
use crate::picture::{Drawn, Marks, Panel, Scale, svg};
use crate::run::Soak;
use crate::sample::Sample;
use crate::support::proxy::PROGRAM;
use crate::trend::{Life, lives};

/// Writes everything to `target/soak`, and returns whether all was well.
pub(crate) fn write(soak: &Soak, samples: &[Sample]) -> ExitCode {
    let (tally, lives) = (soak.ledger.tally(), lives(samples));
    for what in lives.iter().flat_map(Life::grows) {
        soak.problems.add(Instant::now(), what);
    }
    // A soak in which little has happened proves little.
    let missing = Kind::ALL.iter().filter(|kind| !tally.outcomes.contains_key(kind));
    for kind in missing.filter(|_| soak.duration >= EVERYTHING) {
        soak.problems.add(Instant::now(), format!("there was no client of the kind {:?}", kind.name()));
    }
    if tally.good < soak.duration.as_secs() {
        soak.problems.add(Instant::now(), format!("only {} good connections", tally.good));
    }
    let (problems, count) = soak.problems.all();
    let marks = marks(soak);
    let mut text = summary(soak, samples, &tally, &lives, &marks);
    for problem in &problems {
        let at = soak.seconds(problem.at);
        let _ = writeln!(text, "\nunexplained, at {at:.1} s: {}\n{}", problem.what, problem.log);
    }
    let _ = writeln!(text, "\n{} corrupted, {count} unexplained", tally.corrupted);
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("soak.txt"), &text).unwrap();
    let all: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "at": soak.seconds(problem.at), "what": problem.what, "log": problem.log }))
        .collect();
    let json = json!({
        "seconds": soak.duration.as_secs_f64(),
        "judged": tally.judged, "good": tally.good, "corrupted": tally.corrupted,
        "without_record": tally.without_record, "unexplained": count, "problems": all,
        "outcomes": by_name(&tally), "lives": lives, "samples": samples,
        "upgrades": marks.upgrades, "kills": marks.kills, "pressure": marks.pressed,
        "log": soak.log.severe(), "served": soak.measures.all_served(),
    });
    fs::write(folder.join("soak.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    fs::write(folder.join("soak.svg"), picture(soak, samples, &tally, &marks)).unwrap();
    fs::write(folder.join("soak.log"), soak.log.text()).unwrap();
    print!("{text}");
    println!("{}", folder.display());
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Beside what cargo builds.
fn folder() -> PathBuf {
    Path::new(PROGRAM).ancestors().nth(2).unwrap().join("soak")
}

fn by_name(tally: &Tally) -> Value {
    let rows = tally.outcomes.iter().map(|(kind, outcomes)| {
        let row = json!({ "outcomes": outcomes, "explained": tally.explained.get(kind) });
        (kind.name().to_owned(), row)
    });
    Value::Object(rows.collect())
}

fn marks(soak: &Soak) -> Marks {
    let mut marks = Marks::default();
    for span in soak.faults.all() {
        let from = soak.seconds(span.from);
        match span.fault {
            Fault::Killed(_) => marks.kills.push(from),
            Fault::Upgrade => marks.upgrades.push(from),
            Fault::Pressure => {
                let until = span.until.map_or(soak.duration.as_secs_f64(), |until| soak.seconds(until));
                marks.pressed.push((from, until.min(soak.duration.as_secs_f64())));
            }
        }
    }
    marks
}

fn summary(soak: &Soak, samples: &[Sample], tally: &Tally, lives: &[Life], marks: &Marks) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: {} connections, {} of good clients that succeeded; {} kills, {} upgrades, {} times hundreds that do not read",
        humantime::format_duration(soak.duration),
        tally.judged,
        tally.good,
        marks.kills.len(),
        marks.upgrades.len(),
        marks.pressed.len()
    );
    for (kind, outcomes) in &tally.outcomes {
        let listed: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        let _ = write!(out, "  {:<36}{}", kind.name(), listed.join(", "));
        for (why, count) in tally.explained.get(kind).into_iter().flatten() {
            let _ = write!(out, "; {count}: {why}");
        }
        out.push('\n');
    }
    for (how, count) in soak.measures.all_served() {
        let _ = writeln!(out, "  served: {count} × {how}");
    }
    let _ = writeln!(out, "  {} connections without a record", tally.without_record);
    for (kind, count) in soak.log.severe() {
        let _ = writeln!(out, "  log: {count} × {kind}");
    }
    let peak = samples.iter().map(|sample| sample.resident_kib).max().unwrap_or_default();
    let _ = writeln!(out, "  at most {} MiB resident", peak / 1024);
    for life in lives {
        let _ = writeln!(out, "  process {}: {}", life.pid, described(life));
    }
    out
}

fn described(life: &Life) -> String {
    let mut text = format!("{:.0} s to {:.0} s, {:.0} connections/min", life.from, life.until, life.connections);
    if let Some(memory) = life.memory {
        let bound = life.bound_kib();
        let (level, slope, error) = (memory.level / 1024.0, memory.slope, memory.error);
        let _ = write!(text, "; {level:.1} MiB, {slope:+.1} ± {error:.1} KiB/min (a leak: more than {bound:.0})");
    }
    if let Some(allocated) = life.allocated {
        let (level, slope, error) = (allocated.level / 1024.0, allocated.slope, allocated.error);
        let _ = write!(text, "; allocated {level:.1} MiB, {slope:+.1} ± {error:.1} KiB/min");
    }
    if let Some(files) = life.files {
        let (level, slope, error) = (files.level, files.slope, files.error);
        let _ = write!(text, "; {level:.0} open files, {slope:+.2} ± {error:.2} per min");
    }
    if let Some(level) = life.level_kib {
        let _ = write!(text, "; {:.1} MiB at equal age", level / 1024.0);
    }
    let judged = if life.is_judged() { "" } else { "; too short to be judged" };
    text + judged
}

fn picture(soak: &Soak, samples: &[Sample], tally: &Tally, marks: &Marks) -> String {
    // Each process is a piece of its own.
    let lives: Vec<&[Sample]> = samples.chunk_by(|left, right| left.pid == right.pid).collect();
    let pieces = |value: fn(&Sample) -> Option<f64>| {
        lives.iter().map(|life| life.iter().filter_map(|one| Some((one.at, value(one)?))).collect()).collect()
    };
    let panel = |title: &str, scale, lines| Panel { title: title.to_owned(), scale, lines };
    let drawn = |name, colour, value: fn(&Sample) -> Option<f64>| Drawn { name, colour, pieces: pieces(value) };
    let panels = [
        panel(
            "memory, MiB",
            Scale::Linear,
            vec![
                drawn("resident", GREEN, |one| Some(one.resident_kib as f64 / 1024.0)),
                drawn("allocated", BLUE, |one| Some(one.allocated_kib? / 1024.0)),
            ],
        ),
        panel("open files", Scale::Linear, vec![drawn("", BLUE, |one| Some(one.open_files as f64))]),
        panel(
            "a good client’s connect, handshake and first answer, ms",
            Scale::Logarithmic,
            vec![drawn("p50", GREEN, |one| one.p50_ms), drawn("p99", BLUE, |one| one.p99_ms)],
        ),
    ];
    let title = format!("{} of faults", humantime::format_duration(soak.duration));
    let below = format!(
        "{} connections, a reload each second, both record layers in turn, hostile clients throughout; {} corrupted, {} unexplained failures",
        tally.judged,
        tally.corrupted,
        soak.problems.all().1
    );
    svg(&title, &below, soak.duration.as_secs_f64(), &panels, marks)
}

/// In that time every kind of client has had its turn.
const EVERYTHING: Duration = Duration::from_secs(120);
const GREEN: &str = "#0a7d4f";
const BLUE: &str = "#5b83b8";
