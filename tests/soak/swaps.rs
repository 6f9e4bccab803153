//! Certificates and configurations, swapped all the time, and reloaded by signal, API or because the files have changed.
//! Must not know: what a configuration contains.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::faults::Fault;
use crate::run::Soak;

pub(crate) fn load(soak: &Soak) {
    let mut generation = 0;
    while soak.pause(Duration::from_millis(fastrand::u64(500..1500))) {
        generation += 1;
        soak.material.certify(generation);
        soak.material.configure(generation);
        match fastrand::u8(..3) {
            0 => soak.program.signal(Signal::SIGHUP),
            1 => reload(soak, generation),
            // The change is noticed.
            _ => {}
        }
    }
}

/// Whoever asks is always answered, also by a process that is being replaced. That one may refuse.
fn reload(soak: &Soak, generation: u64) {
    let begun = Instant::now();
    let answer = soak.api.ask("POST", "/api/v1/reload");
    let is_upgraded = soak.faults.between(begun, Instant::now()).contains(&Fault::Upgrade);
    match answer {
        // The process that answers may be about to be replaced by one that has read older files.
        Ok((200, _)) if !is_upgraded => soak.material.is_served(generation),
        Ok((200, _)) => {}
        Ok((503, _)) if is_upgraded => {}
        answer => soak.problems.add(begun, format!("a reload by the API failed: {answer:?}")),
    }
}
