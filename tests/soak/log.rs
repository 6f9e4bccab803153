//! The program's diagnostic log, as it is written. Must not know: the processes that write it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<(Instant, String)>,
    /// Those before the ones that are kept.
    gone: usize,
    /// Warnings and errors, by what is the same in all lines of their kind.
    severe: BTreeMap<String, u64>,
    closed: bool,
}

impl Log {
    /// Adds a line.
    pub(crate) fn add(&self, line: String) {
        let mut lines = self.lines.lock().unwrap();
        if let Some(kind) = severe(&line) {
            *lines.severe.entry(kind).or_default() += 1;
        }
        lines.kept.push_back((Instant::now(), line));
        if lines.kept.len() > KEPT {
            lines.kept.pop_front();
            lines.gone += 1;
        }
        self.news.notify_all();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lines.lock().unwrap().closed = true;
        self.news.notify_all();
    }

    /// The place of the next line.
    pub(crate) fn end(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.gone + lines.kept.len()
    }

    /// Waits for a line from that place on of which `look` makes something.
    pub(crate) fn wait<T>(&self, from: usize, limit: Duration, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut lines = self.lines.lock().unwrap();
        loop {
            let skipped = from.saturating_sub(lines.gone);
            if let Some(found) = lines.kept.iter().skip(skipped).find_map(|(_, line)| look(line)) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.closed || left.is_zero() {
                return None;
            }
            lines = self.news.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// The lines from that long before to that long after a moment, the last of them at most.
    pub(crate) fn around(&self, at: Instant, width: Duration) -> String {
        let lines = self.lines.lock().unwrap();
        let near = |time: Instant| time + width >= at && time <= at + width;
        let mut found: Vec<&String> =
            lines.kept.iter().rev().filter(|(time, _)| near(*time)).map(|(_, line)| line).take(SHOWN).collect();
        found.reverse();
        found.into_iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "    {}", line.chars().take(WIDEST).collect::<String>());
            text
        })
    }

    /// All lines that are kept.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.kept.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    /// Warnings and errors, each kind with its number.
    pub(crate) fn severe(&self) -> BTreeMap<String, u64> {
        self.lines.lock().unwrap().severe.clone()
    }
}

/// Calls `each` with every line of a pipe, on a thread of its own.
pub(crate) fn follow(source: impl Read + Send + 'static, mut each: impl FnMut(String) + Send + 'static) -> Follower {
    let thread = thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            each(line);
        }
    });
    Follower(thread)
}

/// The thread that reads a pipe.
#[derive(Debug)]
pub(crate) struct Follower(JoinHandle<()>);

impl Follower {
    /// Waits for the last line. The pipe is closed when all processes that have it have ended.
    pub(crate) fn join(self) {
        let _ = self.0.join();
    }
}

pub(crate) fn shared() -> Arc<Log> {
    Arc::default()
}

/// What all warnings or errors of a kind have in common: the level, and the text without names and numbers.
fn severe(line: &str) -> Option<String> {
    let level = ["ERROR", "WARN"].into_iter().find(|level| line.contains(&format!(" {level} ")));
    let level = level.or(line.contains("panicked").then_some("ERROR"))?;
    let text = line.split_once(level).map_or(line, |(_, text)| text);
    let text: String = text.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect();
    Some(format!("{level}{}", text.chars().take(160).collect::<String>()))
}

const KEPT: usize = 20_000;
const SHOWN: usize = 20;
const WIDEST: usize = 200;
