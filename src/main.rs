//! The program. Everything is in the library.

use std::process::ExitCode;

/// A connection allocates a few dozen blocks of a few sizes. jemalloc allocates and frees these much faster than libc, which
/// saves some 5 % of a handshake (docs/performance.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tlsgate::cli::main()
}
