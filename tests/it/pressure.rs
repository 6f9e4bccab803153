//! Memory: what gives way before it is used up, what is shown of it, and that it comes back.

mod crowd;
mod flood;
mod shown;
