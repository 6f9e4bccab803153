//! Hours of faults: one real `tlsgate run` under mixed load, with reloads, upgrades, backends that are killed, hostile
//! clients and clients that do not read. Every byte is checked, and every failed operation must be explained by a fault
//! that the soak itself made at that time. It runs for some seconds with `cargo test`, and for as long as
//! `TLSGATE_SOAK=60m` says otherwise. docs/reliability.md describes the method.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[expect(dead_code, reason = "the tests of tests/it use the rest")]
#[path = "../it/support/mod.rs"]
mod support;
#[path = "../../benches/peers/svg.rs"]
mod svg;

mod api;
mod backend;
mod bad;
mod configuration;
mod exchange;
mod faults;
mod fit;
mod good;
mod held;
mod kills;
mod kind;
mod ledger;
mod log;
mod material;
mod options;
mod picture;
mod pressure;
mod problems;
mod program;
mod report;
mod run;
mod sample;
mod samples;
mod serving;
mod session;
mod swaps;
mod trend;
mod upgrades;
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !options::is_wanted(&arguments) {
        return ExitCode::SUCCESS;
    }
    let given = |name: &str| std::env::var(name).ok();
    let times = options::duration(given("TLSGATE_SOAK").as_deref())
        .and_then(|duration| Ok((duration, options::upgrades(given("TLSGATE_SOAK_UPGRADES").as_deref(), duration)?)));
    match times {
        Ok((duration, upgrades_every)) => run::run(duration, upgrades_every),
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
