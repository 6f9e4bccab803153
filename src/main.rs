//! The program. Everything is in the library.

use std::process::ExitCode;

/// A connection is a few dozen pieces of memory of a few sizes, which this hands out and takes back in a fraction of the
/// time that libc's takes: some 5 % of a handshake (docs/performance.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tlsgate::cli::main()
}
