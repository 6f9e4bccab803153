//! A request, from its head to its answer: who may ask, what can be asked, and how answers look.

pub(super) mod answer;
pub(super) mod body;
pub(super) mod guard;
pub(super) mod paths;
pub mod token;
