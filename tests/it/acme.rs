//! Certificates that tlsgate orders itself, from a real authority (pebble): first ones, renewals, faults of every kind.

mod crashes;
mod disk;
mod fallback;
mod faults;
mod first;
mod harness;
mod places;
mod processes;
mod renewal;
mod scene;
mod years;
