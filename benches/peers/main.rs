//! tlsgate beside other TLS proxies: what each uses of the processor for the same work. `cargo bench --bench peers --
//! --quick` takes a few minutes; `--help` tells the rest. How it measures is written in docs/performance.md.

use std::process::ExitCode;

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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == peer::naive::ARGUMENT => match peer::naive::main(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => command::main(),
    }
}
