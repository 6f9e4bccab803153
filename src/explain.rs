//! Answers a question about a client: which certificate a listener would serve to it, and why.

pub mod answer;
pub mod ask;
mod capture;
pub mod clients;
mod reasons;
mod text;
pub mod trace;
