//! Whether the soak notices what it claims to notice: its parts against correct and faulty peers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(dead_code, reason = "the soak itself uses the rest")]

#[path = "../it/support/mod.rs"]
mod support;
#[path = "../../benches/peers/svg.rs"]
mod svg;

mod backend;
mod configuration;
mod exchange;
mod faults;
mod fit;
mod kind;
mod ledger;
mod log;
mod material;
mod options;
mod picture;
mod problems;
mod sample;
mod serving;
mod session;
mod trend;
mod verdict;

mod tests {
    mod checked;
    mod judged;
    mod lines;
    mod records;
    mod wanted;
}
