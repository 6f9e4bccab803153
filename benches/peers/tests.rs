//! Whether the benchmark measures what it claims: its load against correct and faulty relays, and the whole of it once,
//! on a small scale. The tests are in files of their own, since cargo compiles a benchmark without a harness as if it
//! were a test, and would report them as unused there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod command;
mod latency;
mod load;
mod material;
mod measure;
mod network;
mod peer;
mod picture;
mod processor;
mod report;
mod rows;
mod states;
mod svg;
mod workers;

mod tests {
    mod arrivals;
    mod latencies;
    mod load;
    mod offered;
    mod orders;
    mod pattern;
    mod picture;
    mod pings;
    mod processor;
    mod report;
    mod rows;
    mod scene;
    mod steady;
    mod whole;
}
