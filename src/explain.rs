//! What one client would get of a listener, and why.

pub mod answer;
pub mod ask;
mod capture;
pub mod clients;
mod reasons;
mod text;
pub mod trace;
