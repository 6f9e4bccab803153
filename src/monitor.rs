//! The monitor: a small process that keeps the rights of the start, and does for the serving process what that one has no
//! right to do any longer. OpenSSH's monitor is the model.
//!
//! It reads nothing from the network and trusts nothing that the serving process sends: it binds addresses and runs
//! programs that the configuration names, opens again what the start has named, and starts this program again. The two are joined by a socket pair. Each request
//! goes with a descriptor of its own for the answer, so requests need no numbers, and one that takes long holds up no other.

mod allowed;
mod channel;
mod direct;
mod handle;
pub mod message;
pub mod process;
mod program;
mod shared;
mod started;
pub mod successor;

pub use allowed::{Allowed, Ids};
pub use direct::{bind, bind_suspended, inherited, run, run_and_wait};
pub use handle::Monitor;
pub use program::Output;
pub use shared::{share, shared};
pub use started::Started;
