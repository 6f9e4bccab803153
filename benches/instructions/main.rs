//! Instructions that the hot functions take, counted by valgrind: nearly the same in every run, for comparisons from
//! commit to commit. Prints; asserts nothing. Must not know: what the functions do.
//!
//! `cargo bench --bench instructions` (needs Debian's `valgrind`). Each task is run twice, in a process of its own, with
//! different numbers of units: the difference is the cost of the units, without the cost of starting.
#![allow(clippy::unwrap_used)]

use std::env;
use std::process::{Command, ExitCode};

#[path = "../../src/tls/record/tests/handshake.rs"]
mod handshake;
mod relaying;
mod single;

/// Prepares everything for [`MOST`] units, and then runs that many.
type Task = fn(usize);

const TASKS: [(&str, &str, Task); 10] = [
    ("hello", "ClientHello of OpenSSL → its facts", single::hello),
    ("ja4", "ClientHello of OpenSSL → its JA4", single::ja4),
    ("route", "its names → one of 100 routes", single::route),
    ("select", "its names and schemes → one of 1,000 certificates", single::select),
    ("seal", "seal 16 KiB, AES-128-GCM, TLS 1.3", single::seal),
    ("open", "open 16 KiB, AES-128-GCM, TLS 1.3", single::open),
    ("relay-64", "one record of 64 B, client → backend", relaying::terminated_64),
    ("relay-16384", "one record of 16 KiB, client → backend", relaying::terminated_16384),
    ("pass-64", "64 B passed through", relaying::passed_64),
    ("pass-131072", "128 KiB passed through", relaying::passed_131072),
];

const FEW: usize = 100;
const MOST: usize = 300;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [name, count] = &arguments[..] {
        let (_, _, task) = TASKS.into_iter().find(|(known, _, _)| known == name).unwrap();
        task(count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    println!("instructions for one unit");
    for (name, what, _) in TASKS {
        let counted = counted(name, FEW).and_then(|few| Ok((few, counted(name, MOST)?)));
        match counted {
            Ok((few, most)) => {
                println!("{name:<12} | {:>8} | {what}", most.saturating_sub(few) / (MOST - FEW) as u64);
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs the units. Only what happens in here is counted: what is prepared before takes random numbers, and so a random time.
#[inline(never)]
pub(crate) fn measured<T>(units: impl FnOnce() -> T) -> T {
    std::hint::black_box(units())
}

/// The instructions of a process that runs that many units.
fn counted(name: &str, count: usize) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*::measured*"])
        .arg(program)
        .args([name, &count.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind (apt-get install valgrind): {error}"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let total = printed.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match total {
        Some(total) if output.status.success() => Ok(total),
        _ => Err(format!("valgrind: {}\n{printed}", output.status)),
    }
}
