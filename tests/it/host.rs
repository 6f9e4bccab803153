//! What the machine does to the program: its clock jumps, it is suspended, its network loses packets, it has no ports left.

mod accept;
mod clock;
mod network;
mod suspended;
