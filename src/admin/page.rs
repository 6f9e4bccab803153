//! The page at `/`: the state of the process for people, and the steps of a change there. Must not know: HTTP beyond queries,
//! forms and one cookie; how anything is changed.

pub(super) mod assets;
mod certificates;
mod connections;
mod filters;
pub(super) mod form;
mod frame;
mod html;
mod listeners;
pub(super) mod open;
mod ordered;
pub(super) mod overview;
mod parts;
mod process;
mod servers;
pub(super) mod session;
pub(super) mod state;
pub(super) mod step;
pub(super) mod steps;
mod text;
mod trouble;
mod unfit;
pub(super) mod wanted;
mod wrong;
