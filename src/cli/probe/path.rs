//! `probe --path`: ClientHellos of many sizes, cut in many ways; which of them get no answer. Must not know: how that is shown.

use std::thread;
use std::time::Duration;

use super::ask::{Asker, ProbeError};
use super::stamp::Stamp;
use report::{Fate, Report, Tried};
use trials::Trial;

mod conclude;
pub(super) mod report;
mod send;
pub(super) mod show;
mod trials;

/// Sends all of them, each on a connection of its own. An error if the server cannot be probed, also if it does not answer a
/// small and plain ClientHello.
pub(super) fn path(asker: &mut Asker, name: Option<String>, gap: Duration, stamp: Stamp) -> Result<Report, ProbeError> {
    let control = trials::control(name.as_deref()).ok_or(ProbeError::NoRandom)?;
    let wait = asker.target.timeout;
    let answered = tried(asker, &control, gap, wait)?;
    if !answered.fate.arrives() {
        let why = format!(
            "a plain ClientHello of {} bytes in one piece gets no answer ({}), so nothing can be learnt about others",
            control.bytes,
            answered.fate.shown()
        );
        return Err(ProbeError::Server(asker.target.text.clone(), why));
    }
    // A server that answers fast would not need the whole time for another hello.
    let wait = wait.min(LEAST_WAIT.max(answered.took.saturating_mul(PATIENCE)));
    let mut all = Vec::new();
    for trial in trials::all(name.as_deref()).ok_or(ProbeError::NoRandom)? {
        let mut result = tried(asker, &trial, gap, wait)?;
        // A single loss may be an accident.
        if !matches!(result.fate, Fate::Answered(_)) {
            thread::sleep(gap);
            result = tried(asker, &trial, gap, wait)?;
        }
        all.push(result);
    }
    let conclusions = conclude::conclude(&answered, &all);
    Ok(Report {
        stamp,
        target: asker.target.text.clone(),
        server_name: name,
        control: answered,
        trials: all,
        conclusions,
    })
}

fn tried(asker: &mut Asker, trial: &Trial, gap: Duration, wait: Duration) -> Result<Tried, ProbeError> {
    let mut line = asker.connect()?;
    let (fate, took) = send::send(&mut line, &trial.pieces, gap, wait);
    if fate.arrives() {
        asker.heard();
    }
    Ok(Tried { content: trial.content, delivery: trial.delivery, bytes: trial.bytes, size: trial.size, fate, took })
}

/// How many times the time of the first answer may pass.
const PATIENCE: u32 = 20;
const LEAST_WAIT: Duration = Duration::from_secs(1);
