//! A request, from its head to its answer: who may make it, what can be requested, and what answers look like.

pub(super) mod answer;
pub(super) mod body;
pub(super) mod browser;
pub(super) mod guard;
pub(super) mod paths;
pub(super) mod query;
pub mod token;
