//! Whether the benchmark measures what it says: its load against relays that are right and relays that are wrong, and
//! the whole of it once, in small. They stand in files of their own, since cargo compiles a benchmark that has no harness
//! as if it were a test, and would find them unused there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod command;
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
mod workers;

mod tests {
    mod load;
    mod orders;
    mod pattern;
    mod picture;
    mod processor;
    mod report;
    mod rows;
    mod scene;
    mod whole;
}
