//! tlsgate compared with other TLS proxies: the processor time of each for the same work, and latency and goodput under
//! load. `cargo bench --bench peers -- --quick` takes a few minutes; `--help` shows the options. docs/performance.md
//! describes the method.

use std::process::ExitCode;

use clap::Parser;

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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == peer::naive::ARGUMENT => peer::naive::main(rest).map(|()| String::new()),
        _ => {
            let options = command::Options::parse();
            // Before there are other threads.
            let network = if options.list || !options.from.is_empty() { None } else { Some(network::enter()) };
            command::run(&options, network)
        }
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}
