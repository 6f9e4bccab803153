//! Servers that are killed in the middle of their work, and brought back. Never two of one backend at a time, so that a
//! client whose server was not killed has no reason to fail. Must not know: who is served by them.

use std::time::Duration;

use crate::backend::{Death, Server};
use crate::faults::Fault;
use crate::run::Soak;

pub(crate) fn load(soak: &Soak) {
    let backends = [&soak.material.plain, &soak.material.inner, &soak.material.through];
    while soak.pause(Duration::from_millis(fastrand::u64(1500..4000))) {
        let servers = backends[fastrand::usize(..backends.len())];
        let server: &Server = &servers[fastrand::usize(..servers.len())];
        // Only what it serves at this moment is lost: whoever comes later gets another server.
        let number = soak.faults.begin(Fault::Killed(server.address));
        server.kill(if fastrand::bool() { Death::Reset } else { Death::Fin });
        soak.faults.end(number);
        soak.pause(Duration::from_millis(fastrand::u64(200..2500)));
        server.revive();
        // Its health is checked, so that the next one to be killed is not the last one that is up.
        soak.pause(REST);
    }
}

/// Several intervals of health checks.
const REST: Duration = Duration::from_secs(2);
