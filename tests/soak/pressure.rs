//! Phases in which many clients do not read, so that buffers are full everywhere. Must not know: what is made of it.

use std::time::Duration;

use crate::faults::Fault;
use crate::good::conclude;
use crate::held::{narrow, not_reading};
use crate::material::{PLAIN, source};
use crate::run::Soak;
use crate::session::Session;
use crate::support::client::{Client, reset};

/// A phase from time to time, until the soak ends.
pub(crate) fn load(soak: &Soak, thread: u8) {
    // Between two upgrades.
    let every = soak.upgrades_every;
    let mut next = every / 2;
    while soak.pause(next) {
        phase(soak, thread, (every / 5).min(LONGEST));
        next = every.saturating_sub((every / 5).min(LONGEST));
    }
}

fn phase(soak: &Soak, thread: u8, length: Duration) {
    let settings = soak.material.forgers();
    let number = soak.faults.begin(Fault::Pressure);
    let mut held = Vec::new();
    for client in 0..CLIENTS {
        if soak.is_over() {
            break;
        }
        let Some((tcp, ticket)) = narrow(soak, source(thread)) else { continue };
        let mut session = Session::new(Client::on(tcp, &settings[client % 2], PLAIN));
        match not_reading(&mut session) {
            Ok(()) => held.push((session, ticket)),
            Err(failure) => conclude(soak, session, ticket, Err(failure)),
        }
    }
    soak.pause(length);
    for (session, ticket) in held {
        let server = session.server;
        reset(session.client.tcp);
        ticket.finish(server, None);
    }
    soak.faults.end(number);
}

/// What fills their buffers is encrypted first, which takes long without optimization.
pub(crate) const CLIENTS: usize = if cfg!(debug_assertions) { 40 } else { 1000 };
const LONGEST: Duration = Duration::from_secs(30);
