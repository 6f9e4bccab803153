//! Upgrades in place: another process takes over, and the one before ends when its connections have. Must not know: the
//! load.

use std::time::Instant;

use crate::faults::Fault;
use crate::program::Exit;
use crate::run::{Soak, ends};

pub(crate) fn load(soak: &Soak) {
    while soak.pause(soak.upgrades_every) {
        let number = soak.faults.begin(Fault::Upgrade);
        match soak.program.upgrade() {
            // Those that hold their connections are cut at `shutdown_timeout`.
            Ok(before) => ends(soak, before, &[Exit::Code(0), Exit::Code(3)]),
            Err(error) => soak.problems.add(Instant::now(), format!("an upgrade failed: {error}")),
        }
        soak.faults.end(number);
    }
}
